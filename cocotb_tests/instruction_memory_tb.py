"""InstructionMemory against a dictionary: words, parity, and addresses past the end."""

import random

import cocotb
from amaranth import unsigned
from amaranth.lib import data
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.designs import core_parameters
from cocotb_tests.drivers import Pauses, corner, pack, start
from cocotb_tests.pins import compare_pins
from panther.arch.core import ADDRESS_BITS
from panther.arch.isa import INSTRUCTION_BITS

CYCLES = 1500
ITEM = data.StructLayout(
    {
        "address": unsigned(ADDRESS_BITS),
        "word": unsigned(INSTRUCTION_BITS),
        "invert": unsigned(1),
    }
)


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.5])
async def words_and_parity_are_kept(dut, pause):
    rng = random.Random(cocotb.RANDOM_SEED)
    pauses = Pauses(rng, pause)
    size = core_parameters().instructions
    stored: dict[int, tuple[int, int]] = {}
    # word and parity last read, unless they were written at that moment; whether it was past
    shown: tuple[int, int] | None = None
    past: bool | None = None

    def address(bits: int) -> int:
        edges = (0, size - 1, size, size + 1, (1 << bits) - 1, rng.randrange(1 << bits))
        near = (rng.randrange(size), rng.randrange(min(size, 8)))
        return min(rng.choice(edges + near * 4), (1 << bits) - 1)

    await start(dut, "i__valid", "i__payload", "enable", "address")
    for cycle in range(CYCLES):
        write, enable = not pauses, not pauses
        item = {
            "address": address(ADDRESS_BITS),
            "word": corner(rng, 0, (1 << INSTRUCTION_BITS) - 1),
            "invert": rng.random() < 0.2,
        }
        at = address(ADDRESS_BITS + 1)
        dut.i__valid.value, dut.i__payload.value = write, pack(ITEM, item)
        dut.enable.value, dut.address.value = enable, at
        await RisingEdge(dut.clk)
        where = f"cycle {cycle}"
        compare_pins("InstructionMemory", where, dut, i__ready=1)
        if past is not None:
            compare_pins("InstructionMemory", where, dut, past=past)
        if not past and shown is not None:
            compare_pins("InstructionMemory", where, dut, word=shown[0], wrong=shown[1])
        if enable:
            past = at >= size
            written = write and item["address"] == at
            shown = None if past or written else stored.get(at)
        if write and item["address"] < size:
            stored[item["address"]] = item["word"], item["invert"]
        await FallingEdge(dut.clk)
