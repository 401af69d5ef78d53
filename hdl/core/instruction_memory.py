"""Instruction memory: words of 64 bits with a parity bit each."""

from amaranth import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from panther.arch.core import ADDRESS_BITS, CoreParams
from panther.arch.isa import INSTRUCTION_BITS
from panther.arch.tile import TileParams


class InstructionMemory(wiring.Component):
    """Read one cycle after the address; written a word a cycle by the host.

    The bit kept beside a word makes the number of ones even. A word beyond the end is not stored.

    Parameters
    ----------
    params : CoreParams or TileParams
        Size.

    Members
    -------
    i : In(stream.Signature({"address": 13, "word": 64, "invert": 1}))
        Words to store; ``invert`` stores the wrong parity, to try out what follows.
    enable, address : In(1), In(14)
        Read; the outputs below keep what was last read.
    word : Out(64)
        The word read.
    wrong : Out(1)
        Its parity is wrong.
    past : Out(1)
        The address lies past the end.
    """

    i: stream.Interface

    def __init__(self, params: CoreParams | TileParams) -> None:
        self.params = params
        layout = data.StructLayout(
            {
                "address": unsigned(ADDRESS_BITS),
                "word": unsigned(INSTRUCTION_BITS),
                "invert": unsigned(1),
            }
        )
        super().__init__(
            {
                "i": In(stream.Signature(layout)),
                "enable": In(1),
                "address": In(unsigned(ADDRESS_BITS + 1)),
                "word": Out(unsigned(INSTRUCTION_BITS)),
                "wrong": Out(1),
                "past": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        depth = self.params.instructions
        m.submodules.words = words = Memory(
            shape=unsigned(INSTRUCTION_BITS + 1), depth=depth, init=[]
        )
        read, write = words.read_port(), words.write_port()
        item = self.i.p
        past = Signal()
        m.d.comb += [
            self.i.ready.eq(1),
            write.en.eq(self.i.valid & (item.address < depth)),
            write.addr.eq(item.address),
            write.data[:INSTRUCTION_BITS].eq(item.word),
            write.data[-1].eq(item.word.xor() ^ item.invert),
            past.eq(self.address >= depth),
            read.en.eq(self.enable & ~past),
            read.addr.eq(self.address),
            self.word.eq(read.data[:INSTRUCTION_BITS]),
            self.wrong.eq(read.data.xor()),
        ]
        with m.If(self.enable):
            m.d.sync += self.past.eq(past)
        return m
