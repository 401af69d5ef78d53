"""AdcControl cycle by cycle: one group of lines a cycle, its tag a cycle later."""

import random

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.designs import parameters
from cocotb_tests.drivers import Pauses, pack, start
from cocotb_tests.pins import compare_pins
from hdl.mcu.adc_control import tag_layout

BURSTS = 12
INPUTS = ("i__valid", "i__payload", "lines")


def flags(payload: int) -> dict[str, int]:
    """Fields of a settled current."""
    return {"first": payload & 1, "last": payload >> 1 & 1, "read": payload >> 2}


async def burst(dut, name: str, rng: random.Random, pauses: Pauses, samples: int) -> None:
    """Offer ``samples`` currents, check every pin in every cycle until the last code."""
    params = parameters()
    lanes = params.adc.per_slice
    longest = max(params.rows, params.columns)
    lines = rng.choice((1, lanes, longest - 1, longest, rng.randint(1, longest)))
    count = -(-lines // lanes)
    dut.lines.value = lines
    # the sample being converted, the group of it, the tag due in this cycle
    held, group, tag = 0, None, None
    offered = None
    cycle = 0
    while samples or offered is not None or group is not None or tag is not None:
        if offered is None and samples and not pauses:
            offered = rng.randrange(8)
            samples -= 1
        dut.i__valid.value = offered is not None
        dut.i__payload.value = rng.randrange(8) if offered is None else offered
        await RisingEdge(dut.clk)
        where = f"{name}, {lines} lines, cycle {cycle}"
        converting = group is not None
        free = not converting or group == count - 1
        sampled = free and offered is not None
        compare_pins(
            "AdcControl",
            where,
            dut,
            i__ready=free,
            sample=sampled,
            convert=converting,
            busy=converting,
            o_valid=tag is not None,
        )
        if converting:
            compare_pins("AdcControl", where, dut, mux=group)
        if tag is not None:
            compare_pins("AdcControl", where, dut, o_tag=pack(tag_layout(params), tag))
        tag = None
        if converting:
            used = sum(1 << lane for lane in range(lanes) if group * lanes + lane < lines)
            tag = {"index": group, "lanes": used, "end": group == count - 1, **flags(held)}
            group = group + 1 if group < count - 1 else None
        if sampled:
            held, offered, group = offered, None, 0
        await FallingEdge(dut.clk)
        cycle += 1


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.3, 0.9])
async def a_group_of_lines_is_converted_each_cycle(dut, pause):
    rng = random.Random(cocotb.RANDOM_SEED)
    pauses = Pauses(rng, pause)
    await start(dut, *INPUTS)
    for n in range(BURSTS):
        await burst(dut, f"burst {n}", rng, pauses, rng.randint(1, 6))
        dut.i__valid.value = 0
        for _ in range(rng.choice((0, 1, 4))):
            await FallingEdge(dut.clk)


@cocotb.test()
async def reset_ends_a_conversion(dut):
    rng = random.Random(cocotb.RANDOM_SEED)
    params = parameters()
    await start(dut, *INPUTS)
    for attempt in range(6):
        dut.lines.value = max(params.rows, params.columns)
        dut.i__valid.value, dut.i__payload.value = 1, 7
        for _ in range(attempt):
            await FallingEdge(dut.clk)
        dut.rst.value = 1
        await FallingEdge(dut.clk)
        dut.rst.value, dut.i__valid.value = 0, 0
        await burst(dut, f"after reset {attempt}", rng, Pauses(rng, 0.5), 2)
