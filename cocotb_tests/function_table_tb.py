"""FunctionTable against golden.vfu: every point of every table and random arguments, each cycle."""

import random

import cocotb
import numpy as np
from amaranth import signed
from amaranth.lib import data
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.compare import compare
from cocotb_tests.drivers import corner, pack, start, unpack
from golden import vfu
from golden.fixed import round_shift
from panther.arch.isa import Function

WORDS = data.ArrayLayout(signed(16), 4)
EXPONENTS = data.ArrayLayout(24, 4)
RESULTS = data.ArrayLayout(signed(27), 4)
SWEEP = 400
GROUPS = 600
GOLDEN = {
    "EXP": vfu.exponential,
    "SIGMOID": vfu.sigmoid,
    "TANH": vfu.tanh,
    "LOG": vfu.logarithm,
    "RECIP": vfu.reciprocal,
}

# fraction and word, for each group of the sweep, that lead half way behind every point in turn
POINTS = {
    "EXP": (9, lambda group: group),
    "SIGMOID": (5, lambda group: 2 * (group % 256) + 1),
    "TANH": (6, lambda group: 2 * (group % 256) + 1),
    "LOG": (10, lambda group: 513 + 2 * (group % 256)),
    "RECIP": (10, lambda group: 513 + 2 * (group % 256)),
}


def expected(function: str, words: list[int], fraction: int) -> list[int]:
    """Golden results, those that fit no word as the unit marks them."""
    results = GOLDEN[function](np.array(words), fraction)
    mark = {"LOG": -(1 << 16), "RECIP": 1 << 16}.get(function)
    none = {"LOG": lambda word: word <= 0, "RECIP": lambda word: word == 0}.get(function)
    return [
        mark if none and none(word) else int(result)
        for word, result in zip(words, results, strict=True)
    ]


@cocotb.test()
@cocotb.parametrize(function=list(GOLDEN))
async def results_match_golden(dut, function):
    rng = random.Random(cocotb.RANDOM_SEED)
    await start(dut, "function_", "fraction", "i_valid", "i_words", "exponents")
    dut.function_.value = Function[function]
    for group in range(GROUPS):
        fraction, point = POINTS[function]
        words = [
            point(group),
            *(corner(rng, -32768, 32767) for _ in range(2)),
            rng.randint(-64, 64),
        ]
        if group >= SWEEP:
            fraction = rng.choice((0, 5, 10, 15, rng.randrange(16)))
            rng.shuffle(words)
        dut.i_valid.value, dut.i_words.value = 1, pack(WORDS, words)
        dut.fraction.value = fraction
        await FallingEdge(dut.clk)
        exponents = round_shift(np.maximum(words, 0) * vfu.LOG2_E, fraction + 7)
        dut.exponents.value = pack(EXPONENTS, [int(e) for e in exponents])
        dut.i_valid.value, dut.i_words.value = 0, rng.getrandbits(64)
        await RisingEdge(dut.clk)
        results = unpack(RESULTS, dut.o_results)
        compare(
            "FunctionTable", f"{function} of {words}, fraction {fraction}",
            expected(function, words, fraction), [results[lane] for lane in range(4)], ("lane",),
        )  # fmt: skip
        await FallingEdge(dut.clk)
