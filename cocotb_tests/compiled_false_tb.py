"""What differs in RTL when a compiled program trains is found, where it is and when it happens."""

import cocotb
import pytest

from cocotb_tests.compare import Divergence
from cocotb_tests.compiled_tb import prepared, train
from cocotb_tests.node_driver import memory
from panther.arch.core import LANES
from panther.arch.node_registers import PROGRAM, WORDS, memory_address
from panther.arch.tile import SEQUENCER
from panther.asm import assemble_text


async def flip_cell(rig, training, lockstep):
    """One of RTL's cells is another."""
    cells = lockstep.arrays[0].cells.copy()
    cells[1, 1, 2] ^= 1
    lockstep.arrays[0].cells = cells


async def flip_rate(rig, training, lockstep):
    """One of RTL's learning rates is another."""
    layout = training.compiled.layout
    core = next(core for core, names in layout.rates.items() if names)
    place = layout.parameters[core] + layout.counter_words(core)
    address = memory_address(core[0], WORDS, place // LANES)
    (word,) = await rig.driver.play([memory(address)])
    await rig.driver.play([memory(address, word ^ 1 << 16 * (place % LANES))])


async def lose_pulses(rig, training, lockstep):
    """The outer products of one of RTL's units get lost."""
    lockstep.arrays[0].pulse = lambda train: None


async def flip_reader(rig, training, lockstep):
    """A message has another reader in RTL, so the one that waits for it waits for ever."""
    program = training.assembled(rig.params)[1, SEQUENCER]
    at, line = next((n, s) for n, s in program.source.items() if "recv" in s.text)
    text = line.text.partition(":")[2]
    assert text.endswith(", 1"), text
    (word,) = assemble_text(f"{text[:-1]}2", rig.params.tile.core).words
    await rig.driver.play([memory(memory_address(1, PROGRAM, SEQUENCER, at), word)])


@cocotb.test()
async def mistakes_are_seen(dut):
    rig, (training,) = await prepared(dut)
    for flip, place, what in (
        (flip_cell, "tile 0, core 0", "STORE"),
        (flip_rate, "tile 0, core 0", "twin writes r"),
        (lose_pulses, "tile 0, core 0", "STORE"),
        (flip_reader, "tile 1, core 0", "rtl nothing"),
    ):
        lockstep = await rig.prepare(training)
        await flip(rig, training, lockstep)
        with pytest.raises(Divergence) as caught:
            await train(rig, training, lockstep)
        text = str(caught.value).splitlines()[0]
        dut._log.info("%s: %s", flip.__name__, text)
        assert text.startswith(f"first divergence: {place}, cycle"), caught.value
        assert what in text, caught.value
