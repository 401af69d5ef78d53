"""Requantise against golden.fixed: ties, saturation and lanes out of use, two cycles later."""

import random
from collections import deque

import cocotb
from amaranth import signed
from amaranth.lib import data
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.compare import compare
from cocotb_tests.designs import parameters
from cocotb_tests.drivers import Pauses, corner, pack, start, unpack
from cocotb_tests.pins import compare_pins
from golden.fixed import requantise
from hdl.mcu.adc_control import tag_layout

CYCLES = 800
LATENCY = 2


def sum_near_an_edge(rng: random.Random, shift: int, word_bits: int, sum_bits: int) -> int:
    """A sum at or beside a tie or the saturation limit, if the width allows."""
    half = 1 << (word_bits - 1)
    word = rng.choice((half - 1, -half, half, -half - 1, 0, -1, rng.randrange(-half, half)))
    tie = 1 << shift >> 1
    total = (word << shift) + rng.choice((0, tie, tie - 1, -tie, -tie - 1, tie + 1))
    limit = 1 << (sum_bits - 1)
    return max(-limit, min(limit - 1, total))


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.4])
async def words_match_golden(dut, pause):
    params = parameters()
    rng = random.Random(cocotb.RANDOM_SEED)
    pauses = Pauses(rng, pause)
    lanes, word_bits, sum_bits = params.adc.per_slice, params.operand_bits, params.sum_bits
    tags = tag_layout(params)
    sums = data.ArrayLayout(signed(sum_bits), lanes)
    words = data.ArrayLayout(signed(word_bits), lanes)
    limit = 1 << (sum_bits - 1)
    # what must appear in the cycles to come: tag, words and saturated lanes, or nothing
    due: deque = deque([None] * LATENCY)
    await start(dut, "shift", "i_valid", "i_tag", "i_sum")
    for cycle in range(CYCLES):
        valid = not pauses
        shift = rng.choice((0, 1, sum_bits - word_bits, sum_bits - 1, rng.randrange(sum_bits)))
        totals = [
            sum_near_an_edge(rng, shift, word_bits, sum_bits)
            if rng.random() < 0.5
            else corner(rng, -limit, limit - 1)
            for _ in range(lanes)
        ]
        tag = rng.getrandbits(tags.size)
        dut.i_valid.value, dut.i_tag.value, dut.shift.value = valid, tag, shift
        dut.i_sum.value = pack(sums, totals)
        golden = [requantise(total, shift=shift, bits=word_bits) for total in totals]
        used = tags.from_bits(tag).lanes
        saturated = sum(1 << lane for lane in range(lanes) if golden[lane][1] and used >> lane & 1)
        due.append((tag, [int(word) for word, _ in golden], saturated) if valid else None)

        await RisingEdge(dut.clk)
        now = due.popleft()
        where = f"cycle {cycle}"
        compare_pins("Requantise", where, dut, o_valid=now is not None)
        compare_pins("Requantise", where, dut, o_saturated=now[2] if now else 0)
        if now is not None:
            compare_pins("Requantise", where, dut, o_tag=now[0])
            result = unpack(words, dut.o_word)
            rtl = [result[lane] for lane in range(lanes)]
            compare("Requantise", f"{where}, o_word", now[1], rtl, ("lane",))
        await FallingEdge(dut.clk)


@cocotb.test()
async def reset_drops_what_is_on_its_way(dut):
    await start(dut, "shift", "i_valid", "i_tag", "i_sum")
    for cycles in range(1, LATENCY + 1):
        dut.i_valid.value = 1
        for _ in range(cycles):
            await FallingEdge(dut.clk)
        dut.rst.value = 1
        await FallingEdge(dut.clk)
        dut.rst.value, dut.i_valid.value = 0, 0
        for _ in range(LATENCY + 1):
            await RisingEdge(dut.clk)
            compare_pins("Requantise", f"reset after {cycles} cycles", dut, o_valid=0)
        await FallingEdge(dut.clk)
