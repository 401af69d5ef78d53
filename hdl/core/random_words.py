"""Random words: the generator behind stochastic rounding."""

from collections.abc import Iterable
from functools import reduce
from operator import xor

from amaranth import Module, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from panther.arch.core import LANES, SEED_DEFAULT
from panther.arch.tables import LFSR_BITS, LFSR_TAPS


def _parity(words: Iterable[Value]) -> Value:
    return reduce(xor, words)


class RandomWords(wiring.Component):
    """Shift register whose top bit becomes the parity of its bits 0, 2, 6 and 7.

    A group takes 32 steps for every lane, all in one cycle; the word of a lane is the state it
    leaves behind, the last lane's the state after the group.

    Members
    -------
    draw : In(1)
        The words are used: the generator goes on in the next cycle.
    o_words : Out(ArrayLayout(32, 4))
        A random word for each lane.
    seed_write, seed_value : In(1), In(32)
        Set the state, not to 0; not together with ``draw``.
    seed : Out(32)
        State.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "draw": In(1),
                "o_words": Out(data.ArrayLayout(unsigned(LFSR_BITS), LANES)),
                "seed_write": In(1),
                "seed_value": In(unsigned(LFSR_BITS)),
                "seed": Out(unsigned(LFSR_BITS), init=SEED_DEFAULT),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        state = self.seed
        for lane in range(LANES):
            # the lowest new bits follow from the state alone, the others from those, too
            low = Signal(LFSR_BITS, name=f"low{lane}")
            m.d.comb += [
                low.eq(_parity(state >> tap for tap in LFSR_TAPS)),
                self.o_words[lane].eq(
                    _parity([low, *(low << (LFSR_BITS - tap) for tap in LFSR_TAPS if tap)])
                ),
            ]
            state = self.o_words[lane]
        with m.If(self.seed_write):
            m.d.sync += self.seed.eq(self.seed_value)
        with m.Elif(self.draw):
            m.d.sync += self.seed.eq(state)
        return m
