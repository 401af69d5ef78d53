"""Scalar unit: registers of 32 bits for addresses and counters, their arithmetic, branches."""

from amaranth import Module, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from panther.arch.core import SCALARS
from panther.arch.isa import Condition, ScalarFunction

SCALAR_BITS = 32


class ScalarUnit(wiring.Component):
    """32 registers, number 0 always zero; two are read, one is written per cycle.

    Operands appear one cycle after ``read`` and stay; result and condition are combinational.

    Members
    -------
    read, index_a, index_b : In(1), In(5), In(5)
        Registers to read.
    a, b : Out(signed 32)
        Their values.
    function : In(4)
        ``ScalarFunction``; of ``a`` and ``operand``.
    operand : In(signed 32)
        Second operand: ``b`` or an immediate.
    result : Out(signed 32)
        Wrapping.
    condition : In(2)
        ``Condition``; of ``a`` and ``b``, signed.
    holds : Out(1)
        Whether it does.
    write, index, value : In(1), In(5), In(signed 32)
        Register to write; visible to a read in the next cycle.
    """

    def __init__(self) -> None:
        index = unsigned((SCALARS - 1).bit_length())
        value = signed(SCALAR_BITS)
        super().__init__(
            {
                "read": In(1),
                "index_a": In(index),
                "index_b": In(index),
                "a": Out(value),
                "b": Out(value),
                "function": In(unsigned((len(ScalarFunction) - 1).bit_length())),
                "operand": In(value),
                "result": Out(value),
                "condition": In(unsigned((len(Condition) - 1).bit_length())),
                "holds": Out(1),
                "write": In(1),
                "index": In(index),
                "value": In(value),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.registers = registers = Memory(
            shape=unsigned(SCALAR_BITS), depth=SCALARS, init=[]
        )
        write = registers.write_port()
        m.d.comb += [
            write.en.eq(self.write & (self.index != 0)),
            write.addr.eq(self.index),
            write.data.eq(self.value),
        ]
        for index, value in ((self.index_a, self.a), (self.index_b, self.b)):
            port = registers.read_port(domain="comb")
            m.d.comb += port.addr.eq(index)
            with m.If(self.read):
                m.d.sync += value.eq(port.data)

        a, b = self.a, self.operand
        places = b[:5]
        functions = {
            ScalarFunction.ADD: a + b,
            ScalarFunction.SUB: a - b,
            ScalarFunction.MUL: a * b,
            ScalarFunction.AND: a & b,
            ScalarFunction.OR: a | b,
            ScalarFunction.XOR: a ^ b,
            ScalarFunction.SHL: (a << places)[:SCALAR_BITS],
            ScalarFunction.SHR: a.as_unsigned() >> places,
            ScalarFunction.SRA: a >> places,
            ScalarFunction.SLT: a < b,
        }
        with m.Switch(self.function):
            for function in ScalarFunction:
                with m.Case(function):
                    m.d.comb += self.result.eq(functions[function])
        equal, less = Signal(), Signal()
        m.d.comb += [equal.eq(self.a == self.b), less.eq(self.a < self.b)]
        with m.Switch(self.condition):
            with m.Case(Condition.EQ):
                m.d.comb += self.holds.eq(equal)
            with m.Case(Condition.NE):
                m.d.comb += self.holds.eq(~equal)
            with m.Case(Condition.LT):
                m.d.comb += self.holds.eq(less)
            with m.Case(Condition.GE):
                m.d.comb += self.holds.eq(~less)
        return m
