"""BitStream cycle by cycle: the lines, strobes and offers of every step its docstring promises."""

import random

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.designs import parameters
from cocotb_tests.drivers import Pauses, corner, start
from cocotb_tests.pins import compare_pins, planes

OPERATIONS = 8
INPUTS = ("start", "transpose", "i_mvm", "i_mtvm", "o__ready")


class Bench:
    """Runs operations and knows what every pin must be in every cycle."""

    def __init__(self, dut, rng: random.Random, pause: float) -> None:
        self.dut, self.rng = dut, rng
        self.params = parameters()
        self.pauses = Pauses(rng, pause)
        self.where = ""

    async def tick(
        self, *, lines: int = 0, busy: int = 1, integrate: int = 0, offer: int | None = None
    ) -> bool:
        """One cycle; whether the settled current was taken in it."""
        ready = not self.pauses
        self.dut.o__ready.value = ready
        await RisingEdge(self.dut.clk)
        transpose = self.dut.transpose.value == 1
        compare_pins(
            "BitStream",
            self.where,
            self.dut,
            busy=busy,
            integrate=integrate,
            row_drive=0 if transpose else lines,
            column_drive=lines if transpose else 0,
            o__valid=offer is not None,
        )
        if offer is not None:
            compare_pins("BitStream", self.where, self.dut, o__payload=offer)
        await FallingEdge(self.dut.clk)
        self.dut.start.value = 0
        return offer is not None and ready

    def begin(self, name: str) -> list[int]:
        """Set operands and ``start``; returns the lines of every step."""
        bits = self.params.operand_bits
        half = 1 << (bits - 1)
        rows, columns = (
            [corner(self.rng, -half, half - 1) for _ in range(lines)]
            for lines in (self.params.rows, self.params.columns)
        )
        transpose = self.rng.randrange(2)
        self.where = f"{name}, {'MTVM' if transpose else 'MVM'}"
        self.dut.transpose.value = transpose
        self.dut.i_mvm.value = planes(rows, bits)
        self.dut.i_mtvm.value = planes(columns, bits)
        self.dut.start.value = 1
        driven = columns if transpose else rows
        return [
            sum((word >> step & 1) << line for line, word in enumerate(driven))
            for step in range(bits)
        ]

    async def operation(self, name: str) -> None:
        steps = self.begin(name)
        whole = self.where
        await self.tick(busy=0)
        before = 0
        for step, lines in enumerate(steps):
            self.where = f"{whole}, step {step}"
            await self.tick(lines=before)
            for cycle in range(self.params.timing.integrate_cycles):
                await self.tick(lines=lines, integrate=cycle == 0)
            # first in bit 0, last in bit 1, read in bit 2
            offer = (step == 0) | (step == len(steps) - 1) << 1
            while not await self.tick(lines=lines, offer=offer):
                pass
            before = lines
        self.where = whole


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.5])
async def every_step_drives_its_bit(dut, pause):
    rng = random.Random(cocotb.RANDOM_SEED)
    bench = Bench(dut, rng, pause)
    await start(dut, *INPUTS)
    for operation in range(OPERATIONS):
        # with no idle cycle the next operation starts as soon as busy is low
        for _ in range(rng.choice((0, 0, 1, 3))):
            await bench.tick(busy=0)
        await bench.operation(f"operation {operation}")
    await bench.tick(busy=0)


@cocotb.test()
async def reset_ends_an_operation(dut):
    rng = random.Random(cocotb.RANDOM_SEED)
    bench = Bench(dut, rng, 0.3)
    await start(dut, *INPUTS)
    step_cycles = bench.params.timing.integrate_cycles + 2
    for attempt in range(2 * step_cycles):
        bench.begin(f"reset {attempt}")
        for _ in range(1 + step_cycles + attempt):
            await FallingEdge(dut.clk)
            dut.start.value = 0
            dut.o__ready.value = 1
        dut.rst.value = 1
        await FallingEdge(dut.clk)
        dut.rst.value = 0
        await bench.tick(busy=0)
        await bench.operation(f"after reset {attempt}")
