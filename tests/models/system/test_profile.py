"""Profiles of programs: how often each instruction retired, and how long it took."""

import numpy as np
import pytest

from models.analog.array import IdealArray
from models.system.core import Core, Status
from models.system.node import Node
from models.system.trace import Event
from panther.arch.core import CoreParams
from panther.arch.isa import INSTRUCTIONS
from panther.arch.params import McuParams, SliceParams
from panther.arch.presets import NODES
from panther.arch.tile import SEQUENCER
from panther.asm import assemble_text

PARAMS = CoreParams(
    mcu=McuParams(rows=8, columns=6, slices=SliceParams(value_bits=4, cell_bits=(5, 6, 5))),
    mcus=1, registers=128, instructions=64, memory_words=256,
)  # fmt: skip
TEXT = """
        sset    s1, 3
        loops   s1, end
        mcu     m0:mvm
        vset    r0, 1, 9
        v.mov   r16, m0.mvm_out, 6
end:    st      r0, s0, 0, 9, plain
        hlt
"""
MVM_CYCLES = 15 * 6 + 6 + 4 + 8


class Opaque(IdealArray):
    """An array that compiled code does not know."""


def core(text, kind=IdealArray):
    made = Core(PARAMS, [kind(PARAMS.mcu)], trace=True)
    made.load(assemble_text(text, PARAMS).words)
    made.start()
    return made


@pytest.mark.parametrize("kind", [IdealArray, Opaque])
def test_core_counts_what_its_trace_shows(kind):
    made = core(TEXT, kind)
    assert made.run() is Status.HALTED
    expected = np.zeros((PARAMS.instructions, 2), np.int64)
    before = -1
    for cycle, pc in made.events(Event.RETIRE)[:, :2].tolist():
        expected[pc] += 1, cycle - before
        before = cycle
    assert (made.profile == expected).all()
    assert made.profile.sum(axis=0).tolist() == [made.retired, made.cycle + 1]
    # by hand: a vector instruction, set off two cycles before, has taken a part of the product
    assert made.profile[:3].tolist() == [[1, 2], [1, 2], [3, 6]]
    assert made.profile[3:5, 1].sum() > 3 * MVM_CYCLES


def test_profile_goes_on_with_every_start_until_a_program_is_loaded():
    made = core("sadd s1, s1, 1\nhlt")
    made.run()
    once = made.profile
    assert once[:2].tolist() == [[1, 2], [1, 2]]
    made.start()
    made.run()
    assert (made.profile == 2 * once).all()
    made.execute(INSTRUCTIONS["sadd"].encode(sd=1, sa=1, imm=1))  # is not of the program
    assert (made.profile == 2 * once).all()
    made.load(assemble_text("hlt", PARAMS).words)
    assert not made.profile.any()


def test_instruction_that_does_not_retire_is_not_counted():
    made = core("sset s1, 5\nld r0, s0, 0, 4\nhlt")
    assert made.run() is Status.FAULTED
    assert made.profile[:3].tolist() == [[1, 2], [0, 0], [0, 0]]


def test_cores_and_sequencers_of_a_node():
    params = NODES["SMALL"]
    units = {
        (0, SEQUENCER): "recv s0, 0, 8, 1, core0\nhlt",
        (1, SEQUENCER): "loop 2, e\nsset s1, 5\nsadd s2, s2, 1\ne: send s0, 0, 8, 0, 1\nhlt",
        (1, 0): "loop 50, e\nsadd s2, s2, 1\ne: vset r0, 7, 8\nst r0, s0, 0, 8, send_unit\nhlt",
        (0, 0): "ld r0, s0, 0, 8, take\nhlt",
    }
    made = Node(params)
    for unit, text in units.items():
        made.load(*unit, assemble_text(text, params.tile.core).words)
    made.start(dict.fromkeys(units, 0))
    assert made.run()
    for unit in units:
        status = made.status(*unit)
        assert not status.fault
        assert made.profile(*unit)[:, 1].sum() == status.cycle
    assert made.profile(1, SEQUENCER)[:, 0].tolist()[:5] == [1, 2, 2, 1, 1]
    assert made.profile(1, 0)[:, 0].tolist()[:5] == [1, 50, 1, 1, 1]
    # they wait for the words, in the loads and in the halts
    assert made.profile(0, 0)[0, 1] > 100
    assert made.profile(0, SEQUENCER)[1, 1] > 100
    assert made.profile(1, SEQUENCER)[4, 1] > 100
    made.load(1, SEQUENCER, assemble_text("hlt", params.tile.core).words)
    assert not made.profile(1, SEQUENCER).any()
    assert made.profile(0, SEQUENCER).any()
