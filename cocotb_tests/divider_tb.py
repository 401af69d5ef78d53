"""Divider against golden.vfu: quotients, their distance, and when the next words may come."""

import random

import cocotb
import numpy as np
from amaranth import signed
from amaranth.lib import data
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.compare import compare
from cocotb_tests.drivers import corner, pack, start, unpack
from cocotb_tests.pins import compare_pins
from golden.vfu import divide

WORDS = data.ArrayLayout(signed(16), 4)
QUOTIENTS = data.ArrayLayout(signed(18), 4)
CYCLES = 18
GROUPS = 120
PORTS = ("shift", "divisor", "i_valid", "i_words")


def divisor_of(rng: random.Random) -> int:
    """A divisor of any length, never 0."""
    size = rng.choice((1, 2, 3, 0x7FFFFFFF, 1 << rng.randrange(31), rng.getrandbits(31)))
    size = max(1, size >> rng.choice((0, 0, rng.randrange(31))))
    return rng.choice((size, -size, -(1 << 31)) if rng.random() < 0.3 else (size,))


@cocotb.test()
@cocotb.parametrize(idle=[0, 3])
async def quotients_match_golden(dut, idle):
    rng = random.Random(cocotb.RANDOM_SEED)
    await start(dut, *PORTS)
    for group in range(GROUPS):
        for _ in range(rng.randint(0, idle)):
            await RisingEdge(dut.clk)
            compare_pins("Divider", f"before group {group}", dut, o_valid=0, ready=1)
            await FallingEdge(dut.clk)
        divisor, shift = divisor_of(rng), rng.choice((0, 15, rng.randrange(16)))
        words = [corner(rng, -32768, 32767) for _ in range(4)]
        dut.divisor.value, dut.shift.value = divisor, shift
        dut.i_words.value = pack(WORDS, words)
        for cycle in range(CYCLES):
            dut.i_valid.value = cycle == 0
            await RisingEdge(dut.clk)
            where = f"group {group}, cycle {cycle}"
            compare_pins("Divider", where, dut, ready=cycle == CYCLES - 1)
            if cycle or not group:
                compare_pins("Divider", where, dut, o_valid=0)
            await FallingEdge(dut.clk)
            # only the first cycle looks at the words
            dut.i_words.value = rng.getrandbits(64)
        # the cycle of the result is the first of the next group
        dut.i_valid.value = 0
        compare_pins("Divider", f"group {group}, result", dut, o_valid=1)
        expected = np.clip(divide(np.array(words), divisor, shift), -(1 << 16), 1 << 16)
        rtl = unpack(QUOTIENTS, dut.o_quotients)
        compare(
            "Divider", f"group {group}, {words} << {shift} over {divisor}", expected,
            [rtl[lane] for lane in range(4)], ("lane",),
        )  # fmt: skip
        if idle:
            await FallingEdge(dut.clk)


@cocotb.test()
async def reset_drops_what_is_on_its_way(dut):
    await start(dut, *PORTS)
    dut.divisor.value = 3
    for cycles in (1, 2, 9, 17):
        dut.i_valid.value = 1
        for _ in range(cycles):
            await FallingEdge(dut.clk)
            dut.i_valid.value = 0
        dut.rst.value = 1
        await FallingEdge(dut.clk)
        dut.rst.value = 0
        for _ in range(CYCLES + 1):
            await RisingEdge(dut.clk)
            compare_pins("Divider", f"reset after {cycles} cycles", dut, o_valid=0, ready=1)
        await FallingEdge(dut.clk)
