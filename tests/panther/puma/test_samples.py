"""The published compiler's programs at transaction level, held against their text, interpreted."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cocotb_tests.puma_case import PumaCase
from panther.arch.isa import decode
from panther.puma import SEQUENCER, assign_readers, interpret, read_program

DATA = Path(__file__).parents[2] / "data" / "puma"
OPCODES = {
    "mlpPanther": {
        "set": 224, "load": 136, "store": 88, "copy": 210, "alu add": 51, "alu sub": 1,
        "alu relu": 24, "alui mul": 11, "train": 44, "hlt": 40, "send": 44, "receive": 44,
        "halt": 5,
    },
    "convGPanther": {
        "set": 112, "load": 62, "store": 50, "copy": 106, "alu add": 25, "alu sub": 2,
        "alu relu": 17, "alui mul": 2, "train": 18, "hlt": 32, "send": 31, "receive": 31, "halt": 4,
    },
}  # fmt: skip
OPERATIONS = {"mlpPanther": (44, 28, 44), "convGPanther": (18, 18, 18)}
CYCLES = {"mlpPanther": 18977, "convGPanther": 9512}


def _lines(name):
    """Lines of the text by what stands before the bracket, counted without our reader."""
    found = Counter()
    for file in (DATA / name).glob("*.puma"):
        for line in file.read_text().splitlines():
            function = line.split("'")[1] if line.startswith("alu") else ""
            found[f"{line.partition('(')[0]} {function}".strip()] += 1
    return found


def _run(case):
    node = case.twin(case.params, trace=False)
    ((_, starts),) = case.all_starts()
    node.start(starts)
    assert node.run(limit_cycles=1_000_000)
    statuses = [node.status(*unit) for unit in starts]
    assert not any(status.fault for status in statuses)
    return node, max(status.cycle for status in statuses)


@pytest.mark.parametrize("name", OPCODES)
def test_all_values_are_those_of_the_text(name):
    case = PumaCase(folder=str(DATA / name))
    node, cycles = _run(case)
    assert case.check(node) > 8_000_000
    assert cycles == CYCLES[name]
    # the run has been one: outputs are there, and every matrix unit in use has learnt
    outputs = [case.plan.used[place] for place in case.plan.outputs]
    assert outputs
    for buffer in outputs:
        assert case.end.memory[1, buffer.address : buffer.address + buffer.length].any()
    assert len(case.end.cells) == OPERATIONS[name][0]
    for place, cells in case.state.cells.items():
        assert (case.end.cells[place] != cells).any(), place
    # every operation keeps its unit busy for so many cycles, whatever it computes
    mvm, mtvm, opa = OPERATIONS[name]
    busy = sum(
        count
        for tile in range(case.params.tiles)
        for key, count in node.counters(tile).items()
        if key.endswith(".busy")
    )
    assert busy == (mvm + mtvm) * 2059 + opa * 66


@pytest.mark.parametrize("name", OPCODES)
def test_every_line_becomes_its_instruction(name):
    case = PumaCase(folder=str(DATA / name))
    assert case.program.opcodes() == OPCODES[name] == dict(_lines(name))
    assert tuple(case.program.operations().values()) == OPERATIONS[name]
    assert tuple(case.end.executed[key] for key in ("mvm", "mtvm", "opa")) == OPERATIONS[name]
    words = [int(w) for program in case.assembled(case.params).values() for w in program.words]
    found = Counter()
    started = Counter()
    for word in words:
        instruction, operands = decode(word)
        found[instruction.mnemonic] += 1
        if instruction.mnemonic == "mcu":
            for bit in range(24):
                started[bit % 3] += operands["operations"] >> bit & 1
    assert tuple(started[n] for n in range(3)) == OPERATIONS[name]
    counts, inputs = OPCODES[name], len(case.plan.inputs)
    same = {
        "mcu": "train", "v.add": "alu add", "v.sub": "alu sub", "vi.max": "alu relu",
        "vi.mul": "alui mul", "v.mov": "copy", "send": "send", "recv": "receive",
    }  # fmt: skip
    assert {ours: found[ours] for ours in same} == {ours: counts[same[ours]] for ours in same}
    # the inputs are loaded and stored again, for the send unit
    assert (found["ld"], found["st"], found["inv"]) == (
        counts["load"] + inputs, counts["store"] + inputs, inputs,
    )  # fmt: skip


def test_values_that_saturate_are_those_of_the_text():
    case = PumaCase(folder=str(DATA / "convGPanther"), seed=2, weight_bits=31, word_bits=16)
    node, _ = _run(case)
    case.check(node)
    assert case.end.saturated > 1000
    limits = [case.params.tile.core.mcu.slices.cell_range(k) for k in range(8)]
    full = [
        sum(np.count_nonzero((c[k] == low) | (c[k] == high)) for c in case.end.cells.values())
        for k, (low, high) in enumerate(limits)
    ]
    assert sum(full) > 1000


@pytest.mark.parametrize("name", OPCODES)
def test_the_text_means_the_same_in_every_order(name):
    case = PumaCase(folder=str(DATA / name))
    order = list(case.program.units)[::-1]
    other = interpret(case.program, case.params.tile.core.mcu, case.state, 28, order)
    assert np.array_equal(other.memory, case.end.memory)
    for place, cells in other.cells.items():
        assert np.array_equal(cells, case.end.cells[place])


@pytest.mark.parametrize("name", OPCODES)
def test_every_count_is_the_number_of_readers_in_its_mask(name):
    program = read_program(DATA / name)
    plan = assign_readers(program)
    for place, mask in plan.readers.items():
        tile, unit, number = place
        line = program.units[tile, unit][number]
        assert mask.bit_count() == line.operands["counter"] - (place in plan.outputs), line.where
    assert {place[:2] for place in plan.inputs} == {(0, SEQUENCER)}
    assert {place[:2] for place in plan.outputs} == {(1, SEQUENCER)}


def test_a_wrong_translation_is_seen():
    case = PumaCase(folder=str(DATA / "convGPanther"))
    unit = 2, 5
    for right, wrong in [
        ("v.mov m0.mvm_in, r129", "v.mov m0.mvm_in, r1"),
        ("m0:mtvm+opa, m1:mtvm+opa", "m0:mtvm+opa, m1:mtvm"),
        ("mvm_shift, 28", "mvm_shift, 27"),
        ("vi.max r1, r1, 0, 128", "vi.max r1, r1, 0, 127"),
    ]:
        broken = PumaCase(folder=case.folder)
        texts = dict(broken.texts)
        assert right in texts[unit]
        texts[unit] = texts[unit].replace(right, wrong, 1)
        broken.__dict__["texts"] = texts
        node, _ = _run(broken)
        with pytest.raises(AssertionError, match="must be"):
            broken.check(node)
