"""XbarIn: the operand registers of one matrix compute unit, read by bit planes."""

from amaranth import C, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from panther.arch.mcu import IN_BANK_BITS, INDEX_BITS, InBank
from panther.arch.params import McuParams


class XbarIn(wiring.Component):
    """Four operand vectors, written word by word and read a whole bit plane at once.

    MVM and MTVM operands are kept in two's complement, OPA operands as sign and magnitude, since
    a polarity phase needs the sign and the pulse train the magnitude. One word is written per
    cycle and visible in the next; writes to a locked bank wait, writes past the end are dropped.

    Parameters
    ----------
    params : McuParams
        Rows, columns and operand bits.

    Members
    -------
    i : In(stream.Signature({"bank": 2, "index": 8, "data": operand_bits}))
        Words to write.
    locked : In(4)
        Banks in use by a running operation, bit ``InBank``.
    dropped : Out(1)
        The word taken in this cycle lies past the end of its bank.
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
        word = data.StructLayout(
            {"bank": unsigned(IN_BANK_BITS), "index": unsigned(INDEX_BITS), "data": unsigned(bits)}
        )
        super().__init__(
            {
                "i": In(stream.Signature(word)),
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
        word = self.i.payload
        write = Signal()
        negative = Signal()
        magnitude = Signal(bits)
        m.d.comb += [
            self.i.ready.eq(~self.locked.bit_select(word.bank, 1)),
            write.eq(self.i.valid & self.i.ready),
            negative.eq(word.data[-1]),
            magnitude.eq(Mux(negative, -word.data, word.data)),
        ]
        for bank, planes, signs, lines in (
            (InBank.MVM, self.mvm, None, self.params.rows),
            (InBank.MTVM, self.mtvm, None, self.params.columns),
            (InBank.OPA_ROWS, self.opa_row, self.opa_row_negative, self.params.rows),
            (InBank.OPA_COLUMNS, self.opa_column, self.opa_column_negative, self.params.columns),
        ):
            with m.If(write & (word.bank == bank)):
                line = (C(1, 1) << word.index)[:lines]
                value = word.data if signs is None else magnitude
                m.d.comb += self.dropped.eq(word.index >= lines)
                m.d.sync += planes.eq(
                    planes & ~Cat(line for _ in range(bits))
                    | Cat(Mux(value[j], line, 0)[:lines] for j in range(bits))
                )
                if signs is not None:
                    m.d.sync += signs.eq(signs & ~line | Mux(negative, line, 0))
        return m
