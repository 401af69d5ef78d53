"""ScalarUnit against a list of integers: registers, functions and conditions."""

import random

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.drivers import Pauses, corner, start
from cocotb_tests.pins import compare_pins
from panther.arch.core import SCALARS
from panther.arch.isa import Condition, ScalarFunction

CYCLES = 2500
BITS = 32
MASK = (1 << BITS) - 1
LEAST, MOST = -(1 << (BITS - 1)), (1 << (BITS - 1)) - 1
INPUTS = (
    "read", "index_a", "index_b", "function_", "operand", "condition", "write", "index", "value",
)  # fmt: skip

# of two integers; the result is cut to 32 bits
FUNCTIONS = {
    ScalarFunction.ADD: lambda a, b: a + b,
    ScalarFunction.SUB: lambda a, b: a - b,
    ScalarFunction.MUL: lambda a, b: a * b,
    ScalarFunction.AND: lambda a, b: a & b,
    ScalarFunction.OR: lambda a, b: a | b,
    ScalarFunction.XOR: lambda a, b: a ^ b,
    ScalarFunction.SHL: lambda a, b: a * 2 ** (b % 32),
    ScalarFunction.SHR: lambda a, b: (a % 2**32) // 2 ** (b % 32),
    ScalarFunction.SRA: lambda a, b: a // 2 ** (b % 32),
    ScalarFunction.SLT: lambda a, b: a < b,
}
CONDITIONS = {
    Condition.EQ: lambda a, b: a == b,
    Condition.NE: lambda a, b: a != b,
    Condition.LT: lambda a, b: a < b,
    Condition.GE: lambda a, b: a >= b,
}


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.5])
async def registers_and_functions(dut, pause):
    rng = random.Random(cocotb.RANDOM_SEED)
    pauses = Pauses(rng, pause)
    stored = [0] * SCALARS
    # registers never written hold anything
    unknown = set(range(1, SCALARS))
    a = b = None
    recent = 0
    await start(dut, *INPUTS)

    def some_index() -> int:
        return rng.choice((0, recent, recent, rng.randrange(SCALARS), rng.randrange(4)))

    def some_value() -> int:
        near = rng.choice(stored) + rng.choice((-1, 0, 0, 1))
        value = rng.choice((corner(rng, LEAST, MOST), rng.randint(-40, 40), near))
        return min(max(value, LEAST), MOST)

    for cycle in range(CYCLES):
        write, reading = not pauses, not pauses
        if unknown and rng.random() < 0.5:
            index = min(unknown)
        else:
            index = some_index()
        value, operand = some_value(), some_value()
        if b is not None and rng.random() < 0.5:
            operand = b
        function = rng.choice(list(ScalarFunction))
        condition = rng.choice(list(Condition))
        indices = some_index(), some_index()
        dut.write.value, dut.index.value, dut.value.value = write, index, value & MASK
        dut.read.value, dut.index_a.value, dut.index_b.value = reading, *indices
        dut.function_.value, dut.operand.value = int(function), operand & MASK
        dut.condition.value = int(condition)
        await RisingEdge(dut.clk)
        where = f"cycle {cycle}, {function.name} of {a}, {operand}, {condition.name} of {a}, {b}"
        golden = {"a": a, "b": b}
        if a is not None:
            golden["result"] = FUNCTIONS[function](a, operand)
            if b is not None:
                golden["holds"] = CONDITIONS[condition](a, b)
        golden = {name: item & MASK for name, item in golden.items() if item is not None}
        compare_pins("ScalarUnit", where, dut, **golden)
        # a read sees what was written in the cycles before
        if reading:
            a, b = (None if item in unknown else stored[item] for item in indices)
        if write:
            recent = index
            stored[index] = value if index else 0
            unknown.discard(index)
        await FallingEdge(dut.clk)
    assert not unknown, f"every register must be written, not all but {unknown}"
