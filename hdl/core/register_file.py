"""Register file: the core's words, the banks of XbarIn and XbarOut among them, by one address map.

The map stands in ``panther/arch/core.py``.
"""

from amaranth import C, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from panther.arch.core import (
    ADDRESS_BITS,
    GENERAL_BASE,
    LANES,
    WORD_BITS,
    XBAR_OUT_BASE,
    CoreParams,
)
from panther.arch.mcu import INDEX_BITS, InBank, OutBank

LENGTH_BITS = 14
COUNT_BITS = (LANES).bit_length()
WORDS = data.ArrayLayout(unsigned(WORD_BITS), LANES)


def place_layout() -> data.StructLayout:
    """Where a vector lies: in XbarIn, in XbarOut or neither, in which unit and bank, and whether
    all of it exists.
    """
    return data.StructLayout(
        {
            "xbar_in": unsigned(1),
            "xbar_out": unsigned(1),
            "mcu": unsigned(3),
            "bank": unsigned(2),
            "index": unsigned(INDEX_BITS),
            "exists": unsigned(1),
        }
    )


class RegisterFile(wiring.Component):
    """Reads two and writes one group of four words per cycle, at any address.

    Four memories hold the general registers and a copy of XbarIn, word ``n`` in memory ``n mod 4``;
    words of XbarOut come from the units. Words read appear one cycle after their address and stay.
    A group may reach past the end of its vector when read; whoever reads it looks away.

    Parameters
    ----------
    params : CoreParams
        Units, their lines, general registers.

    Members
    -------
    d, a, b : In(13)
        First words of the vectors of an instruction, for the check.
    has_d, has_a, has_b : In(1)
        Which of them it has.
    length : In(14)
        Their words.
    bad : Out(1)
        One leaves its bank, does not exist, or is a destination in XbarOut.
    overlap : Out(1)
        The destination begins inside a source, behind its first word.
    in_use, out_use : In(4 * mcus), In(2 * mcus)
        Banks of XbarIn and XbarOut in use by the units.
    locked : Out(1)
        A bank the instruction writes or reads is among them.
    read_a, read_b : In(1)
        Read a group.
    address_a, address_b : In(13)
        Its first word.
    words_a, words_b : Out(ArrayLayout(16, 4))
        The groups read.
    write, address, count, words : In(1), In(13), In(3), In(ArrayLayout(16, 4))
        Write ``count`` words.
    o_xbar_in : Array of Out(stream.Signature(...)), one for each unit
        Words for XbarIn; its bank is not in use, so it never waits.
    o_xbar_out : Array of Out(stream.Signature(...)), [unit][0 for a, 1 for b]
        Requests to XbarOut; the same is true of them.
    i_xbar_out : Array of In(stream.Signature(...)), [unit][0 for a, 1 for b]
        Its words.
    """

    def __init__(self, params: CoreParams) -> None:
        self.params = params
        address = unsigned(ADDRESS_BITS)
        words_in = data.StructLayout(
            {
                "bank": unsigned(2),
                "index": unsigned(INDEX_BITS),
                "count": unsigned(COUNT_BITS),
                "data": data.ArrayLayout(unsigned(WORD_BITS), LANES),
            }
        )
        request = data.StructLayout({"bank": unsigned(1), "index": unsigned(INDEX_BITS)})
        super().__init__(
            {
                "d": In(address),
                "a": In(address),
                "b": In(address),
                "has_d": In(1),
                "has_a": In(1),
                "has_b": In(1),
                "length": In(unsigned(LENGTH_BITS)),
                "bad": Out(1),
                "overlap": Out(1),
                "in_use": In(unsigned(len(InBank) * params.mcus)),
                "out_use": In(unsigned(len(OutBank) * params.mcus)),
                "locked": Out(1),
                "read_a": In(1),
                "read_b": In(1),
                "address_a": In(address),
                "address_b": In(address),
                "words_a": Out(WORDS),
                "words_b": Out(WORDS),
                "write": In(1),
                "address": In(address),
                "count": In(unsigned(COUNT_BITS)),
                "words": In(WORDS),
                "o_xbar_in": Out(stream.Signature(words_in)).array(params.mcus),
                "o_xbar_out": Out(stream.Signature(request)).array(params.mcus, 2),
                "i_xbar_out": In(stream.Signature(WORDS)).array(params.mcus, 2),
            }
        )

    def _place(self, m: Module, name: str, address, length) -> data.View:  # type: ignore[no-untyped-def]
        """Find the place of ``length`` words from ``address`` on."""
        params = self.params
        place = Signal(place_layout(), name=f"place_{name}")
        shift = params.block.bit_length() - 1
        offset = Signal(ADDRESS_BITS, name=f"offset_{name}")
        room = Signal(range(max(params.registers, 256) + 1), name=f"room_{name}")
        m.d.comb += place.index.eq(address[:shift])
        with m.If(address < XBAR_OUT_BASE):
            banks = address[shift : XBAR_OUT_BASE.bit_length() - 1]
            m.d.comb += [
                place.xbar_in.eq(1),
                place.bank.eq(banks[:2]),
                place.mcu.eq(banks[2:]),
                offset.eq(place.index),
            ]
            by_rows = (place.bank == InBank.MVM) | (place.bank == InBank.OPA_ROWS)
            m.d.comb += room.eq(Mux(by_rows, params.mcu.rows, params.mcu.columns))
            m.d.comb += place.exists.eq((place.mcu < params.mcus) & (offset + length <= room))
        with m.Elif(address < GENERAL_BASE):
            banks = (address - XBAR_OUT_BASE)[shift : XBAR_OUT_BASE.bit_length() - 2]
            m.d.comb += [
                place.xbar_out.eq(1),
                place.bank.eq(banks[:1]),
                place.mcu.eq(banks[1:]),
                offset.eq(place.index),
                room.eq(Mux(place.bank == OutBank.MVM, params.mcu.columns, params.mcu.rows)),
                place.exists.eq((place.mcu < params.mcus) & (offset + length <= room)),
            ]
        with m.Else():
            m.d.comb += [
                offset.eq(address - GENERAL_BASE),
                room.eq(params.registers),
                place.exists.eq(offset + length <= room),
            ]
        return place

    def elaborate(self, platform) -> Module:
        m = Module()
        params = self.params

        # the check of an instruction's vectors
        d, a, b = (
            self._place(m, name, address, self.length)
            for name, address in (("d", self.d), ("a", self.a), ("b", self.b))
        )
        m.d.comb += self.bad.eq(
            (self.has_d & (~d.exists | d.xbar_out))
            | (self.has_a & ~a.exists)
            | (self.has_b & ~b.exists)
        )
        overlaps = [
            has & (self.d > source) & (self.d < source + self.length)
            for has, source in ((self.has_a, self.a), (self.has_b, self.b))
        ]
        m.d.comb += self.overlap.eq(self.has_d & (overlaps[0] | overlaps[1]))
        locks = []
        for mcu in range(params.mcus):
            for bank in range(len(InBank)):
                here = self.has_d & d.xbar_in & (d.mcu == mcu) & (d.bank == bank)
                locks.append(here & self.in_use[len(InBank) * mcu + bank])
            for bank in range(len(OutBank)):
                for has, place in ((self.has_a, a), (self.has_b, b)):
                    here = has & place.xbar_out & (place.mcu == mcu) & (place.bank == bank)
                    locks.append(here & self.out_use[len(OutBank) * mcu + bank])
        m.d.comb += self.locked.eq(Cat(locks).any())

        # what is stored: XbarIn from 0 on, then the general registers
        general_at = params.mcus * len(InBank) * params.block
        lane_bits = LANES.bit_length() - 1

        def stored(address):  # type: ignore[no-untyped-def]
            return Mux(address < XBAR_OUT_BASE, address, address - GENERAL_BASE + general_at)[
                :ADDRESS_BITS
            ]

        def in_front(at, lane):  # type: ignore[no-untyped-def]
            """Whether memory ``lane`` lies in front of the first word, so its word is a row on."""
            return at[:lane_bits] > lane if lane + 1 < LANES else 0

        memories = []
        for lane in range(LANES):
            m.submodules[f"words{lane}"] = memory = Memory(
                shape=unsigned(WORD_BITS), depth=params.stored_words // LANES, init=[]
            )
            memories.append(memory)

        # reading
        for number, (name, read, address, words) in enumerate(
            (
                ("a", self.read_a, self.address_a, self.words_a),
                ("b", self.read_b, self.address_b, self.words_b),
            )
        ):
            place = self._place(m, f"read_{name}", address, 1)
            at = Signal(ADDRESS_BITS, name=f"stored_{name}")
            turn = Signal(lane_bits, name=f"turn_{name}")
            of_unit = Signal(params.mcus, name=f"of_unit_{name}")
            m.d.comb += at.eq(stored(address))
            banked = []
            for lane, memory in enumerate(memories):
                port = memory.read_port()
                row = at[lane_bits:] + in_front(at, lane)
                m.d.comb += [port.en.eq(read & ~place.xbar_out), port.addr.eq(row)]
                banked.append(port.data)
            with m.If(read):
                m.d.sync += [
                    turn.eq(at[:lane_bits]),
                    of_unit.eq(Mux(place.xbar_out, C(1, params.mcus) << place.mcu, 0)),
                ]
            for lane in range(LANES):
                from_lane = Cat(banked[lane:], banked[:lane])
                m.d.comb += words[lane].eq(from_lane.word_select(turn, WORD_BITS))
            for mcu in range(params.mcus):
                request, answer = self.o_xbar_out[mcu][number], self.i_xbar_out[mcu][number]
                with m.If(of_unit[mcu]):
                    m.d.comb += words.eq(answer.payload)
                m.d.comb += [
                    request.valid.eq(read & place.xbar_out & (place.mcu == mcu)),
                    request.p.bank.eq(place.bank),
                    request.p.index.eq(place.index),
                    # words stay until the next request takes their place
                    answer.ready.eq(request.valid),
                ]

        # writing
        place = self._place(m, "write", self.address, 1)
        at = Signal(ADDRESS_BITS, name="stored_write")
        m.d.comb += at.eq(stored(self.address))
        for lane, memory in enumerate(memories):
            port = memory.write_port()
            nth = Signal(lane_bits, name=f"nth{lane}")
            m.d.comb += [
                nth.eq(lane - at[:lane_bits]),
                port.en.eq(self.write & (nth < self.count)),
                port.addr.eq(at[lane_bits:] + in_front(at, lane)),
                port.data.eq(self.words[nth]),
            ]
        for mcu in range(params.mcus):
            target = self.o_xbar_in[mcu]
            m.d.comb += [
                target.valid.eq(self.write & place.xbar_in & (place.mcu == mcu)),
                target.p.bank.eq(place.bank),
                target.p.index.eq(place.index),
                target.p.count.eq(self.count),
                target.p.data.eq(self.words),
            ]
        return m
