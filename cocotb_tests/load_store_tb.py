"""LoadStore against lists of memory groups, between a memory that takes late and a register file.

Every pin is compared in every cycle with what ``docs/core.md`` promises.
"""

import random
from collections import deque
from dataclasses import dataclass, field

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.compare import compare
from cocotb_tests.designs import core_parameters
from cocotb_tests.drivers import Pauses, corner, pack, start, unpack
from cocotb_tests.pins import compare_pins
from hdl.core.load_store import request_layout
from hdl.core.register_file import WORDS
from panther.arch.core import ADDRESS_BITS, LANES, READERS, WORD_BITS, MemoryOp

CYCLES = 800
CHECKS = 2500
WINDOW = ("base", "offset", "length", "rows", "stride", "op", "take", "plain", "readers")
INPUTS = (
    *WINDOW, "vector", "start", "stop", "words_a",
    "o_memory__ready", "i_memory__valid", "i_memory__payload",
)  # fmt: skip
LEAST, MOST = -(1 << 31), (1 << 31) - 1


def random_words(rng: random.Random) -> list[int]:
    return [corner(rng, 0, (1 << WORD_BITS) - 1) for _ in range(LANES)]


@dataclass(kw_only=True)
class Window:
    """What is asked for."""

    base: int
    offset: int
    length: int
    rows: int
    stride: int
    op: MemoryOp
    take: int
    plain: int
    readers: int

    @property
    def starts(self) -> list[int]:
        """Address of the first word of every row."""
        return [self.base + self.offset + row * self.stride for row in range(self.rows)]

    @property
    def misaligned(self) -> bool:
        synchronised = {
            MemoryOp.LOAD: self.take, MemoryOp.STORE: not self.plain, MemoryOp.RELEASE: True,
        }[self.op]  # fmt: skip
        return bool(synchronised) and any(at % LANES for at in self.starts)

    def outside(self, size: int) -> bool:
        return any(at < 0 or at + self.length > size for at in self.starts)

    def drive(self, dut) -> None:
        for name in WINDOW:
            port = getattr(dut, name)
            port.value = getattr(self, name) & ((1 << len(port)) - 1)


def random_window(rng: random.Random, *, first: int, rows: int, length: int, stride: int) -> Window:
    offset = corner(rng, -2048, 2047)
    base = min(max(first - offset, LEAST), MOST)
    return Window(
        base=base, offset=offset, length=length, rows=rows, stride=stride,
        op=rng.choice(list(MemoryOp)), take=rng.getrandbits(1), plain=rng.getrandbits(1),
        readers=rng.getrandbits(READERS),
    )  # fmt: skip


def random_transfer(rng: random.Random, size: int) -> Window:
    """A window inside the memory that may be transferred."""
    while True:
        length, rows, stride = rng.choice((1, 2, rng.randint(1, 9), rng.randint(1, 40))), 1, 0
        if rng.random() < 0.5:
            rows, stride = rng.choice(((2, 4), (3, 5), (rng.randint(1, 6), rng.randint(0, 30))))
            if rng.random() < 0.1:
                rows, length = 63, rng.randint(1, 5)
        elif rng.random() < 0.05:
            length = rng.choice((1023, rng.randint(1, 300)))
        last = size - length - (rows - 1) * stride
        if last < 0:
            continue
        first = rng.choice((0, last, rng.randint(0, last), rng.randint(0, last) & ~3))
        window = random_window(rng, first=first, rows=rows, length=length, stride=stride)
        if window.op != MemoryOp.LOAD:
            window.rows = 1
        if not window.misaligned and not window.outside(size):
            return window


@dataclass(frozen=True, kw_only=True)
class Piece:
    """The words of a row that lie in one group of the memory."""

    group: int
    first: int
    count: int
    index: int
    """Words of the vector before them."""


@dataclass(kw_only=True)
class Transfer:
    """A transfer, and how far it is."""

    window: Window
    vector: int
    words: list[int]
    """Of a store."""
    pieces: list[Piece] = field(default_factory=list)
    read: int = 0
    taken: int = 0
    written: int = 0
    stopped: bool = False

    def __post_init__(self) -> None:
        index = 0
        for at in self.window.starts:
            left = self.window.length
            while left:
                count = min(left, LANES - at % LANES)
                piece = Piece(group=at // LANES, first=at % LANES, count=count, index=index)
                self.pieces.append(piece)
                at, left, index = at + count, left - count, index + count

    @property
    def offers(self) -> bool:
        """Whether a request is offered in this cycle."""
        known = self.read if self.window.op == MemoryOp.STORE else len(self.pieces)
        return self.taken < known and not self.stopped

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        done = self.stopped or self.taken == len(self.pieces)
        return done and (self.window.op != MemoryOp.LOAD or self.written == self.taken)


class Bench:
    """Starts transfers, takes requests, answers loads, reads and writes vectors."""

    def __init__(self, dut, rng: random.Random, pauses: Pauses, latency: int) -> None:
        self.dut, self.rng, self.pauses = dut, rng, pauses
        self.size = core_parameters().memory_words
        self.transfer: Transfer | None = None
        self.answers: deque[Piece | None] = deque([None] * latency)
        self.done = self.stops = 0

    def begin(self) -> Transfer:
        window = random_transfer(self.rng, self.size)
        total = window.length * window.rows
        last = (1 << ADDRESS_BITS) - total
        vector = self.rng.choice((0, last, self.rng.randint(0, last)))
        words = [corner(self.rng, 0, (1 << WORD_BITS) - 1) for _ in range(total)]
        window.drive(self.dut)
        return Transfer(window=window, vector=vector, words=words)

    async def tick(self, where: str) -> None:
        """One cycle."""
        dut, rng, now = self.dut, self.rng, self.transfer
        begun = self.begin() if now is None and rng.random() < 0.5 else None
        if now is None and begun is None:
            # what is not started must do nothing
            random_transfer(rng, self.size).drive(dut)
        dut.start.value = begun is not None
        dut.vector.value = rng.getrandbits(ADDRESS_BITS) if begun is None else begun.vector
        ready = not self.pauses
        dut.o_memory__ready.value = ready
        answer, arrived = self.answers.popleft(), random_words(rng)
        # what nobody waits for, as after a reset, is not written
        stray = answer is None and not any(self.answers) and rng.random() < 0.1
        dut.i_memory__valid.value = stray or answer is not None
        dut.i_memory__payload.value = pack(WORDS, arrived)
        offers = now is not None and now.offers
        waiting = offers and not ready
        stop = waiting and rng.random() < 0.05
        dut.stop.value = stop

        is_store = now is not None and now.window.op == MemoryOp.STORE
        taken = offers and ready
        reads = (
            is_store and now.read < len(now.pieces) and not now.stopped and (taken or not offers)
        )
        if now is not None and now.window.op == MemoryOp.LOAD:
            done = answer is not None and now.written == len(now.pieces) - 1
        else:
            done = taken and now.taken == len(now.pieces) - 1
        await RisingEdge(dut.clk)
        compare_pins(
            "LoadStore", where, dut,
            o_memory__valid=offers, waiting=waiting, done=done, read=reads,
            write=answer is not None, i_memory__ready=1,
        )  # fmt: skip
        if offers:
            self.compare_request(where, now, now.pieces[now.taken])
        if reads:
            at = now.vector + now.pieces[now.read].index
            compare_pins("LoadStore", where, dut, address_a=at)
        if answer is not None:
            at = now.vector + answer.index
            compare_pins("LoadStore", where, dut, address=at, count=answer.count)
            rtl = [unpack(WORDS, dut.words)[n] for n in range(answer.count)]
            golden = arrived[answer.first : answer.first + answer.count]
            compare("LoadStore", f"{where}, words", golden, rtl, ("word",))
        if begun is not None:
            compare_pins("LoadStore", where, dut, outside=0, misaligned=0)
        await FallingEdge(dut.clk)

        load = taken and now.window.op == MemoryOp.LOAD
        self.answers.append(now.pieces[now.taken] if load else None)
        if reads:
            # behind the end of the vector there is something
            index = now.pieces[now.read].index
            dut.words_a.value = pack(WORDS, (now.words[index:] + random_words(rng))[:LANES])
        if now is not None:
            now.read += reads
            now.taken += taken
            now.written += answer is not None
            now.stopped |= stop
            self.stops += stop
            self.done += done
        self.transfer = begun or (None if now is None or now.over else now)

    def compare_request(self, where: str, now: Transfer, piece: Piece) -> None:
        window, request = now.window, unpack(request_layout(), self.dut.o_memory__payload)
        lanes = range(piece.first, piece.first + piece.count)
        golden = {
            "op": window.op, "group": piece.group, "mask": sum(1 << lane for lane in lanes),
            "take": window.take, "plain": window.plain, "readers": window.readers,
        }  # fmt: skip
        for name, value in golden.items():
            compare("LoadStore", f"{where}, request, {name}", int(value), request[name])
        if window.op == MemoryOp.STORE:
            words = now.words[piece.index : piece.index + piece.count]
            rtl = [request.data[lane] for lane in lanes]
            compare("LoadStore", f"{where}, request, data", words, rtl, ("word",))


@cocotb.test()
@cocotb.parametrize(latency=[1, 2, 3, 4], pause=[0.0, 0.6])
async def transfers_go_group_by_group(dut, latency, pause):
    rng = random.Random(cocotb.RANDOM_SEED)
    await start(dut, *INPUTS)
    bench = Bench(dut, rng, Pauses(rng, pause), latency)
    for cycle in range(CYCLES):
        await bench.tick(f"cycle {cycle}")
    assert bench.done > 10, f"more than 10 transfers must end, not {bench.done}"
    assert bench.stops or not pause, "a transfer must be stopped"


@cocotb.test()
async def addresses_are_checked(dut):
    rng = random.Random(cocotb.RANDOM_SEED)
    size = core_parameters().memory_words
    await start(dut, *INPUTS)
    seen = set()
    for number in range(CHECKS):
        rows = rng.choice((1, 1, 2, 63, rng.randint(1, 63)))
        length = rng.choice((1, 2, 1023, rng.randint(1, 1023)))
        stride = rng.choice((0, 1, 4, 8191, rng.randint(0, 99), 4 * rng.randint(0, 400)))
        reach = (rows - 1) * stride + length
        first = rng.choice((0, size - reach, size - length, rng.randint(0, size), LEAST, MOST))
        first += rng.choice((0, 0, -1, 1, -4, 4, -length))
        window = random_window(rng, first=first, rows=rows, length=length, stride=stride)
        window.drive(dut)
        await RisingEdge(dut.clk)
        outside, misaligned = window.outside(size), window.misaligned
        where = f"check {number}, {window}"
        compare_pins("LoadStore", where, dut, outside=outside, misaligned=misaligned)
        seen.add((outside, misaligned))
        await FallingEdge(dut.clk)
    assert len(seen) == 4, f"the checks must find good and bad, not {seen}"
