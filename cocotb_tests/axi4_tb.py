"""Axi4 between masters and a memory that takes its time, against an array of bytes."""

import itertools
import logging
import os
import random

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, Combine, FallingEdge, RisingEdge
from cocotbext.axi import AxiBus, AxiMaster

from cocotb_tests.axi_channels import (
    FIXED,
    WORD,
    WRAPPING,
    Burst,
    Channels,
    pause_at_random,
    soon,
)
from cocotb_tests.bench.bus import NOBODY, REFUSED
from cocotb_tests.compare import compare
from cocotb_tests.drivers import start
from cocotb_tests.pins import read as read_pin
from hdl.host.bus import BusError

TRANSACTIONS = int(os.environ.get("PANTHER_TRANSACTIONS", "300"))
WORKERS = 4
IDS = 8
SIZE = 1 << 16
PAGE = 1 << 12
MANY_STALLS = 100
PARTS = ("id or response",)

for _noisy in ("cocotb.bench.s_axi", "cocotb.bench"):
    logging.getLogger(_noisy).setLevel(logging.WARNING)


def error_at(address: int) -> int:
    """What the memory answers at an address."""
    return (
        BusError.DECERR
        if address >= NOBODY
        else (BusError.SLVERR if address >= REFUSED else BusError.OKAY)
    )


class Image:
    """What the memory should hold."""

    def __init__(self) -> None:
        self.bytes = np.zeros(SIZE, np.uint8)

    def write(self, address: int, text: bytes) -> None:
        end = max(address, min(address + len(text), REFUSED))
        self.bytes[address:end] = np.frombuffer(text, np.uint8)[: end - address]

    def write_words(self, burst: Burst, words: list[int], strobes: list[int]) -> None:
        for n, (word, strobe) in enumerate(zip(words, strobes, strict=True)):
            for lane in range(WORD):
                if strobe >> lane & 1:
                    self.write(burst.address + WORD * n + lane, bytes([word >> 8 * lane & 0xFF]))

    def words(self, address: int, count: int) -> np.ndarray:
        return self.bytes[address : address + WORD * count].view("<u8").astype(np.uint64)


async def begin(dut, stall: int) -> None:
    dut.stall.value = stall
    await start(dut)


def check_bus(dut) -> None:
    compare("Axi4", "cycles in which a rule of the bus is broken", 0, read_pin(dut.violations))


def random_words(rng: random.Random, count: int) -> list[int]:
    return [rng.getrandbits(8 * WORD) for _ in range(count)]


async def write(channels: Channels, image: Image, burst: Burst, rng: random.Random) -> None:
    """A legal burst; waits until it has ended."""
    words = random_words(rng, burst.beats)
    strobes = [rng.choice((0xFF, 0, rng.getrandbits(8))) for _ in words]
    channels.ask_write(burst)
    channels.data(words, last=burst.beats - 1, strobes=strobes)
    image.write_words(burst, words, strobes)
    worst = error_at(burst.address + WORD * (burst.beats - 1))
    compare("Axi4", f"{burst}, id and response", (burst.id, worst), await channels.written(), PARTS)


async def read_back(channels: Channels, image: Image, burst: Burst) -> None:
    """A legal burst, its words and the response of each beat compared."""
    channels.ask_read(burst)
    identity, words, errors = await channels.read()
    compare("Axi4", f"{burst}, id", burst.id, identity)
    golden = [error_at(burst.address + WORD * n) for n in range(burst.beats)]
    compare("Axi4", f"{burst}, responses", golden, errors, ("beat",))
    good = golden.count(BusError.OKAY)
    read = np.array(words[:good], np.uint64)
    compare("Axi4", f"{burst}, words", image.words(burst.address, good), read, ("beat",))


async def works(channels: Channels, image: Image, rng: random.Random) -> None:
    """Both kinds of burst do what they should, now."""
    burst = Burst(address=WORD * rng.randrange(64), beats=rng.randint(1, 8), id=rng.randrange(IDS))
    await write(channels, image, burst, rng)
    await read_back(channels, image, burst)


@cocotb.test(timeout_time=60, timeout_unit="ms")
@cocotb.parametrize(paced=[False, True])
async def random_bursts_read_what_was_written(dut, paced):
    rng = random.Random(cocotb.RANDOM_SEED + paced)
    master = AxiMaster(AxiBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst)
    await begin(dut, MANY_STALLS if paced else 0)
    if paced:
        channels = (
            master.write_if.aw_channel, master.write_if.w_channel, master.write_if.b_channel,
            master.read_if.ar_channel, master.read_if.r_channel,
        )  # fmt: skip
        pause_at_random(channels, rng, 0.3)
    image = Image()
    shares = [TRANSACTIONS // WORKERS // (1 if paced else 10)] * WORKERS
    window = SIZE // WORKERS

    async def work(number: int, seed: float) -> None:
        """Writes and reads of one id in one part of the memory, one after the other."""
        own = random.Random(seed)
        low = number * window
        for _ in range(shares[number]):
            beats = own.choice((1, 2, own.randint(1, 6), own.randint(1, 6)))
            if own.random() < 0.02:
                beats = own.choice((256, own.randint(1, 256)))
            # often where responses change, or a page ends
            first = own.choice((REFUSED, NOBODY, PAGE * own.randrange(16), own.randrange(SIZE)))
            address = (first - WORD * own.randrange(beats)) // WORD * WORD
            address = min(max(address, low), low + window - WORD * beats)
            length = WORD * beats - own.choice((0, own.randrange(WORD)))
            error = error_at(address + length - 1)
            what = f"{length} bytes at {address:#x}"
            if own.random() < 0.5:
                text = own.randbytes(length)
                response = await soon(master.write(address, text, awid=number))
                compare("Axi4", f"response to {what}", error, int(response.resp))
                image.write(address, text)
            else:
                response = await soon(master.read(address, length, arid=number))
                compare("Axi4", f"response to reading {what}", error, int(response.resp))
                good = max(address, min(address + length, REFUSED)) - address
                read = np.frombuffer(response.data, np.uint8)[:good]
                compare("Axi4", what, image.bytes[address : address + good], read, ("byte",))

    workers = [cocotb.start_soon(work(n, rng.random())) for n in range(WORKERS)]
    await Combine(*workers)
    for page in range(0, REFUSED, PAGE):
        length = min(PAGE, REFUSED - page)
        response = await soon(master.read(page, length))
        read = np.frombuffer(response.data, np.uint8)
        compare("Axi4", f"page {page:#x}", image.bytes[page : page + length], read, ("byte",))
    check_bus(dut)


REFUSALS = {
    "FIXED": {"kind": FIXED},
    "WRAP": {"kind": WRAPPING},
    "reserved kind": {"kind": 3},
    "narrow": {"size": 2},
    "bytes": {"size": 0},
    "too wide": {"size": 4},
    "not aligned": {"address": 0x104},
    "across 4 KiB": {"address": 5 * PAGE - WORD, "beats": 2},
    "long across 4 KiB": {"address": 5 * PAGE + WORD, "beats": 512 // 2},
    "across the end": {"address": SIZE - WORD, "beats": 3},
}


@cocotb.test(timeout_time=60, timeout_unit="ms")
@cocotb.parametrize(paced=[False, True])
async def bursts_that_cannot_be_carried_out_are_refused_whole(dut, paced):
    rng = random.Random(cocotb.RANDOM_SEED + paced)
    channels = Channels(dut)
    await begin(dut, MANY_STALLS if paced else 0)
    if paced:
        pause_at_random(channels.all, rng, 0.3)
    image = Image()
    await works(channels, image, rng)
    for what, changes in REFUSALS.items():
        if what == "long across 4 KiB":
            changes = {"address": 5 * PAGE + WORD * 257, "beats": 256}
        burst = Burst(**{
            "address": 0x100, "beats": rng.choice((1, 2, rng.randint(1, 20))),
            "id": rng.randrange(IDS), **changes,
        })  # fmt: skip
        asked = read_pin(dut.beats)
        channels.ask_write(burst)
        channels.data(random_words(rng, burst.beats), last=burst.beats - 1)
        golden = (burst.id, int(BusError.SLVERR))
        compare("Axi4", f"{what}, id and response", golden, await channels.written(), PARTS)
        channels.ask_read(burst)
        identity, words, errors = await channels.read()
        compare("Axi4", f"{what}, id", burst.id, identity)
        compare("Axi4", f"{what}, words", [0] * burst.beats, words, ("beat",))
        refusals = [int(BusError.SLVERR)] * burst.beats
        compare("Axi4", f"{what}, responses", refusals, errors, ("beat",))
        compare("Axi4", f"{what}, requests", 0, read_pin(dut.beats) - asked)
        await works(channels, image, rng)
    # those that just do not cross
    for burst in (Burst(address=5 * PAGE - 2 * WORD, beats=2), Burst(address=2 * PAGE, beats=256)):
        await write(channels, image, burst, rng)
        await read_back(channels, image, burst)
    check_bus(dut)


@cocotb.test(timeout_time=60, timeout_unit="ms")
@cocotb.parametrize(paced=[False, True])
async def every_beat_has_its_own_response(dut, paced):
    rng = random.Random(cocotb.RANDOM_SEED + paced)
    channels = Channels(dut)
    await begin(dut, MANY_STALLS if paced else 0)
    if paced:
        pause_at_random(channels.all, rng, 0.3)
    image = Image()
    for edge in (REFUSED, NOBODY):
        for _ in range(6):
            beats = rng.randint(2, 40)
            address = edge - WORD * rng.randrange(beats)
            burst = Burst(address=address, beats=beats, id=rng.randrange(IDS))
            await write(channels, image, burst, rng)
            await read_back(channels, image, burst)
    # the worst one is not the last: no address yields a better response than the ones before, so
    # it takes a response that gets lost to see a difference; a good burst comes after bad ones
    await works(channels, image, rng)
    check_bus(dut)


@cocotb.test(timeout_time=60, timeout_unit="ms")
@cocotb.parametrize(paced=[False, True])
async def last_at_the_wrong_beat_is_an_error_and_no_hang(dut, paced):
    rng = random.Random(cocotb.RANDOM_SEED + paced)
    channels = Channels(dut)
    await begin(dut, MANY_STALLS if paced else 0)
    if paced:
        pause_at_random(channels.all, rng, 0.3)
    image = Image()
    for number in range(24):
        beats = rng.randint(2, 9)
        burst = Burst(
            address=WORD * rng.randrange(32), beats=beats, id=rng.randrange(IDS),
            kind=FIXED if number % 4 == 3 else 1,
        )  # fmt: skip
        # too early; too late, with data that nobody asked for; never
        kind = number % 3
        sent = (rng.randint(1, beats - 1), beats + rng.randint(1, 5), beats)[kind]
        words = random_words(rng, sent)
        channels.ask_write(burst)
        channels.data(words, last=None if kind == 2 else sent - 1)
        if burst.kind == 1:
            image.write_words(burst, words[:beats], [0xFF] * min(sent, beats))
        golden = (burst.id, int(BusError.SLVERR))
        what = ("early", "late", "missing")[kind]
        compare("Axi4", f"{what} last, id and response", golden, await channels.written(), PARTS)
        # data that nobody asked for end with the next address: it comes after them, before its own
        await soon(channels.w.wait())
        next_one = Burst(address=WORD * rng.randrange(64), beats=rng.randint(1, 8), id=7)
        channels.ask_write(next_one)
        await soon(channels.aw.wait())
        words = random_words(rng, next_one.beats)
        channels.data(words, last=next_one.beats - 1)
        image.write_words(next_one, words, [0xFF] * next_one.beats)
        compare("Axi4", f"after {what} last", (7, 0), await channels.written(), PARTS)
        whole = Burst(address=0, beats=64)
        await read_back(channels, image, whole)
    check_bus(dut)


@cocotb.test(timeout_time=60, timeout_unit="ms")
async def what_waits_holds_up_its_own_kind_only(dut):
    rng = random.Random(cocotb.RANDOM_SEED)
    channels = Channels(dut)
    await begin(dut, 0)
    image = Image()
    await works(channels, image, rng)
    # an address whose data do not come, and half of them
    burst = Burst(address=0x800, beats=4, id=2)
    words = random_words(rng, 4)
    channels.ask_write(burst)
    for half in (words[:2], words[2:]):
        for _ in range(3):
            await read_back(channels, image, Burst(address=0, beats=rng.randint(1, 9), id=5))
        channels.data(half, last=1 if half == words[2:] else None)
    compare("Axi4", "late data, id and response", (2, 0), await channels.written(), PARTS)
    image.write_words(burst, words, [0xFF] * 4)
    await read_back(channels, image, burst)
    # data before their address
    words = random_words(rng, 3)
    channels.data(words, last=2)
    await ClockCycles(dut.clk, 9)
    burst = Burst(address=0x900, beats=3, id=1)
    channels.ask_write(burst)
    compare("Axi4", "early data, id and response", (1, 0), await channels.written(), PARTS)
    image.write_words(burst, words, [0xFF] * 3)
    await read_back(channels, image, burst)
    # words that are not taken
    channels.r.pause = True
    channels.ask_read(Burst(address=0, beats=9, id=3))
    await ClockCycles(dut.clk, 9)
    for _ in range(3):
        await write(channels, image, Burst(address=0x1000, beats=rng.randint(1, 9)), rng)
    # responses that are not taken
    channels.b.pause = True
    channels.ask_write(Burst(address=0x2000, beats=1, id=4))
    channels.data([7], last=0)
    channels.r.pause = False
    identity, words, _ = await channels.read()
    compare("Axi4", "words taken late, id", 3, identity)
    compare("Axi4", "words taken late", image.words(0, 9), np.array(words, np.uint64), ("beat",))
    await read_back(channels, image, Burst(address=8, beats=5, id=6))
    channels.b.pause = False
    compare("Axi4", "response taken late", (4, 0), await channels.written(), PARTS)
    image.write_words(Burst(address=0x2000, beats=1), [7], [0xFF])
    await works(channels, image, rng)
    check_bus(dut)


@cocotb.test(timeout_time=60, timeout_unit="ms")
async def kinds_take_turns(dut):
    channels = Channels(dut)
    await begin(dut, 0)
    rounds, beats = 12, 6
    for n in range(rounds):
        burst = Burst(address=64 * n, beats=beats, id=n % IDS)
        channels.ask_write(burst)
        channels.data([n] * beats, last=beats - 1)
        channels.ask_read(burst)
    order = []
    for _ in range(60 * rounds):
        await FallingEdge(dut.clk)
        if read_pin(dut.ending):
            order.append(read_pin(dut.ending_write))
    compare("Axi4", "bursts ended", 2 * rounds, len(order))
    for before, after in itertools.pairwise(order):
        assert before != after, f"writes and reads must take turns, not {order}"
    check_bus(dut)


@cocotb.test(timeout_time=60, timeout_unit="ms")
async def a_beat_takes_two_cycles(dut):
    channels = Channels(dut)
    await begin(dut, 0)
    beats = 100
    for kind in ("write", "read"):
        burst = Burst(address=0, beats=beats)
        if kind == "write":
            channels.ask_write(burst)
            channels.data(list(range(beats)), last=beats - 1)
        else:
            channels.ask_read(burst)
        first = read_pin(dut.beats)
        cycles = 0
        while read_pin(dut.beats) < first + beats and cycles <= 3 * beats:
            await RisingEdge(dut.clk)
            cycles += read_pin(dut.beats) > first
        compare("Axi4", f"cycles of {beats} beats, {kind}", 2 * (beats - 1) + 1, cycles)
        # bursts of one beat each, seven more in a row
        await ClockCycles(dut.clk, 20)
        first, cycles = read_pin(dut.beats), 0
        for n in range(8):
            if kind == "write":
                channels.ask_write(Burst(address=8 * n, beats=1))
                channels.data([n], last=0)
            else:
                channels.ask_read(Burst(address=8 * n, beats=1))
        while read_pin(dut.beats) < first + 8:
            await RisingEdge(dut.clk)
            cycles += read_pin(dut.beats) > first
        assert cycles <= 7 * 5 + 1, f"7 bursts must take at most 35 cycles, not {cycles - 1}"
        await ClockCycles(dut.clk, 20)


@cocotb.test(timeout_time=60, timeout_unit="ms")
async def a_reset_ends_bursts_wherever_they_are(dut):
    rng = random.Random(cocotb.RANDOM_SEED)
    channels = Channels(dut)
    await begin(dut, MANY_STALLS)
    for _ in range(30):
        burst = Burst(address=0x4000 + WORD * rng.randrange(64), beats=rng.randint(1, 30), id=1)
        refused = Burst(address=burst.address, beats=burst.beats, kind=FIXED)
        channels.ask_write(rng.choice((burst, burst, refused)))
        channels.ask_read(rng.choice((burst, burst, refused)))
        sent = rng.randint(0, burst.beats)
        channels.data(random_words(rng, sent), last=burst.beats - 1)
        channels.r.pause, channels.b.pause = rng.random() < 0.3, rng.random() < 0.3
        await ClockCycles(dut.clk, rng.randint(1, 80))
        await FallingEdge(dut.clk)
        dut.rst.value = 1
        for channel in channels.all:
            channel.clear()
        channels.r.pause = channels.b.pause = False
        await ClockCycles(dut.clk, 2)
        await FallingEdge(dut.clk)
        for pin in (dut.s_axi_bvalid, dut.s_axi_rvalid):
            compare("Axi4", f"{pin._name} in reset", 0, read_pin(pin))
        dut.rst.value = 0
        image = Image()
        await works(channels, image, rng)
        await read_back(channels, image, Burst(address=0x4000, beats=128))
        check_bus(dut)
