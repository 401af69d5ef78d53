"""XbarOut: the result registers of one matrix compute unit."""

from amaranth import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.analog import groups
from hdl.mcu.adc_control import tag_layout
from panther.arch.mcu import INDEX_BITS, OUT_BANK_BITS, OutBank
from panther.arch.params import McuParams


class XbarOut(wiring.Component):
    """Two result vectors, written a line group at a time and read word by word.

    A word appears one cycle after its request and stays until taken; one word a cycle. Requests
    for a locked bank wait; requests past the end read the last group and raise ``dropped``.

    Parameters
    ----------
    params : McuParams
        Lines, ADCs per slice and operand bits.

    Members
    -------
    write : In(1)
        Store the words of one line group.
    write_bank : In(1)
        ``OutBank`` to store into.
    write_tag : In(tag_layout(params))
        Line group.
    write_word : In(ArrayLayout(signed(operand_bits), per_slice))
        Words.
    locked : In(2)
        Banks being written by a running operation, bit ``OutBank``.
    i : In(stream.Signature({"bank": 1, "index": 8}))
        Read requests.
    o : Out(stream.Signature(signed(operand_bits)))
        Words read.
    dropped : Out(1)
        The request taken in this cycle lies past the end of its bank.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, params: McuParams) -> None:
        self.params = params
        self.words = data.ArrayLayout(signed(params.operand_bits), params.adc.per_slice)
        request = data.StructLayout(
            {"bank": unsigned(OUT_BANK_BITS), "index": unsigned(INDEX_BITS)}
        )
        super().__init__(
            {
                "write": In(1),
                "write_bank": In(unsigned(OUT_BANK_BITS)),
                "write_tag": In(tag_layout(params)),
                "write_word": In(self.words),
                "locked": In(unsigned(len(OutBank))),
                "i": In(stream.Signature(request)),
                "o": Out(stream.Signature(signed(params.operand_bits))),
                "dropped": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        params = self.params
        lanes = params.adc.per_slice
        bank_groups = groups(params)
        m.submodules.words = words = Memory(
            shape=unsigned(self.words.size), depth=len(OutBank) * bank_groups, init=[]
        )
        read, write = words.read_port(), words.write_port()
        lane = Signal(range(max(2, lanes)))
        take = Signal()
        request = self.i.p
        lines = Mux(request.bank == OutBank.MVM, params.columns, params.rows)
        offset = Mux(request.bank == OutBank.MVM, 0, bank_groups)
        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq(
                self.write_tag.index + Mux(self.write_bank == OutBank.MVM, 0, bank_groups)
            ),
            write.data.eq(self.write_word),
            self.i.ready.eq(
                (~self.o.valid | self.o.ready) & ~self.locked.bit_select(request.bank, 1)
            ),
            take.eq(self.i.valid & self.i.ready),
            self.dropped.eq(take & (request.index >= lines)),
            read.en.eq(take),
            read.addr.eq(offset + Mux(self.dropped, bank_groups - 1, request.index // lanes)),
            self.o.payload.eq(data.View(self.words, read.data)[lane]),
        ]
        with m.If(take):
            m.d.sync += [self.o.valid.eq(1), lane.eq(request.index % lanes)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m
