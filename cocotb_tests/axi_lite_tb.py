"""AxiLite between masters and a memory that takes its time, against an array of bytes."""

import itertools
import logging
import os
import random

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, Combine, FallingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster
from cocotbext.axi.axil_channels import (
    AxiLiteARSource,
    AxiLiteARTransaction,
    AxiLiteAWSource,
    AxiLiteAWTransaction,
    AxiLiteBSink,
    AxiLiteRSink,
    AxiLiteWSource,
    AxiLiteWTransaction,
)

from cocotb_tests.axi_channels import pause_at_random, soon
from cocotb_tests.bench.bus import NOBODY, REFUSED
from cocotb_tests.compare import compare
from cocotb_tests.drivers import start
from cocotb_tests.pins import read as read_pin
from hdl.host.bus import BusError

TRANSACTIONS = int(os.environ["PANTHER_TRANSACTIONS"])
WORKERS = 4
SIZE = 1 << 16
WORD = 4
MANY_STALLS = 100

for _noisy in ("cocotb.bench.s_axil", "cocotb.bench"):
    logging.getLogger(_noisy).setLevel(logging.WARNING)


def error_at(address: int) -> int:
    """What the memory answers at an address."""
    if address >= NOBODY:
        return BusError.DECERR
    return BusError.SLVERR if address >= REFUSED else BusError.OKAY


async def begin(dut, stall: int) -> None:
    dut.stall.value = stall
    await start(dut)


def check_bus(dut) -> None:
    compare("AxiLite", "cycles in which a rule of the bus is broken", 0, read_pin(dut.violations))


class Channels:
    """Sources and sinks of the five channels, and the words the memory should hold."""

    def __init__(self, dut) -> None:
        bus = AxiLiteBus.from_prefix(dut, "s_axil")
        self.aw = AxiLiteAWSource(bus.write.aw, dut.clk, dut.rst)
        self.w = AxiLiteWSource(bus.write.w, dut.clk, dut.rst)
        self.b = AxiLiteBSink(bus.write.b, dut.clk, dut.rst)
        self.ar = AxiLiteARSource(bus.read.ar, dut.clk, dut.rst)
        self.r = AxiLiteRSink(bus.read.r, dut.clk, dut.rst)
        self.all = self.aw, self.w, self.b, self.ar, self.r
        self.words: dict[int, int] = {}

    def write_address(self, address: int) -> None:
        self.aw.send_nowait(AxiLiteAWTransaction(awaddr=address))

    def write_data(self, word: int, strobe: int = 15) -> None:
        self.w.send_nowait(AxiLiteWTransaction(wdata=word, wstrb=strobe))

    def read_address(self, address: int) -> None:
        self.ar.send_nowait(AxiLiteARTransaction(araddr=address))

    async def written(self, address: int, word: int, strobe: int = 15) -> None:
        """The response to this write."""
        error = int((await soon(self.b.recv())).bresp)
        compare("AxiLite", f"response to a write to {address:#x}", error_at(address), error)
        if not error:
            old = self.words.get(address, 0)
            mask = sum(0xFF << 8 * lane for lane in range(WORD) if strobe >> lane & 1)
            self.words[address] = old & ~mask | word & mask

    async def was_read(self, address: int) -> None:
        """The response to this read."""
        answer = await soon(self.r.recv())
        error = error_at(address)
        compare("AxiLite", f"response to a read of {address:#x}", error, int(answer.rresp))
        if not error:
            golden = self.words.get(address, 0)
            compare("AxiLite", f"word {address:#x}", golden, int(answer.rdata))

    async def write(self, address: int, word: int, strobe: int = 15) -> None:
        self.write_address(address)
        self.write_data(word, strobe)
        await self.written(address, word, strobe)

    async def read(self, address: int) -> None:
        self.read_address(address)
        await self.was_read(address)


@cocotb.test(timeout_time=100, timeout_unit="ms")
@cocotb.parametrize(paced=[False, True])
async def words_read_are_those_written(dut, paced):
    rng = random.Random(cocotb.RANDOM_SEED + paced)
    master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
    await begin(dut, MANY_STALLS if paced else 0)
    if paced:
        channels = (
            master.write_if.aw_channel, master.write_if.w_channel, master.write_if.b_channel,
            master.read_if.ar_channel, master.read_if.r_channel,
        )  # fmt: skip
        pause_at_random(channels, rng, 0.3)
    memory = np.zeros(SIZE, np.uint8)
    window = SIZE // WORKERS
    transactions = TRANSACTIONS if paced else TRANSACTIONS // 4

    async def work(number: int, seed: float) -> None:
        """Writes and reads in one part of the memory, one after the other."""
        own = random.Random(seed)
        for _ in range(transactions // WORKERS):
            length = own.choice((WORD, WORD, own.randint(1, 12)))
            # some addresses again and again
            address = own.choice((own.randrange(48), own.randrange(window - length)))
            if own.random() < 0.1:
                address = own.choice((REFUSED, NOBODY)) % window - own.randrange(length)
            # a master keeps bytes of a word from being written, but not an address between words
            address = window * number + address // WORD * WORD
            error = error_at((address + length - 1) // WORD * WORD)
            what = f"{length} bytes at {address:#x}"
            good = max(address, min(address + length, REFUSED)) - address
            if own.random() < 0.5:
                text = own.randbytes(length)
                response = await soon(master.write(address, text))
                compare("AxiLite", f"response to {what}", error, int(response.resp))
                memory[address : address + good] = np.frombuffer(text, np.uint8)[:good]
            else:
                response = await soon(master.read(address, length))
                compare("AxiLite", f"response to reading {what}", error, int(response.resp))
                read = np.frombuffer(response.data, np.uint8)[:good]
                compare("AxiLite", what, memory[address : address + good], read, ("byte",))

    await Combine(*(cocotb.start_soon(work(n, rng.random())) for n in range(WORKERS)))
    check_bus(dut)


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(paced=[False, True])
async def addresses_and_data_come_in_any_order(dut, paced):
    rng = random.Random(cocotb.RANDOM_SEED + paced)
    channels = Channels(dut)
    await begin(dut, MANY_STALLS if paced else 0)
    if paced:
        pause_at_random(channels.all, rng, 0.3)
    for _ in range(100):
        address, word = WORD * rng.randrange(16), rng.getrandbits(32)
        strobe = rng.getrandbits(4)
        halves = [
            lambda at=address: channels.write_address(at),
            lambda data=word, lanes=strobe: channels.write_data(data, lanes),
        ]
        rng.shuffle(halves)
        halves[0]()
        if rng.random() < 0.7:
            await ClockCycles(dut.clk, rng.randint(1, 12))
        halves[1]()
        await channels.written(address, word, strobe)
        await channels.read(rng.choice((address, WORD * rng.randrange(16))))
    check_bus(dut)


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(paced=[False, True])
async def addresses_between_words_are_refused(dut, paced):
    rng = random.Random(cocotb.RANDOM_SEED + paced)
    channels = Channels(dut)
    await begin(dut, MANY_STALLS if paced else 0)
    if paced:
        pause_at_random(channels.all, rng, 0.3)
    for offset in (1, 2, 3) * 4:
        address = WORD * rng.randrange(16)
        await channels.write(address, rng.getrandbits(32))
        before = read_pin(dut.beats)
        channels.write_address(address + offset)
        channels.write_data(rng.getrandbits(32))
        answer = await soon(channels.b.recv())
        compare("AxiLite", "response to a write", int(BusError.SLVERR), int(answer.bresp))
        channels.read_address(address + offset)
        answer = await soon(channels.r.recv())
        compare("AxiLite", "response to a read", int(BusError.SLVERR), int(answer.rresp))
        compare("AxiLite", "requests", 0, read_pin(dut.beats) - before)
        await channels.read(address)
    check_bus(dut)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def what_waits_holds_up_its_own_kind_only(dut):
    rng = random.Random(cocotb.RANDOM_SEED)
    channels = Channels(dut)
    await begin(dut, 0)
    await channels.write(0, 5)
    # an address without data, data without an address
    channels.write_address(4)
    await channels.read(0)
    await channels.read(4)
    channels.write_data(6)
    await channels.written(4, 6)
    channels.write_data(7)
    await channels.read(4)
    channels.write_address(0)
    await channels.written(0, 7)
    # answers that are not taken
    channels.r.pause = True
    channels.read_address(0)
    await ClockCycles(dut.clk, 10)
    for _ in range(3):
        await channels.write(8, rng.getrandbits(32))
    # the next one may not take the place of the one that waits
    channels.read_address(8)
    await ClockCycles(dut.clk, 10)
    channels.b.pause = True
    channels.write_address(12)
    channels.write_data(9)
    channels.r.pause = False
    await channels.was_read(0)
    await channels.was_read(8)
    await channels.read(4)
    channels.write_address(16)
    channels.write_data(3)
    await ClockCycles(dut.clk, 10)
    await channels.read(8)
    channels.b.pause = False
    await channels.written(12, 9)
    await channels.written(16, 3)
    for address in (12, 16):
        await channels.read(address)
    check_bus(dut)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def writes_and_reads_take_turns(dut):
    channels = Channels(dut)
    await begin(dut, 0)
    rounds = 20
    for n in range(rounds):
        channels.write_address(WORD * n)
        channels.write_data(n)
        channels.read_address(WORD * n)
    order = []
    for _ in range(10 * rounds):
        await FallingEdge(dut.clk)
        if read_pin(dut.ending):
            order.append(read_pin(dut.ending_write))
    compare("AxiLite", "requests", 2 * rounds, len(order))
    for before, after in itertools.pairwise(order):
        assert before != after, f"writes and reads must take turns, not {order}"
    check_bus(dut)


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(write=[False, True])
async def an_access_takes_four_cycles(dut, write):
    channels = Channels(dut)
    await begin(dut, 0)
    for n in range(20):
        if write:
            channels.write_address(WORD * n)
            channels.write_data(n)
        else:
            channels.read_address(WORD * n)
    taken = []
    for cycle in range(120):
        await FallingEdge(dut.clk)
        if read_pin(dut.ending):
            taken.append(cycle)
    gaps = [after - before for before, after in itertools.pairwise(taken)]
    compare("AxiLite", "cycles from one request to the next", [4] * 19, gaps, ("gap",))


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def a_reset_ends_whatever_goes_on(dut):
    rng = random.Random(cocotb.RANDOM_SEED)
    channels = Channels(dut)
    await begin(dut, MANY_STALLS)
    for _ in range(40):
        for _ in range(3):
            channels.write_address(rng.randrange(64))
            channels.write_data(rng.getrandbits(32))
            channels.read_address(rng.randrange(64))
        channels.r.pause, channels.b.pause = rng.random() < 0.3, rng.random() < 0.3
        if rng.random() < 0.3:
            channels.write_address(0)
        if rng.random() < 0.3:
            channels.write_data(0)
        await ClockCycles(dut.clk, rng.randint(1, 30))
        await FallingEdge(dut.clk)
        dut.rst.value = 1
        for channel in channels.all:
            channel.clear()
        channels.r.pause = channels.b.pause = False
        await ClockCycles(dut.clk, 2)
        await FallingEdge(dut.clk)
        for pin in (dut.s_axil_bvalid, dut.s_axil_rvalid):
            compare("AxiLite", f"{pin._name} in reset", 0, read_pin(pin))
        dut.rst.value = 0
        channels.words.clear()
        for _ in range(2):
            address = WORD * rng.randrange(16)
            await channels.write(address, rng.getrandbits(32), rng.getrandbits(4))
            await channels.read(address)
    check_bus(dut)
