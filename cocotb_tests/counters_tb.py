"""Counters against plain sums of random events."""

import random

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.designs import parameters
from cocotb_tests.drivers import start
from cocotb_tests.pins import compare_pins
from panther.arch.mcu import counter_names

CYCLES = 1500
EVENTS = ("requantise", "crs_top", "adc_clip", "cell_limit")


class Bench:
    """Raises events, and knows every count."""

    def __init__(self, dut, rng: random.Random) -> None:
        self.dut, self.rng = dut, rng
        self.params = parameters()
        self.counts = dict.fromkeys(counter_names(self.params.slices.count), 0)

    async def tick(self, where: str, *, density: float, clear: bool = False) -> None:
        """One cycle with some events, reading one counter."""
        rng, lanes, slices = self.rng, self.params.adc.per_slice, self.params.slices.count
        select = rng.randrange(len(self.counts))
        name = list(self.counts)[select]
        events = {event: [0] * (lanes * slices) for event in EVENTS}
        for event in EVENTS:
            width = lanes * slices if event in ("adc_clip", "cell_limit") else lanes
            for n in range(width):
                events[event][n] = int(rng.random() < density)
            bits = sum(bit << n for n, bit in enumerate(events[event]))
            getattr(self.dut, event).value = bits
        self.dut.clear.value, self.dut.select.value = clear, select
        await RisingEdge(self.dut.clk)
        compare_pins("Counters", f"{where}, {name}", self.dut, value=self.counts[name])
        for event in ("requantise", "crs_top"):
            self.counts[event] += sum(events[event])
        for event in ("adc_clip", "cell_limit"):
            for k in range(slices):
                self.counts[f"{event}_{k}"] += sum(events[event][k::slices])
        if clear:
            self.counts = dict.fromkeys(self.counts, 0)
        await FallingEdge(self.dut.clk)


@cocotb.test()
@cocotb.parametrize(density=[0.05, 0.5, 1.0])
async def every_event_is_counted_once(dut, density):
    rng = random.Random(cocotb.RANDOM_SEED)
    bench = Bench(dut, rng)
    await start(dut, "clear", "select", *EVENTS)
    for cycle in range(CYCLES):
        clear = rng.random() < 0.01
        await bench.tick(f"cycle {cycle}", density=density, clear=clear)


@cocotb.test()
async def reset_clears_every_count(dut):
    bench = Bench(dut, random.Random(cocotb.RANDOM_SEED))
    await start(dut, "clear", "select", *EVENTS)
    for cycle in range(5):
        await bench.tick(f"cycle {cycle}", density=1.0)
    dut.rst.value = 1
    await FallingEdge(dut.clk)
    dut.rst.value = 0
    bench.counts = dict.fromkeys(bench.counts, 0)
    for cycle in range(100):
        await bench.tick(f"cycle {cycle} after reset", density=0.0)
