"""Driver of a bus slave's ``bus``: one access after the other, each answered in good time."""

import random
from typing import Any

import numpy as np
from cocotb.triggers import FallingEdge

from cocotb_tests.compare import compare
from cocotb_tests.drivers import pack, unpack
from hdl.host.bus import BusSignature, request_layout, response_layout

PATIENCE = 10_000
"""Cycles after which a slave hangs."""


def agree(unit: str, what: str, golden: Any, rtl: Any) -> None:
    """Compare numbers, or tuples and lists of them: a word and its error, a list of starts."""
    axes = ("item", "part")[: np.ndim(golden)]
    compare(unit, what, golden, rtl, axes)


class BusMaster:
    """Requests with random pauses between them, on the pins of ``dut`` that begin with ``name``."""

    def __init__(self, dut: Any, signature: BusSignature, rng: random.Random, name: str = "bus"):
        self._dut, self._rng = dut, rng
        self._request = request_layout(signature.address_bits, signature.data_bits)
        self._response = response_layout(signature.data_bits)
        self._bytes = signature.data_bits // 8
        self._pins = {
            pin: getattr(dut, f"{name}__{pin}")
            for pin in ("request__valid", "request__ready", "request__payload",
                        "response__valid", "response__ready", "response__payload")
        }  # fmt: skip
        self._pins["request__valid"].value = 0
        self._pins["request__payload"].value = 0
        self._pins["response__ready"].value = 1

    async def write(
        self, address: int, data: int, *, strobe: int | None = None, last: bool = True
    ) -> int:
        """Write a word; returns the error."""
        strobe = (1 << self._bytes) - 1 if strobe is None else strobe
        return (await self._access(1, address, data, strobe, last))[1]

    async def read(self, address: int, *, last: bool = True) -> tuple[int, int]:
        """Read a word; returns it and the error."""
        noise = self._rng.getrandbits(8 * self._bytes)
        return await self._access(0, address, noise, self._rng.getrandbits(self._bytes), last)

    async def _access(
        self, write: int, address: int, data: int, strobe: int, last: bool
    ) -> tuple[int, int]:
        pins, clock = self._pins, self._dut.clk
        for _ in range(self._rng.choice((1, 1, 2, 4))):
            await FallingEdge(clock)
        pins["request__payload"].value = pack(
            self._request,
            {"write": write, "address": address, "data": data, "strobe": strobe, "last": last},
        )
        pins["request__valid"].value = 1
        taken = False
        for _ in range(PATIENCE):
            ready = not taken and pins["request__ready"].value == 1
            if pins["response__valid"].value == 1:
                assert taken, "Slave must not answer before it is asked"
                response = unpack(self._response, pins["response__payload"])
                await FallingEdge(clock)
                return response.data, response.error
            await FallingEdge(clock)
            if ready:
                taken = True
                pins["request__valid"].value = 0
                pins["request__payload"].value = self._rng.getrandbits(self._request.size)
        raise AssertionError(f"Slave must answer within {PATIENCE} cycles")
