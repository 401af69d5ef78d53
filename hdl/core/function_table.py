"""Function table: exponential, sigmoid, hyperbolic tangent, logarithm and reciprocal."""

from itertools import pairwise

from amaranth import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from panther.arch.core import LANES, WORD_BITS
from panther.arch.isa import VECTOR_FUNCTION_BITS, Function
from panther.arch.tables import (
    EXP2,
    FUNCTION_FRACTION,
    INDEX_BITS,
    LN_2,
    LOG,
    POINT_FRACTION,
    RANGE_FRACTION,
    RECIP,
    REST_BITS,
    TANH,
)

FRACTION_BITS = 4
EXPONENT_BITS = 24
RESULT_BITS = 27
PLACE_BITS = INDEX_BITS + REST_BITS
LINE_FRACTION = POINT_FRACTION + REST_BITS
NOTHING_LEFT = 20
"""Places an exponential is shifted by at most: nothing of it is left."""
ROW = data.StructLayout({"point": unsigned(POINT_FRACTION + 1), "slope": signed(13)})


def _rows() -> list[dict[str, int]]:
    """Points of all tables and the way to the next one; that of the exponential is not used."""
    rows = [{"point": point, "slope": 0} for point in EXP2]
    for table in (TANH, LOG, RECIP):
        rows += [
            {"point": point, "slope": following - point} for point, following in pairwise(table)
        ]
    return rows


class FunctionTable(wiring.Component):
    """The table functions of :mod:`panther.arch.isa` for four words, before saturation.

    One cycle, fully pipelined.

    Members
    -------
    function, fraction : In(5), In(4)
        Function, and fraction bits of the words; stable until the results are out.
    i_valid, i_words : In(1), In(ArrayLayout(signed(16), 4))
        Arguments.
    exponents : In(ArrayLayout(24, 4))
        EXP takes no words but, in the cycle of the results, ``-log2`` of them with 8 fraction bits.
    o_results : Out(ArrayLayout(signed(27), 4))
        Results, a cycle after the arguments. Where there is none, a number that fits no word:
        -2**16 for a logarithm, 2**16 for a reciprocal.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "function": In(unsigned(VECTOR_FUNCTION_BITS)),
                "fraction": In(unsigned(FRACTION_BITS)),
                "i_valid": In(1),
                "i_words": In(data.ArrayLayout(signed(WORD_BITS), LANES)),
                "exponents": In(data.ArrayLayout(unsigned(EXPONENT_BITS), LANES)),
                "o_results": Out(data.ArrayLayout(signed(RESULT_BITS), LANES)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.rom = rom = Memory(shape=ROW, depth=4 << INDEX_BITS, init=_rows())
        part = Signal(2)  # of the memory
        hyperbolic = Signal()
        with m.Switch(self.function):
            with m.Case(Function.SIGMOID, Function.TANH):
                m.d.comb += [part.eq(1), hyperbolic.eq(1)]
            with m.Case(Function.LOG):
                m.d.comb += part.eq(2)
            with m.Case(Function.RECIP):
                m.d.comb += part.eq(3)
        for lane in range(LANES):
            place = Signal(PLACE_BITS, name=f"place{lane}")
            negative = Signal(name=f"negative{lane}")
            zero = Signal(name=f"zero{lane}")
            exponent = Signal(signed(FRACTION_BITS + 2), name=f"exponent{lane}")

            # the place in the table: the magnitude as a fixed-point number of 16 fraction bits,
            # halved for the sigmoid; or what follows the leading one
            word = self.i_words[lane]
            size = Signal(WORD_BITS, name=f"size{lane}")
            leading = Signal(range(WORD_BITS), name=f"leading{lane}")
            shifted = Signal(2 * WORD_BITS - 1, name=f"shifted{lane}")
            m.d.comb += [
                size.eq(abs(word)),
                # by 15 less the number
                shifted.eq(size << ~Mux(hyperbolic, self.fraction, leading)),
            ]
            for n in range(WORD_BITS):
                with m.If(size[n]):
                    m.d.comb += leading.eq(n)
            with m.If(self.i_valid):
                m.d.sync += [
                    negative.eq(word < 0),
                    zero.eq(word == 0),
                    exponent.eq(leading - self.fraction),
                ]
                with m.If(~hyperbolic):
                    m.d.sync += place.eq(shifted[: WORD_BITS - 1] << (PLACE_BITS - WORD_BITS + 1))
                with m.Elif(self.function == Function.SIGMOID):
                    m.d.sync += place.eq(Mux(shifted[PLACE_BITS:].any(), -1, shifted))
                with m.Else():
                    m.d.sync += place.eq(Mux(shifted[PLACE_BITS - 1 :].any(), -1, shifted << 1))

            row = rom.read_port(domain="comb")
            index = Signal(INDEX_BITS, name=f"index{lane}")
            rest = Signal(REST_BITS, name=f"rest{lane}")
            offset = Signal(signed(LINE_FRACTION + 5), name=f"offset{lane}")
            drop = Signal(6, name=f"drop{lane}")
            total = Signal(signed(LINE_FRACTION + 6), name=f"total{lane}")
            rounded = Signal(signed(RESULT_BITS), name=f"rounded{lane}")
            places = self.exponents[lane][INDEX_BITS:]
            m.d.comb += [
                Cat(rest, index).eq(place),
                row.addr.eq(Cat(index, part)),
                total.eq((row.data.point << REST_BITS) + row.data.slope * rest + offset),
                # at least two bits are dropped; one is kept at first, to round
                rounded.eq(((total >> (drop - 1)[:5]) + 1) >> 1),
            ]
            result = self.o_results[lane]
            with m.Switch(self.function):
                with m.Case(Function.EXP):
                    m.d.comb += [
                        Cat(rest, index).eq(self.exponents[lane][:INDEX_BITS] << REST_BITS),
                        drop.eq(REST_BITS + Mux(places > NOTHING_LEFT, NOTHING_LEFT, places)),
                        result.eq(rounded),
                    ]
                with m.Case(Function.SIGMOID):
                    m.d.comb += [
                        offset.eq(1 << LINE_FRACTION),
                        drop.eq(LINE_FRACTION + 1 - FUNCTION_FRACTION),
                        result.eq(Mux(negative, (1 << FUNCTION_FRACTION) - rounded, rounded)),
                    ]
                with m.Case(Function.TANH):
                    m.d.comb += [
                        drop.eq(LINE_FRACTION - FUNCTION_FRACTION),
                        result.eq(Mux(negative, -rounded, rounded)),
                    ]
                with m.Case(Function.LOG):
                    m.d.comb += [
                        offset.eq((exponent * LN_2) << REST_BITS),
                        drop.eq(LINE_FRACTION - RANGE_FRACTION),
                        result.eq(Mux(negative | zero, -(1 << WORD_BITS), rounded)),
                    ]
                with m.Case(Function.RECIP):
                    m.d.comb += [
                        drop.eq(LINE_FRACTION - RANGE_FRACTION + exponent),
                        result.eq(Mux(zero, 1 << WORD_BITS, Mux(negative, -rounded, rounded))),
                    ]
        return m
