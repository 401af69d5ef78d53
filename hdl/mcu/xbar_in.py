"""XbarIn: the operand registers of one matrix compute unit, read by bit planes."""

from amaranth import C, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from panther.arch.mcu import IN_BANK_BITS, INDEX_BITS, LANE_BITS, LANE_COUNT_BITS, LANES, InBank
from panther.arch.params import McuParams


def operands_layout(params: McuParams) -> data.StructLayout:
    """Words for XbarIn: ``count`` of them, 1 to ``LANES``, from ``index`` on."""
    return data.StructLayout(
        {
            "bank": unsigned(IN_BANK_BITS),
            "index": unsigned(INDEX_BITS),
            "count": unsigned(LANE_COUNT_BITS),
            "data": data.ArrayLayout(unsigned(params.operand_bits), LANES),
        }
    )


class XbarIn(wiring.Component):
    """Four operand vectors, written ``LANES`` words a cycle and read a whole bit plane at once.

    MVM and MTVM operands are kept in two's complement, OPA operands as sign and magnitude, since
    a polarity phase needs the sign and the pulse train the magnitude. Words may begin anywhere and
    are visible in the next cycle; writes to a locked bank wait, words past the end are dropped.

    Parameters
    ----------
    params : McuParams
        Rows, columns and operand bits.

    Members
    -------
    i : In(stream.Signature(operands_layout(params)))
        Words to write.
    locked : In(4)
        Banks in use by a running operation, bit ``InBank``.
    dropped : Out(1)
        A word taken in this cycle lies past the end of its bank.
    mvm, mtvm : Out(operand_bits * lines)
        Bit ``j`` of line ``n`` at ``j * lines + n``.
    opa_row, opa_column : Out(operand_bits * lines)
        Magnitudes, in the same order.
    opa_row_negative, opa_column_negative : Out(lines)
        Signs.
    """

    i: stream.Interface

    def __init__(self, params: McuParams) -> None:
        self.params = params
        bits = params.operand_bits
        super().__init__(
            {
                "i": In(stream.Signature(operands_layout(params))),
                "locked": In(unsigned(len(InBank))),
                "dropped": Out(1),
                "mvm": Out(unsigned(bits * params.rows)),
                "mtvm": Out(unsigned(bits * params.columns)),
                "opa_row": Out(unsigned(bits * params.rows)),
                "opa_row_negative": Out(unsigned(params.rows)),
                "opa_column": Out(unsigned(bits * params.columns)),
                "opa_column_negative": Out(unsigned(params.columns)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        bits = self.params.operand_bits
        request = self.i.p
        write = Signal()
        # a line takes words of one place modulo LANES only: they are put in that order first
        place = Signal(LANE_BITS)
        words = Signal(data.ArrayLayout(unsigned(bits), LANES))
        magnitudes = Signal(data.ArrayLayout(unsigned(bits), LANES))
        negative = Signal(LANES)
        chosen = Signal(2 * LANES)
        chosen_lines = Signal(max(self.params.rows, self.params.columns))
        group = Cat(C(0, LANE_BITS), request.index[LANE_BITS:])
        m.d.comb += [
            self.i.ready.eq(~self.locked.bit_select(request.bank, 1)),
            write.eq(self.i.valid & self.i.ready),
            place.eq(request.index),
            chosen.eq(Cat(lane < request.count for lane in range(LANES)) << place),
        ]
        # what is wide stands still in cycles without a word, for the sake of simulators
        with m.If(self.i.valid):
            m.d.comb += chosen_lines.eq(chosen << group)
            for n in range(LANES):
                m.d.comb += words[n].eq(request.data[(n - place)[:LANE_BITS]])
        for n in range(LANES):
            m.d.comb += [
                negative[n].eq(words[n][-1]),
                magnitudes[n].eq(Mux(negative[n], -words[n], words[n])),
            ]

        def spread(name: str, flags) -> Signal:  # type: ignore[no-untyped-def]
            """One bit of each word, in the lines that take it."""
            taken = Signal(chosen_lines.shape(), name=name)
            # in two steps, of which a simulator makes few operations on whole machine words
            few, many = Signal(LANES, name=f"{name}_few"), Signal(32, name=f"{name}_many")
            m.d.comb += [
                few.eq(Cat(flags)),
                many.eq(few.replicate(32 // LANES)),
                taken.eq(many.replicate(-(-len(taken) // 32)) & chosen_lines),
            ]
            return taken

        # once for all banks: simulators compute them in every cycle
        word_planes = [spread(f"word{j}", [word[j] for word in words]) for j in range(bits)]
        magnitude_planes = [
            spread(f"magnitude{j}", [word[j] for word in magnitudes]) for j in range(bits)
        ]
        sign_plane = spread("sign", negative)

        for bank, planes, signs, lines in (
            (InBank.MVM, self.mvm, None, self.params.rows),
            (InBank.MTVM, self.mtvm, None, self.params.columns),
            (InBank.OPA_ROWS, self.opa_row, self.opa_row_negative, self.params.rows),
            (InBank.OPA_COLUMNS, self.opa_column, self.opa_column_negative, self.params.columns),
        ):
            with m.If(write & (request.bank == bank)):
                kept = ~chosen_lines[:lines]
                spreads = word_planes if signs is None else magnitude_planes
                m.d.comb += self.dropped.eq(request.index + request.count > lines)
                m.d.sync += planes.eq(
                    planes & kept.replicate(bits) | Cat(plane[:lines] for plane in spreads)
                )
                if signs is not None:
                    m.d.sync += signs.eq(signs & kept | sign_plane[:lines])
        return m
