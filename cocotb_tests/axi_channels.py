"""The channels of an AXI4 master, each by itself: what no orderly master sends can be sent, too."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cocotb.triggers import SimTimeoutError, with_timeout
from cocotbext.axi import AxiBus
from cocotbext.axi.axi_channels import (
    AxiARSource,
    AxiARTransaction,
    AxiAWSource,
    AxiAWTransaction,
    AxiBSink,
    AxiRSink,
    AxiWSource,
    AxiWTransaction,
)

from cocotb_tests.drivers import PERIOD_NS, Pauses

INCREMENTING, FIXED, WRAPPING = 1, 0, 2
WORD = 8
PATIENCE = 20_000
"""Cycles; what takes longer hangs."""


async def soon(awaitable: Any) -> Any:
    """What comes of ``awaitable``.

    Raises
    ------
    AssertionError
        If it hangs.
    """
    try:
        return await with_timeout(awaitable, PATIENCE * PERIOD_NS, "ns")
    except SimTimeoutError:
        raise AssertionError(f"an answer must take at most {PATIENCE} cycles") from None


def pauses(rng: random.Random, probability: float) -> Any:
    """A pause generator for one channel of cocotbext-axi, for ever."""
    pause = Pauses(random.Random(rng.random()), probability)
    while True:
        yield bool(pause)


def pause_at_random(channels: Sequence[Any], rng: random.Random, probability: float) -> None:
    """Every one of these channels pauses in a cycle with this probability."""
    for channel in channels:
        channel.set_pause_generator(pauses(rng, probability))


@dataclass(frozen=True, kw_only=True)
class Burst:
    """What an address channel carries."""

    address: int
    beats: int
    id: int = 0
    kind: int = INCREMENTING
    size: int = 3


class Channels:
    """Sources and sinks of the five channels of ``dut``'s ``s_axi`` pins."""

    def __init__(self, dut: Any) -> None:
        bus = AxiBus.from_prefix(dut, "s_axi")
        self.aw = AxiAWSource(bus.write.aw, dut.clk, dut.rst)
        self.w = AxiWSource(bus.write.w, dut.clk, dut.rst)
        self.b = AxiBSink(bus.write.b, dut.clk, dut.rst)
        self.ar = AxiARSource(bus.read.ar, dut.clk, dut.rst)
        self.r = AxiRSink(bus.read.r, dut.clk, dut.rst)

    @property
    def all(self) -> tuple[Any, ...]:
        return self.aw, self.w, self.b, self.ar, self.r

    def ask_write(self, burst: Burst) -> None:
        self.aw.send_nowait(
            AxiAWTransaction(
                awid=burst.id, awaddr=burst.address, awlen=burst.beats - 1, awsize=burst.size,
                awburst=burst.kind,
            )
        )  # fmt: skip

    def ask_read(self, burst: Burst) -> None:
        self.ar.send_nowait(
            AxiARTransaction(
                arid=burst.id, araddr=burst.address, arlen=burst.beats - 1, arsize=burst.size,
                arburst=burst.kind,
            )
        )  # fmt: skip

    def data(self, words: Sequence[int], *, last: int | None, strobes: Sequence[int] = ()) -> None:
        """Beats of data; WLAST is at beat ``last``, if at any."""
        for n, word in enumerate(words):
            strobe = strobes[n] if strobes else 0xFF
            self.w.send_nowait(AxiWTransaction(wdata=word, wstrb=strobe, wlast=int(n == last)))

    async def written(self) -> tuple[int, int]:
        """Id and response of the next write burst that ends."""
        response = await soon(self.b.recv())
        return int(response.bid), int(response.bresp)

    async def read(self) -> tuple[int, list[int], list[int]]:
        """Id, words and responses of the next read burst, up to its last beat."""
        words: list[int] = []
        errors: list[int] = []
        ids = set()
        while True:
            beat = await soon(self.r.recv())
            words.append(int(beat.rdata))
            errors.append(int(beat.rresp))
            ids.add(int(beat.rid))
            if int(beat.rlast):
                (identity,) = ids
                return identity, words, errors
