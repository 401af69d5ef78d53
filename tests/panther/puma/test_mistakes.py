"""Mistakes in the text: file, line, and what is wrong."""

import shutil
from pathlib import Path

import pytest

from cocotb_tests.puma_case import PumaCase
from panther.puma import Blocked, PumaError

DATA = Path(__file__).parents[2] / "data" / "puma"
SAMPLE = "convGPanther"
CORE, TILE = "tile2-core5", "tile2"
# file, line, what stands there, what is put there, line of the message and what it says
MISTAKES = {
    "unknown instruction": (CORE, 1, "set(", "sett(", 1, "instruction must be one of set, load"),
    "unknown function": (CORE, 20, "'add'", "'tanh'", 20, "must be one of .* not alu tanh"),
    "no instruction": (CORE, 3, ")", "", 3, "must be an instruction"),
    "of a tile": (CORE, 49, "hlt()", "halt()", 49, "halt must stand in programs of tiles only"),
    "unknown operand": (CORE, 2, "r1=", "r9=", 2, "operands of load must be .* not r9"),
    "missing operand": (CORE, 2, "load_width=16, ", "", 2, "load must have operand load_width"),
    "doubled operand": (CORE, 1, "vec=1", "vec=1, vec=1", 1, "must be"),
    "no number": (CORE, 1, "5248", "'5248'", 1, "imm must be a number"),
    "huge number": (CORE, 1, "5248", "9" * 99, 1, "imm must be an integer from -32768 to 32767"),
    "float": (CORE, 1, "5248", "1.5", 1, "imm must be an integer"),
    "constant": (CORE, 40, "alu('relu'", "alui('mul', imm=9.5", 40, "number of Q4.12, -8 to 8"),
    "long vector": (CORE, 2, "vec=8", "vec=99", 2, "at most 1023 words"),
    "bits": (CORE, 15, "''100'", "'", 15, "train must name 2 matrix units"),
    "wrong counter": (CORE, 4, "counter=1", "counter=2", 4,
                      r"counter must be 1, .* found: core 1 \(.*tile2-core1.puma:2\)"),
    "wrong counter of a receive": (TILE, 1, "counter=1", "counter=3", 1,
                                   r"counter must be 1, .* core 4 \(.*core4.puma:2\)"),
    "wrong address": (CORE, 1, "5248", "5249", 2, "words 5249 to 5376 must be all or none of"),
    "address that nobody stores": (CORE, 1, "5248", "30000", 2, "must be stored by somebody"),
    "address outside": (CORE, 1, "5248", "32700", 2, "must lie in the memory"),
    "no address": (CORE, 2, "r1=1537", "r1=1540", 2, "register 1540 must hold an address"),
    "overwritten address": (CORE, 1, "d1=1537, imm=5248, vec=1",
                            "d1=1536, imm=5248, vec=1", 2, "register 1537 must hold an address"),
    "wrong message": (TILE, 2, "vec=8", "vec=4", 2, "message must have 128 words"),
    "wrong sender": ("tile3", 11, "vtile_id=3", "vtile_id=2", 11, "must be that of one sender"),
    "no such tile": (TILE, 16, "target_addr=1", "target_addr=9", 16, "must be one of 4 tiles"),
    "result written": (CORE, 16, "d1=1793", "d1=768", 16, "must not be written: register 768"),
    "outside of a bank": (CORE, 13, "d1=0", "d1=4", 13, "registers 4 to 131 must be those of one"),
    "unknown register": (CORE, 13, "r1=1665", "r1=3700", 13, "registers must be below 3584"),
    "overlap": (CORE, 13, "d1=0,", "d1=1666,", 13, "d1 must not begin within"),
}  # fmt: skip


def _copy(tmp_path):
    folder = tmp_path / SAMPLE
    shutil.copytree(DATA / SAMPLE, folder)
    return folder


@pytest.mark.parametrize("mistake", MISTAKES)
def test_line_and_reason_are_named(tmp_path, mistake):
    unit, number, right, wrong, line, message = MISTAKES[mistake]
    folder = _copy(tmp_path)
    file = folder / f"{SAMPLE}-{unit}.puma"
    lines = file.read_text().splitlines()
    assert right in lines[number - 1]
    lines[number - 1] = lines[number - 1].replace(right, wrong, 1)
    file.write_text("\n".join(lines))
    with pytest.raises(PumaError, match=message) as caught:
        _ = PumaCase(folder=str(folder)).texts
    assert str(caught.value).startswith(f"{file}:{line}: ")


def test_file_that_was_cut(tmp_path):
    folder = _copy(tmp_path)
    file = folder / f"{SAMPLE}-{CORE}.puma"
    whole = file.read_text()
    for size in range(0, len(whole) - len("hlt()\n"), 97):
        file.write_text(whole[:size])
        with pytest.raises(PumaError, match=f"{file}:"):
            _ = PumaCase(folder=str(folder)).texts


def test_program_after_its_end(tmp_path):
    folder = _copy(tmp_path)
    file = folder / f"{SAMPLE}-{CORE}.puma"
    file.write_text(file.read_text() + "\nhlt()\n")
    with pytest.raises(PumaError, match="nothing must follow hlt"):
        _ = PumaCase(folder=str(folder)).texts


@pytest.mark.parametrize("name", [f"{SAMPLE}-{CORE}.puma", f"{SAMPLE}-{TILE}.puma"])
def test_file_that_is_missing(tmp_path, name):
    folder = _copy(tmp_path)
    (folder / name).unlink()
    with pytest.raises(PumaError, match=f"{name} is missing"):
        _ = PumaCase(folder=str(folder)).texts


def test_files_that_are_none(tmp_path):
    with pytest.raises(PumaError, match="must hold files like"):
        _ = PumaCase(folder=str(tmp_path)).texts
    folder = _copy(tmp_path)
    file = folder / f"{SAMPLE}-{CORE}.puma"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PumaError, match="must be ASCII text"):
        _ = PumaCase(folder=str(folder)).texts
    file.write_text("(" * 300)
    with pytest.raises(PumaError, match="must be an instruction"):
        _ = PumaCase(folder=str(folder)).texts
    file.rename(folder / "other.puma")
    with pytest.raises(PumaError, match="must be named like"):
        _ = PumaCase(folder=str(folder)).texts
    shutil.copy(folder / f"{SAMPLE}-tile0.puma", folder / "other-tile0.puma")
    (folder / "other.puma").unlink()
    with pytest.raises(PumaError, match="must hold one program, not convGPanther, other"):
        _ = PumaCase(folder=str(folder)).texts


def _small(tmp_path, **units):
    """A program of three tiles of two cores; what is left out does nothing."""
    for tile in range(3):
        (tmp_path / f"p-tile{tile}.puma").write_text(units.get(f"t{tile}", "") + "\nhalt()")
        for core in range(2):
            text = units.get(f"t{tile}c{core}", "")
            (tmp_path / f"p-tile{tile}-core{core}.puma").write_text(text + "\nhlt()")
    return PumaCase(folder=str(tmp_path))


STORE = "set(d1=1536, imm={0}, vec=1)\nstore(d1=1536, r1=1540, counter={1}, store_width=4, vec=1)\n"
LOAD = "set(d1=1536, imm={0}, vec=1)\nload(d1=1540, r1=1536, load_width=4, vec=1)\n"


def test_programs_that_wait_for_each_other(tmp_path):
    case = _small(
        tmp_path, t2c0=LOAD.format(0) + STORE.format(8, 1), t2c1=LOAD.format(8) + STORE.format(0, 1)
    )
    with pytest.raises(Blocked, match=r"core0.puma:2: .*load at .*core1.puma:2"):
        _ = case.end


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ({"t2c0": 2 * STORE.format(0, 2), "t2c1": 2 * LOAD.format(0), "t2": "receive(mem_addr=9, "
          "vtile_id=0, receive_width=1, vec=1, counter=1)"}, "must be sent; nobody does"),
        ({"t2c0": 2 * STORE.format(0, 2) + 2 * LOAD.format(0), "t2c1": 2 * LOAD.format(0)},
         "stored 2 times must be read by one unit"),
        ({"t2c0": STORE.format(0, 1), "t2c1": STORE.format(0, 1) + LOAD.format(0)},
         "must be stored by one unit only"),
        ({"t2c0": STORE.format(0, 1)}, "words must be read by somebody"),
        ({"t0": "send(mem_addr=0, vtile_id=0, send_width=4, vec=1, target_addr=2)\n"},
         "must be received; tile 2 does not"),
        ({"t2": 2 * "send(mem_addr=0, vtile_id=2, send_width=4, vec=1, target_addr=1)\n",
          "t1": "receive(mem_addr=0, vtile_id=2, receive_width=4, vec=1, counter=1)\n"
          "receive(mem_addr=4, vtile_id=2, receive_width=4, vec=1, counter=1)\n",
          "t2c0": STORE.format(0, 2)}, "must be sent once"),
        ({"t0": 2 * "send(mem_addr=0, vtile_id=0, send_width=4, vec=1, target_addr=1)\n",
          "t1": "receive(mem_addr=0, vtile_id=0, receive_width=4, vec=1, counter=1)\n"
          "receive(mem_addr=4, vtile_id=0, receive_width=4, vec=1, counter=1)\n"},
         "words the host has stored must be sent once"),
        ({"t2": "send(mem_addr=0, vtile_id=2, send_width=4, vec=1, target_addr=1)\n",
          "t1": "receive(mem_addr=0, vtile_id=2, receive_width=4, vec=1, counter=2)\n",
          "t2c0": STORE.format(0, 1)}, "counter must be 1, for the host alone"),
    ],
)  # fmt: skip
def test_what_cannot_be_said(tmp_path, units, message):
    with pytest.raises(PumaError, match=message) as caught:
        _ = _small(tmp_path, **units).texts
    assert ".puma:" in str(caught.value)
