"""ShiftAdd against sums formed in plain integers, at full speed and with pauses."""

import random

import cocotb
from amaranth import signed
from amaranth.lib import data
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.compare import compare
from cocotb_tests.designs import parameters
from cocotb_tests.drivers import Pauses, corner, pack, start, unpack
from hdl.analog import code_layout, groups
from hdl.mcu.adc_control import tag_layout

OPERATIONS = 6


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.4])
async def sums_match(dut, pause):
    params = parameters()
    rng = random.Random(cocotb.RANDOM_SEED)
    pauses = Pauses(rng, pause)
    lanes, slices = params.adc.per_slice, params.slices.count
    codes, tags = code_layout(params), tag_layout(params)
    sums = data.ArrayLayout(signed(params.sum_bits), lanes)
    seen: list[tuple[int, list[int]]] = []

    async def watch():
        while True:
            await RisingEdge(dut.clk)
            if dut.o_valid.value == 1:
                result = unpack(sums, dut.o_sum)
                tag = unpack(tags, dut.o_tag)
                seen.append((tag.index, [result[lane] for lane in range(lanes)]))

    await start(dut, "i_valid", "i_tag", "i_code")
    cocotb.start_soon(watch())
    for operation in range(OPERATIONS):
        # an operation uses some of the groups; with few of them the unit's own latency bounds how
        # soon a line may come again
        used = rng.randint(1, groups(params))
        expected = [[0] * lanes for _ in range(used)]
        for step in range(params.operand_bits):
            last = step == params.operand_bits - 1
            for group in range(used):
                while pauses:
                    dut.i_valid.value = 0
                    await FallingEdge(dut.clk)
                code = [
                    {
                        f"slice{k}": corner(rng, -(1 << bits - 1), (1 << bits - 1) - 1)
                        for k, bits in enumerate(params.adc_bits)
                    }
                    for _ in range(lanes)
                ]
                # a row read-back in between must leave no trace
                read = rng.random() < 0.1
                dut.i_valid.value = 1
                dut.i_code.value = pack(codes, code)
                if read:
                    dut.i_tag.value = pack(tags, {"index": group, "read": 1, "last": 1, "first": 1})
                    await FallingEdge(dut.clk)
                dut.i_tag.value = pack(
                    tags,
                    {"index": group, "first": step == 0, "last": last, "end": group == used - 1},
                )
                await FallingEdge(dut.clk)
                dut.i_valid.value = 0
                for lane in range(lanes):
                    weighed = sum(
                        code[lane][f"slice{k}"]
                        << (k * params.slices.value_bits + params.adc_step_log2[k] + step)
                        for k in range(slices)
                    )
                    expected[group][lane] += -weighed if last else weighed
            for _ in range(max(0, 2 - used)):
                await FallingEdge(dut.clk)
        for _ in range(3):
            await FallingEdge(dut.clk)
        name = f"operation {operation}"
        compare("ShiftAdd", f"{name}, line groups", list(range(used)), [group for group, _ in seen])
        compare("ShiftAdd", name, expected, [values for _, values in seen], ("group", "lane"))
        seen.clear()
