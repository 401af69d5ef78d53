"""Divider: four words by one number, sixteen quotient bits one a cycle."""

from amaranth import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from panther.arch.core import LANES, WORD_BITS

DIVISOR_BITS = 32
SHIFT_BITS = 4
QUOTIENT_BITS = WORD_BITS
STEPS = QUOTIENT_BITS + 1


class Divider(wiring.Component):
    """``(a << shift) / divisor`` for four words, to nearest, ties away from zero.

    The magnitude is ``((|a| << shift) + (|divisor| >> 1)) div |divisor|``. Quotients come 18 cycles
    after their words, and words may follow each other at that distance.

    Members
    -------
    shift, divisor : In(4), In(signed(32))
        Stable while words are on their way; the divisor is not 0.
    i_valid, i_words : In(1), In(ArrayLayout(signed(16), 4))
        Dividends.
    ready : Out(1)
        Words may come in the next cycle.
    o_valid, o_quotients : Out(1), Out(ArrayLayout(signed(18), 4))
        Quotients, those of 2**16 and more in magnitude as 2**16.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "shift": In(unsigned(SHIFT_BITS)),
                "divisor": In(signed(DIVISOR_BITS)),
                "i_valid": In(1),
                "i_words": In(data.ArrayLayout(signed(WORD_BITS), LANES)),
                "ready": Out(1),
                "o_valid": Out(1),
                "o_quotients": Out(data.ArrayLayout(signed(QUOTIENT_BITS + 2), LANES)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        size = Signal(DIVISOR_BITS)  # of the divisor
        # 17 in the cycle that adds half the divisor, then one less in each that finds a bit
        left = Signal(range(STEPS + 1))
        m.d.comb += self.ready.eq(~self.i_valid & (left <= 1))
        m.d.sync += self.o_valid.eq(left == 1)
        with m.If(self.i_valid):
            m.d.sync += [size.eq(abs(self.divisor)), left.eq(STEPS)]
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)

        for lane in range(LANES):
            negative = Signal(name=f"negative{lane}")
            overflow = Signal(name=f"overflow{lane}")
            # dividend bits leave at the top for the remainder, quotient bits enter at the bottom
            bits = Signal(QUOTIENT_BITS, name=f"bits{lane}")
            remainder = Signal(DIVISOR_BITS, name=f"remainder{lane}")
            further = Signal(DIVISOR_BITS + 1, name=f"further{lane}")
            fits = Signal(name=f"fits{lane}")
            m.d.comb += [further.eq(Cat(bits[-1], remainder)), fits.eq(further >= size)]
            word = self.i_words[lane]
            with m.If(self.i_valid):
                m.d.sync += [
                    negative.eq((word < 0) ^ (self.divisor < 0)),
                    Cat(bits, remainder).eq(abs(word) << self.shift),
                ]
            with m.Elif(left == STEPS):
                m.d.sync += Cat(bits, remainder).eq(Cat(bits, remainder) + (size >> 1))
            with m.Elif(left != 0):
                m.d.sync += [
                    bits.eq(Cat(fits, bits)),
                    remainder.eq(Mux(fits, further - size, further)),
                ]
                with m.If(left == QUOTIENT_BITS):
                    m.d.sync += overflow.eq(remainder >= size)
            magnitude = Mux(overflow, 1 << QUOTIENT_BITS, bits)
            m.d.comb += self.o_quotients[lane].eq(Mux(negative, -magnitude, magnitude))
        return m
