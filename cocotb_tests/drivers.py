"""What unit testbenches share: clock and reset, packed ports, streams, corner values."""

import random
from collections.abc import Sequence
from typing import Any

import cocotb
from amaranth.lib import data
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

PERIOD_NS = 10


async def start(dut: Any, *inputs: str) -> None:
    """Start the clock, set ``inputs`` to zero and hold the reset for two cycles."""
    for name in inputs:
        getattr(dut, name).value = 0
    dut.rst.value = 1
    cocotb.start_soon(Clock(dut.clk, PERIOD_NS, unit="ns").start())
    for _ in range(2):
        await RisingEdge(dut.clk)
    await FallingEdge(dut.clk)
    dut.rst.value = 0


def pack(layout: data.Layout, value: Any) -> int:
    """Bits of a port whose layout is ``layout``."""
    return int(layout.const(value).as_bits())


def unpack(layout: data.Layout, handle: Any) -> data.Const:
    """Fields of a port whose layout is ``layout``."""
    return layout.from_bits(handle.value.to_unsigned())


def corner(rng: random.Random, low: int, high: int) -> int:
    """Random integer in [low, high] that likes 0, 1, -1 and the ends."""
    if rng.random() < 0.4:
        return rng.choice([value for value in (0, 1, -1, low, high) if low <= value <= high])
    return rng.randint(low, high)


class Pauses:
    """Pause pattern of a stream: never, or at random with the given probability.

    Parameters
    ----------
    rng
        Source of randomness.
    probability
        Chance of a pause in a cycle, 0 to 1.
    """

    def __init__(self, rng: random.Random, probability: float) -> None:
        self._rng, self._probability = rng, probability

    def __bool__(self) -> bool:
        return self._rng.random() < self._probability


async def send(dut: Any, name: str, payloads: Sequence[int], pauses: Pauses) -> None:
    """Send ``payloads`` on the input stream ``name``; inputs change at the falling edge."""
    valid, ready = getattr(dut, f"{name}__valid"), getattr(dut, f"{name}__ready")
    payload = getattr(dut, f"{name}__payload")
    for item in payloads:
        while pauses:
            await FallingEdge(dut.clk)
        payload.value, valid.value = item, 1
        while True:
            await RisingEdge(dut.clk)
            taken = ready.value == 1
            await FallingEdge(dut.clk)
            if taken:
                break
        valid.value = 0


async def receive(dut: Any, name: str, count: int, pauses: Pauses) -> list[int]:
    """Take ``count`` payloads, unsigned, from the output stream ``name``."""
    valid, ready = getattr(dut, f"{name}__valid"), getattr(dut, f"{name}__ready")
    payload = getattr(dut, f"{name}__payload")
    items: list[int] = []
    while len(items) < count:
        ready.value = 0 if pauses else 1
        await RisingEdge(dut.clk)
        if ready.value == 1 and valid.value == 1:
            items.append(payload.value.to_unsigned())
        await FallingEdge(dut.clk)
    ready.value = 0
    return items
