"""XbarOut: the result registers of one matrix compute unit."""

import math

from amaranth import Array, Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.mcu.adc_control import tag_layout
from panther.arch.mcu import INDEX_BITS, LANE_BITS, LANES, OUT_BANK_BITS, OutBank
from panther.arch.params import McuParams

READ_PORTS = 2
"""Operands a vector instruction may have."""


def results_layout(params: McuParams) -> data.ArrayLayout:
    """Words of XbarOut, as many as are read in a cycle."""
    return data.ArrayLayout(signed(params.operand_bits), LANES)


class XbarOut(wiring.Component):
    """Two result vectors, written a line group at a time and read ``LANES`` words at a time.

    Two ports read independently. Words ``index`` and following, wherever that lies, appear one
    cycle after their request and stay until taken; one request a cycle and port. Requests for a
    locked bank wait; words past the end are undefined, and if the first one is, the request raises
    ``dropped``. Lanes of a group that are not in use keep their words.

    Word ``n`` lies in memory ``n % W``, with ``W`` a multiple of ``LANES`` and of the words of a
    group, so neither a request nor a group ever finds two of its words in one memory.

    Members
    -------
    write : In(1)
        Store the words of one line group.
    write_bank : In(1)
        ``OutBank`` to store into.
    write_tag : In(tag_layout(params))
        Line group and its lanes in use.
    write_word : In(ArrayLayout(signed(operand_bits), per_slice))
        Words.
    locked : In(2)
        Banks being written by a running operation, bit ``OutBank``.
    i : Array of In(stream.Signature({"bank": 1, "index": 8})), one for each port
        Read requests.
    o : Array of Out(stream.Signature(results_layout(params))), one for each port
        Words read.
    dropped : Out(1)
        A request taken in this cycle begins past the end of its bank.
    """

    def __init__(self, params: McuParams) -> None:
        self.params = params
        group = data.ArrayLayout(signed(params.operand_bits), params.adc.per_slice)
        request = data.StructLayout(
            {"bank": unsigned(OUT_BANK_BITS), "index": unsigned(INDEX_BITS)}
        )
        super().__init__(
            {
                "write": In(1),
                "write_bank": In(unsigned(OUT_BANK_BITS)),
                "write_tag": In(tag_layout(params)),
                "write_word": In(group),
                "locked": In(unsigned(len(OutBank))),
                "i": In(stream.Signature(request)).array(READ_PORTS),
                "o": Out(stream.Signature(results_layout(params))).array(READ_PORTS),
                "dropped": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        params = self.params
        per_group = params.adc.per_slice
        memories = math.lcm(LANES, per_group)
        # both are powers of two: words of a memory, so an address past the end stays in its bank,
        # and groups that share a word address
        words = 1 << (-(-max(params.rows, params.columns) // memories) - 1).bit_length()
        sharing = memories // per_group
        address_bits = words.bit_length() - 1
        sharing_bits = sharing.bit_length() - 1

        shared = Signal(range(max(2, sharing)))
        m.d.comb += shared.eq(self.write_tag.index[:sharing_bits])
        stored = []
        for n in range(memories):
            m.submodules[f"words{n}"] = memory = Memory(
                shape=unsigned(params.operand_bits), depth=len(OutBank) * words, init=[]
            )
            stored.append(memory)
            write = memory.write_port()
            lane = n % per_group
            m.d.comb += [
                write.en.eq(self.write & self.write_tag.lanes[lane] & (shared == n // per_group)),
                write.addr.eq(
                    Cat(self.write_tag.index[sharing_bits:][:address_bits], self.write_bank)
                ),
                write.data.eq(self.write_word[lane]),
            ]

        past = []
        for port, (asked, answer) in enumerate(zip(self.i, self.o, strict=True)):
            take = Signal(name=f"take{port}")
            request = asked.p
            first = Signal(range(memories), name=f"first{port}")
            start = Signal(range(memories), name=f"start{port}")
            lines = Mux(request.bank == OutBank.MVM, params.columns, params.rows)
            past.append(take & (request.index >= lines))
            m.d.comb += [
                asked.ready.eq(
                    (~answer.valid | answer.ready) & ~self.locked.bit_select(request.bank, 1)
                ),
                take.eq(asked.valid & asked.ready),
                first.eq(request.index % memories),
            ]
            with m.If(take):
                m.d.sync += [answer.valid.eq(1), start.eq(first)]
            with m.Elif(answer.ready):
                m.d.sync += answer.valid.eq(0)
            found = []
            for n, memory in enumerate(stored):
                read = memory.read_port()
                # words in front of the first one are those of the next address; the last is never
                skipped = first > n if n + 1 < memories else 0
                m.d.comb += [
                    read.en.eq(take),
                    read.addr.eq(
                        Cat((request.index // memories + skipped)[:address_bits], request.bank)
                    ),
                ]
                found.append(read.data)
            # the word of one place modulo LANES lies in one of every fourth memory
            place = start[:LANE_BITS]
            placed = []
            for n in range(LANES):
                candidates = found[n::LANES]
                which = Signal(range(len(candidates) + 1), name=f"which{port}_{n}")
                m.d.comb += which.eq((start + (LANES - 1 - n)) >> LANE_BITS)
                placed.append(Array([*candidates, candidates[0]])[which])
            for lane in range(LANES):
                m.d.comb += answer.payload[lane].eq(Array(placed)[(place + lane)[:LANE_BITS]])
        m.d.comb += self.dropped.eq(Cat(past).any())
        return m
