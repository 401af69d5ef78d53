"""Load and store unit: vectors between the register file and the memory, by groups of words."""

from amaranth import C, Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.core.register_file import COUNT_BITS, WORDS
from hdl.core.scalar_unit import SCALAR_BITS
from panther.arch.core import (
    ADDRESS_BITS,
    LANES,
    MEMORY_OP_BITS,
    READERS,
    RTL_MEMORY_WORDS,
    WORD_BITS,
    CoreParams,
    MemoryOp,
)

GROUP_BITS = (RTL_MEMORY_WORDS // LANES - 1).bit_length()
"""Width of the number of a memory group: 64 KiB in groups of eight bytes."""
ROW_BITS, ROWS_BITS, STRIDE_BITS = 10, 6, 13


def request_layout() -> data.StructLayout:
    """One request to the memory; see ``MemoryOp``. ``mask`` says which of the four words."""
    return data.StructLayout(
        {
            "op": unsigned(MEMORY_OP_BITS),
            "group": unsigned(GROUP_BITS),
            "mask": unsigned(LANES),
            "data": WORDS,
            "take": unsigned(1),
            "plain": unsigned(1),
            "readers": unsigned(READERS),
        }
    )


class _Walk:
    """Walks over the memory groups of a window: rows of words, ``stride`` apart."""

    def __init__(self, m: Module, name: str) -> None:
        self.at = Signal(GROUP_BITS + 2, name=f"{name}_at")
        self.row_at = Signal(GROUP_BITS + 2, name=f"{name}_row_at")
        self.left = Signal(ROW_BITS, name=f"{name}_left")
        self.rows = Signal(ROWS_BITS, name=f"{name}_rows")
        self.first = self.at[:2]
        self.count = Signal(COUNT_BITS, name=f"{name}_count")
        room = LANES - self.first
        m.d.comb += self.count.eq(Mux(self.left > room, room, self.left))
        self.end_of_row = self.left <= room
        self.last = self.end_of_row & (self.rows <= 1)
        self.busy = self.left != 0

    def begin(self, address, length, rows) -> list:  # type: ignore[no-untyped-def]
        return [
            self.at.eq(address),
            self.row_at.eq(address),
            self.left.eq(length),
            self.rows.eq(rows),
        ]

    def step(self, m: Module, length, stride) -> None:  # type: ignore[no-untyped-def]
        with m.If(self.last):
            m.d.sync += self.left.eq(0)
        with m.Elif(self.end_of_row):
            following = self.row_at + stride
            m.d.sync += [
                self.at.eq(following),
                self.row_at.eq(following),
                self.left.eq(length),
                self.rows.eq(self.rows - 1),
            ]
        with m.Else():
            m.d.sync += [self.at.eq(self.at + self.count), self.left.eq(self.left - self.count)]


class LoadStore(wiring.Component):
    """Offers a request a cycle. A load's answers are written as they come, in order.

    Loads: the first request is offered in the cycle after ``start``. Stores: the first group is
    read from the register file in that cycle, and offered in the one after. ``done`` is high in the
    last cycle: when the last answer is written, or the last request taken.

    Parameters
    ----------
    params : CoreParams
        Size of the memory.

    Members
    -------
    base, offset : In(signed 32), In(signed 12)
        The first word's address is their sum.
    length, rows, stride : In(10), In(6), In(13)
        The window; a plain vector has one row. All of these are stable from ``start`` to ``done``.
    op, take, plain, readers : In(2), In(1), In(1), In(9)
        As in the request; stable like them.
    vector : In(13)
        First word in the register file, with ``start``.
    outside, misaligned : Out(1)
        A word lies outside the memory; a synchronised access does not begin at a group. Of the
        inputs above, at any time.
    start : In(1)
        Begin.
    stop : In(1)
        Offer nothing more. Answers under way are still written.
    waiting : Out(1)
        A request is offered and not taken.
    done : Out(1)
        The last cycle.
    busy : Out(1)
        Answers are under way.
    read, address_a, words_a : Out(1), Out(13), In(ArrayLayout(16, 4))
        Groups read from the register file.
    write, address, count, words : Out(1), Out(13), Out(3), Out(ArrayLayout(16, 4))
        Groups written to it.
    o_memory : Out(stream.Signature(request_layout()))
        Requests.
    i_memory : In(stream.Signature(ArrayLayout(16, 4)))
        Answers; never wait.
    """

    o_memory: stream.Interface
    i_memory: stream.Interface

    def __init__(self, params: CoreParams) -> None:
        self.params = params
        address = unsigned(ADDRESS_BITS)
        super().__init__(
            {
                "base": In(signed(SCALAR_BITS)),
                "offset": In(signed(12)),
                "length": In(unsigned(ROW_BITS)),
                "rows": In(unsigned(ROWS_BITS)),
                "stride": In(unsigned(STRIDE_BITS)),
                "op": In(unsigned(MEMORY_OP_BITS)),
                "take": In(1),
                "plain": In(1),
                "readers": In(unsigned(READERS)),
                "vector": In(address),
                "outside": Out(1),
                "misaligned": Out(1),
                "start": In(1),
                "stop": In(1),
                "waiting": Out(1),
                "done": Out(1),
                "busy": Out(1),
                "read": Out(1),
                "address_a": Out(address),
                "words_a": In(WORDS),
                "write": Out(1),
                "address": Out(address),
                "count": Out(unsigned(COUNT_BITS)),
                "words": Out(WORDS),
                "o_memory": Out(stream.Signature(request_layout())),
                "i_memory": In(stream.Signature(WORDS)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        request = self.o_memory.p
        first = Signal(signed(SCALAR_BITS + 1))
        behind = Signal(signed(SCALAR_BITS + 2))
        synchronised = Signal()
        m.d.comb += [
            first.eq(self.base + self.offset),
            behind.eq(first + (self.rows - 1) * self.stride + self.length),
            self.outside.eq((first < 0) | (behind > self.params.memory_words)),
            synchronised.eq(
                ((self.op == MemoryOp.LOAD) & self.take)
                | ((self.op == MemoryOp.STORE) & ~self.plain)
                | (self.op == MemoryOp.RELEASE)
            ),
            self.misaligned.eq(
                synchronised & ((first[:2] != 0) | ((self.rows > 1) & (self.stride[:2] != 0)))
            ),
        ]
        load, store = self.op == MemoryOp.LOAD, self.op == MemoryOp.STORE

        # requests: of a store those whose words are read, of the others those offered
        walk = _Walk(m, "walk")
        taken = Signal()
        offered = Signal()
        reading = Signal()
        group = Signal(GROUP_BITS)
        mask = Signal(LANES)
        turn = Signal(2)
        vector = Signal(ADDRESS_BITS)
        covered = (((C(1, LANES + 1) << walk.count) - 1) << walk.first)[:LANES]
        m.d.comb += [
            taken.eq(self.o_memory.valid & self.o_memory.ready),
            self.waiting.eq(self.o_memory.valid & ~self.o_memory.ready),
            self.o_memory.valid.eq(Mux(store, offered, walk.busy)),
            reading.eq(store & walk.busy & (~offered | taken)),
            self.read.eq(reading),
            self.address_a.eq(vector),
            request.op.eq(self.op),
            request.group.eq(Mux(store, group, walk.at[2:])),
            request.mask.eq(Mux(store, mask, covered)),
            request.take.eq(self.take),
            request.plain.eq(self.plain),
            request.readers.eq(self.readers),
        ]
        words = [self.words_a[lane] for lane in range(LANES)]
        for lane in range(LANES):
            # word n of those read goes to place turn + n of its group
            turned = Cat(words[(lane - n) % LANES] for n in range(LANES))
            m.d.comb += request.data[lane].eq(
                Mux(store & mask[lane], turned.word_select(turn, WORD_BITS), 0)
            )
        with m.If(reading):
            m.d.sync += [
                offered.eq(1),
                group.eq(walk.at[2:]),
                mask.eq(covered),
                turn.eq(walk.first),
                vector.eq(vector + walk.count),
            ]
        with m.Elif(taken):
            m.d.sync += offered.eq(0)
        with m.If(reading | (taken & ~store)):
            walk.step(m, self.length, self.stride)

        # answers
        answer = _Walk(m, "answer")
        into = Signal(ADDRESS_BITS)
        outstanding = Signal(ROW_BITS + ROWS_BITS)
        answered = Signal()
        arrived = [self.i_memory.payload[lane] for lane in range(LANES)]
        m.d.comb += [
            self.i_memory.ready.eq(1),
            self.busy.eq(outstanding != 0),
            answered.eq(self.i_memory.valid & (outstanding != 0)),
            self.write.eq(answered),
            self.address.eq(into),
            self.count.eq(answer.count),
        ]
        for lane in range(LANES):
            turned = Cat(arrived[lane:], arrived[:lane])
            m.d.comb += self.words[lane].eq(
                Mux(lane < answer.count, turned.word_select(answer.first, WORD_BITS), 0)
            )
        with m.If(answered):
            m.d.sync += into.eq(into + answer.count)
            answer.step(m, self.length, self.stride)
        m.d.sync += outstanding.eq(outstanding + (taken & load) - answered)

        with m.If(self.start):
            m.d.sync += [
                *walk.begin(first, self.length, self.rows),
                *answer.begin(first, self.length, self.rows),
                vector.eq(self.vector),
                into.eq(self.vector),
            ]
        with m.If(self.stop):
            m.d.sync += [walk.left.eq(0), offered.eq(0)]
        with m.If(load):
            m.d.comb += self.done.eq(answered & answer.last)
        with m.Elif(store):
            m.d.comb += self.done.eq(taken & ~walk.busy)
        with m.Else():
            m.d.comb += self.done.eq(taken & walk.last)
        return m
