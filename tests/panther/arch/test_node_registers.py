"""The register map of a node: whole, without overlap, and the same wherever it is written."""

import random
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from panther.arch.__main__ import DERIVED
from panther.arch.core import CoreParams, Fault
from panther.arch.node import NodeParams
from panther.arch.node_registers import (
    CELLS,
    NODE_REGISTERS,
    PAGE_BYTES,
    PROGRAM,
    STATES,
    TILE_BYTES,
    TILE_REGISTERS,
    UNIT_BYTES,
    UNIT_REGISTERS,
    WINDOWS,
    WORDS,
    check_host,
    control_bits,
    header,
    manual,
    memory_address,
    memory_bits,
    node_address,
    node_registers,
    tile_address,
    tile_registers,
    unit_address,
    unit_offset,
    units,
)
from panther.arch.params import McuParams, SliceParams
from panther.arch.registers import check_map
from panther.arch.tile import SEQUENCER, TileFault, TileParams

ROOT = Path(__file__).parents[3]
NODES = [
    NodeParams(),
    NodeParams(width=1, height=1, tile=TileParams(cores=1, core=CoreParams(mcus=1))),
    NodeParams(width=16, height=16, tile=TileParams(core=CoreParams(mcus=8))),
]
LARGEST = NODES[-1]


@pytest.mark.parametrize("name", DERIVED)
def test_file_is_not_stale(name):
    assert (ROOT / name).read_text(encoding="utf-8") == DERIVED[name](), "run make registers"


@pytest.mark.parametrize("params", NODES)
def test_registers_of_a_node_do_not_overlap(params):
    for registers in (node_registers(params), tile_registers(params)):
        check_map(registers)
        assert max(register.end for register in registers) <= PAGE_BYTES
    assert max(register.end for register in UNIT_REGISTERS) <= UNIT_BYTES


def test_largest_node_has_the_whole_table():
    counts = {register.name: register.count for register in node_registers(LARGEST)}
    for register in NODE_REGISTERS:
        if register.name != "cell_bits":
            assert counts[register.name] == register.count
    counts = {register.name: register.count for register in tile_registers(LARGEST)}
    assert all(counts[register.name] == register.count for register in TILE_REGISTERS)
    for unit in units(LARGEST):
        own = {f"u{unit}_{register.name}" for register in UNIT_REGISTERS} & set(counts)
        assert len(own) == (4 if unit == SEQUENCER else len(UNIT_REGISTERS))


def test_smaller_node_has_less():
    names = {register.name: register for register in tile_registers(NODES[1])}
    assert names["counter"].count == 25
    assert "u0_status" in names
    assert "u1_status" not in names
    assert "u8_status" in names
    assert units(NODES[1]) == (0, 8)


@pytest.mark.parametrize("params", NODES)
def test_fields_hold_what_a_node_may_have(params):
    values = {register.name: register for register in node_registers(params)}
    assert values["mesh"].reset == params.height << 16 | params.width
    assert values["tile_sizes"].reset == params.tile.instructions
    assert values["memory_size"].reset == params.tile.groups


def test_addresses():
    assert node_address("start") == 0x20
    assert node_address("interrupt", 7) == 0x5C
    assert tile_address(0, "arm") == 0x1000
    assert tile_address(255, "counter", 535) == 0x100000 + 0x680 + 4 * 535
    assert unit_address(1, 8, "status") == 0x2000 + 0x600 + 4
    assert memory_address(0, WORDS, 3) == 24
    assert memory_address(1, STATES, 3) == 0x4400018
    assert memory_address(0, PROGRAM, 8, 5) == 0x880028
    assert memory_address(2, CELLS, 7, 7, 255, 255) == 0x8000000 + 0x3FFFFF8


@pytest.mark.parametrize("params", NODES)
def test_addresses_fit_their_width(params):
    last = params.tiles - 1
    assert unit_address(last, SEQUENCER, "wait") < 1 << control_bits(params)
    assert (PAGE_BYTES * (1 + params.tiles) - 1) >> control_bits(params) - 1 == 1
    assert memory_address(last, CELLS, 7, 7, 255, 255) < 1 << memory_bits(params)
    assert (TILE_BYTES * params.tiles - 1) >> memory_bits(params) - 1 == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: node_address("stop"), "Register must be one of magic, .*, not 'stop'"),
        (lambda: node_address("interrupt", 8), r"Index of interrupt .* \[0, 7\], not 8"),
        (lambda: tile_address(256, "arm"), r"Tile must be an integer in .* \[0, 255\], not 256"),
        (lambda: tile_address(0, "status"), "Register must be one of arm, .*, not 'status'"),
        (lambda: unit_address(0, 9, "status"), r"Unit must be .* \[0, 8\], not 9"),
        (lambda: unit_address(-1, 0, "status"), r"Tile must be .* \[0, 255\], not -1"),
        (lambda: unit_offset(True), "Unit must be an integer .*, not True"),
        (lambda: memory_address(256, WORDS, 0), "Tile must be .*, not 256"),
        (lambda: memory_address(0, CELLS, 0), "zip"),
    ],
)
def test_what_does_not_exist_has_no_address(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_windows_do_not_overlap():
    """The last word of each lies before the first of the next, inside of the tile."""
    most = {
        "group": (1 << 19) - 1, "unit": 8, "instruction": 8191, "core": 7, "mcu": 7, "row": 255,
        "column": 255,
    }  # fmt: skip
    ends = [window.address(*(most[name] for name, _ in window.strides)) + 8 for window in WINDOWS]
    starts = [window.offset for window in WINDOWS]
    assert all(end <= start for end, start in zip(ends, [*starts[1:], TILE_BYTES], strict=True))


def test_weight_must_fit_a_word_of_the_host():
    mcu = McuParams(slices=SliceParams(value_bits=2, cell_bits=(4,) * 16))
    check_host(NodeParams(tile=TileParams(core=CoreParams(mcu=mcu))))
    wide = replace(mcu, slices=SliceParams(value_bits=2, cell_bits=(5,) + (4,) * 15))
    with pytest.raises(ValueError, match="must have at most 64 bits in a node, not 65"):
        check_host(NodeParams(tile=TileParams(core=CoreParams(mcu=wide))))


def test_manual_names_every_register():
    text = manual()
    for register in (*NODE_REGISTERS, *TILE_REGISTERS, *UNIT_REGISTERS):
        assert f"| **{register.name}** |" in text
    for window in WINDOWS:
        assert f"| **{window.name}** |" in text


def _c_values(folder, expressions):
    """What a C compiler makes of ``expressions`` after the header."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("NOT RUN: no C compiler")
    (folder / "panther_node.h").write_text(header())
    prints = "\n".join(f'  printf("%llu\\n", (unsigned long long)({e}));' for e in expressions)
    (folder / "main.c").write_text(
        '#include <stdio.h>\n#include "panther_node.h"\n#include "panther_node.h"\n'
        f"int main(void) {{\n{prints}\n  return 0;\n}}\n"
    )
    subprocess.run(
        [compiler, "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-o", "main", "main.c"],
        cwd=folder, check=True,
    )  # fmt: skip
    done = subprocess.run([folder / "main"], capture_output=True, text=True, check=True)
    return [int(line) for line in done.stdout.split()]


def test_header_says_what_the_functions_say(tmp_path):
    rng = random.Random(1)
    expected = {}
    for register in NODE_REGISTERS:
        expected[f"PANTHER_NODE_{register.name.upper()}"] = node_address(register.name)
    for register in TILE_REGISTERS:
        tile = rng.randrange(256)
        name = f"PANTHER_TILE({tile}) + PANTHER_TILE_{register.name.upper()}"
        expected[name] = tile_address(tile, register.name)
    for register in UNIT_REGISTERS:
        tile, unit = rng.randrange(256), rng.randrange(9)
        name = f"PANTHER_UNIT({tile}, {unit}) + PANTHER_UNIT_{register.name.upper()}"
        expected[name] = unit_address(tile, unit, register.name)
    for window in WINDOWS:
        tile, *place = (rng.randrange(8) for _ in range(1 + len(window.strides)))
        arguments = ", ".join(map(str, (tile, *place)))
        expected[f"PANTHER_{window.name.upper()}({arguments})"] = memory_address(
            tile, window, *place
        )
    expected["PANTHER_FAULT_CONFIG"] = Fault.CONFIG
    expected["PANTHER_FAULT_SENDER"] = TileFault.SENDER
    expected["PANTHER_UNIT_STATUS_FAULT_MASK >> PANTHER_UNIT_STATUS_FAULT_LSB"] = 31
    expected["PANTHER_NODE_MAGIC_RESET"] = 0x504E5448
    assert _c_values(tmp_path, expected) == list(expected.values())


def test_header_defines_nothing_twice():
    names = re.findall(r"^#define (\w+)", header(), re.MULTILINE)
    assert len(names) == len(set(names))
