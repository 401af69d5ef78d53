"""Vector functional unit: four lanes of signed words of 16 bits."""

from amaranth import C, Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.core.divider import Divider
from hdl.core.function_table import FunctionTable
from hdl.core.random_words import RandomWords
from panther.arch.core import LANES, WORD_BITS
from panther.arch.isa import TABLE_FUNCTIONS, VECTOR_FUNCTION_BITS, Function
from panther.arch.tables import EXP_DROP, LFSR_BITS, LOG2_E

SHIFT_BITS = 5
COUNT_BITS = LANES.bit_length()
NUMBER_BITS = 32
HIGH = (1 << (WORD_BITS - 1)) - 1


class Vfu(wiring.Component):
    """Carries out every :class:`panther.arch.isa.Function`, a group of up to four words a cycle.

    Words come back one cycle after their operands; DIV takes 18 cycles and a group every 18.
    ``function``, ``shift``, ``use_vector``, ``scalar`` and ``rounding`` stay as they are from the
    first group of an instruction until its last one is out.

    Members
    -------
    function, shift : In(5), In(5)
        What to do, and bits to shift by, or fraction bits of the argument.
    use_vector, scalar : In(1), In(signed(32))
        Whether the second operand is ``i_b`` or ``scalar``, of which all but DIV, where it is not
        0, take the low 16 bits, signed.
    rounding : In(1)
        MUL and SHR round stochastically.
    i_valid, i_count, i_last : In(1), In(3), In(1)
        A group of so many words, from lane 0 on; the last of its instruction.
    i_a, i_b : In(ArrayLayout(signed(16), 4))
        Its operands.
    ready : Out(1)
        A group may come in the next cycle.
    o_valid, o_count, o_last : Out(1), Out(3), Out(1)
        The group is done.
    o_words : Out(ArrayLayout(signed(16), 4))
        Its words; those beyond ``o_count`` mean nothing.
    o_scalar : Out(signed(32))
        With the last group: greatest word (MAX), sum of the words (SUM) of the instruction.
    saturated : Out(3)
        Words of the group that were saturated.
    seed_write, seed_value, seed : In(1), In(32), Out(32)
        Set and read the generator behind the rounding (:class:`RandomWords`), between instructions.
        A group of a MUL or SHR that rounds stochastically advances it, no other.
    """

    def __init__(self) -> None:
        words = data.ArrayLayout(signed(WORD_BITS), LANES)
        super().__init__(
            {
                "function": In(unsigned(VECTOR_FUNCTION_BITS)),
                "shift": In(unsigned(SHIFT_BITS)),
                "use_vector": In(1),
                "scalar": In(signed(NUMBER_BITS)),
                "rounding": In(1),
                "i_valid": In(1),
                "i_count": In(unsigned(COUNT_BITS)),
                "i_last": In(1),
                "i_a": In(words),
                "i_b": In(words),
                "ready": Out(1),
                "o_valid": Out(1),
                "o_count": Out(unsigned(COUNT_BITS)),
                "o_last": Out(1),
                "o_words": Out(words),
                "o_scalar": Out(signed(NUMBER_BITS)),
                "saturated": Out(unsigned(COUNT_BITS)),
                "seed_write": In(1),
                "seed_value": In(unsigned(LFSR_BITS)),
                "seed": Out(unsigned(LFSR_BITS)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.random = random = RandomWords()
        m.submodules.divider = divider = Divider()
        m.submodules.tables = tables = FunctionTable()

        divides, tabulated = Signal(), Signal()
        stochastic = Signal()
        drop = Signal(SHIFT_BITS)
        m.d.comb += divides.eq(self.function == Function.DIV)
        with m.Switch(self.function):
            with m.Case(Function.MUL, Function.SHR):
                m.d.comb += [stochastic.eq(self.rounding), drop.eq(self.shift)]
            with m.Case(Function.EXP):
                m.d.comb += [tabulated.eq(1), drop.eq(self.shift + EXP_DROP)]
            with m.Case(*TABLE_FUNCTIONS[1:]):
                m.d.comb += tabulated.eq(1)

        valid = Signal()
        m.d.sync += valid.eq(self.i_valid & ~divides)
        with m.If(self.i_valid):
            m.d.sync += [self.o_count.eq(self.i_count), self.o_last.eq(self.i_last)]
        m.d.comb += [
            random.draw.eq(self.i_valid & stochastic),
            random.seed_write.eq(self.seed_write),
            random.seed_value.eq(self.seed_value),
            self.seed.eq(random.seed),
            divider.i_valid.eq(self.i_valid & divides),
            divider.i_words.eq(self.i_a),
            divider.shift.eq(self.shift),
            divider.divisor.eq(self.scalar),
            tables.function.eq(self.function),
            tables.fraction.eq(self.shift),
            tables.i_valid.eq(self.i_valid & tabulated),
            tables.i_words.eq(self.i_a),
            self.ready.eq(divider.ready),
            self.o_valid.eq(valid | divider.o_valid),
        ]

        too_large = Signal(LANES)
        for lane in range(LANES):
            value = Signal(signed(NUMBER_BITS), name=f"value{lane}")
            fine = Signal(LFSR_BITS, name=f"fine{lane}")
            with m.If(self.i_valid):
                self._combine(m, lane, value)
                # added below the binary point: half, or anything below one
                m.d.sync += fine.eq(
                    Mux(stochastic, random.o_words[lane], C(1 << (LFSR_BITS - 1), LFSR_BITS))
                )
            rounded = Signal(signed(NUMBER_BITS + 1), name=f"rounded{lane}")
            exact = Signal(signed(NUMBER_BITS + 1), name=f"exact{lane}")
            scaled = Cat(C(0, LFSR_BITS), value).as_signed() >> drop
            m.d.comb += [
                rounded.eq((scaled + fine) >> LFSR_BITS),
                tables.exponents[lane].eq(rounded),
                exact.eq(rounded),
            ]
            with m.If(tabulated):
                m.d.comb += exact.eq(tables.o_results[lane])
            with m.Elif(divides):
                m.d.comb += exact.eq(divider.o_quotients[lane])
            above, below = exact > HIGH, exact < -HIGH - 1
            m.d.comb += [
                self.o_words[lane].eq(Mux(above, HIGH, Mux(below, -HIGH - 1, exact))),
                too_large[lane].eq(self.o_valid & (lane < self.o_count) & (above | below)),
            ]
        m.d.comb += self.saturated.eq(sum(too_large))
        self._reduce(m, valid)
        return m

    def _combine(self, m: Module, lane: int, value: Signal) -> None:
        """What happens to the operands of a lane before the shift to the right."""
        a = self.i_a[lane]
        b = Signal(signed(WORD_BITS), name=f"b{lane}")
        multiplier = Signal(signed(WORD_BITS + 1), name=f"multiplier{lane}")
        multiplicand = Signal(signed(WORD_BITS), name=f"multiplicand{lane}")
        exponential = self.function == Function.EXP
        m.d.comb += [
            b.eq(Mux(self.use_vector, self.i_b[lane], self.scalar[:WORD_BITS].as_signed())),
            multiplier.eq(Mux(exponential, LOG2_E, b)),
            multiplicand.eq(Mux(exponential & (a < 0), 0, a)),
        ]
        outward = ((b == HIGH) & (a < 0)) | ((b == -HIGH - 1) & (a > 0))
        results = {
            Function.ADD: a + b,
            Function.SUB: a - b,
            Function.RSUB: b - a,
            Function.AND: a & b,
            Function.OR: a | b,
            Function.ANDN: a & ~b,
            Function.CGT: Mux(a > b, -1, 0),
            Function.CEQ: Mux(a == b, -1, 0),
            Function.MAX: Mux(a > b, a, b),
            Function.MIN: Mux(a < b, a, b),
            Function.SATG: Mux(outward, 0, a),
            Function.SHL: a << self.shift[:4],
        }
        with m.Switch(self.function):
            for function, result in results.items():
                with m.Case(function):
                    m.d.sync += value.eq(result)
            with m.Case(Function.MUL, Function.EXP):
                m.d.sync += value.eq(multiplicand * multiplier)
            with m.Default():
                m.d.sync += value.eq(a)

    def _reduce(self, m: Module, valid: Signal) -> None:
        """Greatest word or sum: of a group in the first cycle, of all so far in the second."""
        adds = self.function == Function.SUM
        words = []
        for lane in range(LANES):
            word = Signal(signed(WORD_BITS), name=f"term{lane}")
            m.d.comb += word.eq(Mux(lane < self.i_count, self.i_a[lane], Mux(adds, 0, -HIGH - 1)))
            words.append(word)
        greatest = words[0]
        for word in words[1:]:
            greatest = Mux(word > greatest, word, greatest)
        group = Signal(signed(WORD_BITS + 2))
        with m.If(self.i_valid):
            m.d.sync += group.eq(Mux(adds, sum(words), greatest))

        total = Signal(signed(NUMBER_BITS))
        first = Signal(init=1)
        larger = Mux(group > total, group, total)
        m.d.comb += self.o_scalar.eq(Mux(first, group, Mux(adds, total + group, larger)))
        with m.If(valid):
            m.d.sync += [total.eq(self.o_scalar), first.eq(self.o_last)]
