"""RandomWords against golden.vfu, which takes one step after another."""

import random

import cocotb
from amaranth.lib import data
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.compare import compare
from cocotb_tests.drivers import start, unpack
from cocotb_tests.pins import compare_pins
from golden.vfu import random_words

WORDS = data.ArrayLayout(32, 4)
CYCLES = 300


def check(dut, where, state):
    compare_pins("RandomWords", where, dut, seed=state)
    numbers, after = random_words(state, 4)
    rtl = unpack(WORDS, dut.o_words)
    compare("RandomWords", where, numbers, [rtl[lane] for lane in range(4)], ("lane",))
    return after


@cocotb.test()
async def words_match_golden(dut):
    rng = random.Random(cocotb.RANDOM_SEED)
    await start(dut, "draw", "seed_write", "seed_value")
    state = 1
    for cycle in range(CYCLES):
        draw, seed_write = rng.random() < 0.5, rng.random() < 0.1
        seed = rng.choice((1, 0x80000000, 0xFFFFFFFF, rng.randrange(1, 1 << 32)))
        draw = draw and not seed_write
        dut.draw.value, dut.seed_write.value, dut.seed_value.value = draw, seed_write, seed
        await RisingEdge(dut.clk)
        after = check(dut, f"cycle {cycle}", state)
        state = seed if seed_write else after if draw else state
        await FallingEdge(dut.clk)


@cocotb.test()
async def reset_restores_the_seed(dut):
    await start(dut, "draw", "seed_write", "seed_value")
    dut.draw.value = 1
    for _ in range(3):
        await FallingEdge(dut.clk)
    dut.draw.value, dut.rst.value = 0, 1
    await FallingEdge(dut.clk)
    dut.rst.value = 0
    await RisingEdge(dut.clk)
    check(dut, "after the reset", 1)
