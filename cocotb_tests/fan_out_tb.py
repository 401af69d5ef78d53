"""FanOut: every access reaches the bus it belongs to, and no other one; so does its response."""

import os
import random

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.bus_master import BusMaster, agree
from cocotb_tests.drivers import pack, start, unpack
from hdl.host.bus import BusError, BusSignature, request_layout, response_layout

DATA_BITS = 32
SHAPES = {"THREE": (3, 6, 8), "ONE": (1, 5, 5), "FOUR": (4, 4, 6)}
"""Buses, bits of an address of theirs, bits of a whole one."""
ACCESSES = 600


class Slave:
    """Takes late, answers later; keeps what it was asked."""

    def __init__(self, dut, n, low_bits, rng):
        self.dut, self.name, self.rng = dut, f"o__{n}", rng
        self.request = request_layout(low_bits, DATA_BITS)
        self.response = response_layout(DATA_BITS)
        self.asked, self.answers = [], []

    def pin(self, name):
        return getattr(self.dut, f"{self.name}__{name}")

    async def serve(self):
        dut, rng = self.dut, self.rng
        while True:
            self.pin("request__ready").value = ready = rng.random() < 0.5
            valid = self.pin("request__valid").value == 1
            payload = unpack(self.request, self.pin("request__payload"))
            await FallingEdge(dut.clk)
            if not (ready and valid):
                continue
            self.pin("request__ready").value = 0
            self.asked.append(payload)
            for _ in range(rng.choice((0, 0, 1, 5))):
                await FallingEdge(dut.clk)
            answer = {"data": rng.getrandbits(DATA_BITS), "error": rng.choice((0, 2, 3))}
            self.answers.append(answer)
            self.pin("response__payload").value = pack(self.response, answer)
            self.pin("response__valid").value = 1
            await FallingEdge(dut.clk)
            self.pin("response__valid").value = 0
            self.pin("response__payload").value = rng.getrandbits(self.response.size)


async def ready(dut):
    rng = random.Random(cocotb.RANDOM_SEED)
    buses, _, address_bits = SHAPES[os.environ["PANTHER_SHAPE"]]
    inputs = [f"o__{n}__{name}" for n in range(buses)
              for name in ("request__ready", "response__valid", "response__payload")]  # fmt: skip
    await start(dut, "bus__request__valid", "bus__request__payload", *inputs)
    return rng, BusMaster(dut, BusSignature(address_bits=address_bits, data_bits=DATA_BITS), rng)


@cocotb.test()
async def accesses_reach_their_bus(dut):
    rng, bus = await ready(dut)
    buses, low_bits, address_bits = SHAPES[os.environ["PANTHER_SHAPE"]]
    slaves = [Slave(dut, n, low_bits, rng) for n in range(buses)]
    for slave in slaves:
        cocotb.start_soon(slave.serve())
    for _ in range(ACCESSES):
        for slave in slaves:
            slave.asked.clear()
            slave.answers.clear()
        address, writes = rng.getrandbits(address_bits - 2) << 2, rng.random() < 0.5
        data, strobe, last = rng.getrandbits(DATA_BITS), rng.getrandbits(4), rng.random() < 0.5
        what = f"{'write' if writes else 'read'} of {address:#x}"
        if writes:
            got, error = None, await bus.write(address, data, strobe=strobe, last=last)
        else:
            got, error = await bus.read(address, last=last)
        target = address >> low_bits
        for n, slave in enumerate(slaves):
            agree("fan-out", f"requests at bus {n}, {what}", int(n == target), len(slave.asked))
        if target >= buses:
            agree("fan-out", f"error of {what}", BusError.DECERR, error)
            continue
        asked, answer = slaves[target].asked[0], slaves[target].answers[0]
        low = address & (1 << low_bits) - 1
        agree("fan-out", f"request, {what}", (writes, low, last),
                (asked.write, asked.address, asked.last))  # fmt: skip
        if writes:
            agree("fan-out", f"data, {what}", (data, strobe), (asked.data, asked.strobe))
        else:
            agree("fan-out", f"answer, {what}", answer["data"], got)
        agree("fan-out", f"error of {what}", answer["error"], error)


@cocotb.test()
async def answer_in_the_next_cycle_is_not_lost(dut):
    _, bus = await ready(dut)
    dut.o__0__request__ready.value = 1

    async def answer():
        while True:
            await RisingEdge(dut.clk)
            asked = dut.o__0__request__valid.value == 1
            await FallingEdge(dut.clk)
            dut.o__0__response__valid.value = asked
            dut.o__0__response__payload.value = pack(
                response_layout(DATA_BITS), {"data": 0x12345678, "error": 0}
            )

    cocotb.start_soon(answer())
    for _ in range(5):
        got = await bus.read(0)
        agree("fan-out", "answer", (0x12345678, 0), got)
