"""Vfu against golden.vfu: whole instructions, group by group, with every cycle of their timing."""

import random
from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from amaranth import signed
from amaranth.lib import data
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.compare import compare
from cocotb_tests.drivers import Pauses, corner, pack, start, unpack
from cocotb_tests.pins import compare_pins
from golden import vfu as golden
from panther.arch.isa import Function

LANES = 4
WORDS = data.ArrayLayout(signed(16), LANES)
PORTS = (
    "function_", "shift", "use_vector", "scalar", "rounding", "i_valid", "i_count", "i_last",
    "i_a", "i_b", "seed_write", "seed_value",
)  # fmt: skip
REDUCTIONS = (Function.MAX, Function.SUM)
DIVISION_CYCLES = 18


@dataclass
class Instruction:
    """A vector instruction."""

    function: Function
    a: list[int]
    b: list[int] | int
    shift: int


def draw(rng: random.Random, function: Function, length: int) -> Instruction:
    """An instruction of which many words lie on a corner, or meet each other."""
    a = [corner(rng, -32768, 32767) for _ in range(length)]
    b: list[int] | int = [rng.choice((word, corner(rng, -32768, 32767))) for word in a]
    if function is Function.SATG:
        b = [rng.choice((32767, -32768, word)) for word in b]
    if function is Function.DIV:
        size = rng.choice((1, 2, 3, 163840, 0x7FFFFFFF, 1 << 31, rng.randrange(1, 1 << 31)))
        b = -size if size >> 31 or rng.random() < 0.3 else size
    elif rng.random() < 0.4:
        # the bits above a word do not count
        b = corner(rng, -32768, 32767) + (rng.randrange(-100, 100) << 16)
    most = {Function.MUL: 31}.get(function, 15)
    return Instruction(function, a, b, rng.choice((0, 1, most, rng.randint(0, most))))


class Bench:
    """Runs instructions on the unit, one behind the other as a core does.

    Parameters
    ----------
    dut
        The unit.
    pauses
        Cycles between instructions and, which no core does, between groups.
    """

    def __init__(self, dut: Any, pauses: Pauses) -> None:
        self.dut, self.pauses = dut, pauses
        self.rng = random.Random(cocotb.RANDOM_SEED)
        self.state, self.rounding = 1, 0

    async def write(self, *, rounding: int, seed: int) -> None:
        """Set the mode and the generator."""
        self.state, self.rounding = seed, rounding
        self.dut.rounding.value = rounding
        self.dut.seed_write.value, self.dut.seed_value.value = 1, seed
        await FallingEdge(self.dut.clk)
        self.dut.seed_write.value = 0

    async def run(self, now: Instruction) -> None:
        """One instruction; compares words, count, saturation, scalar, seed and both handshakes."""
        dut, length = self.dut, len(now.a)
        vector = isinstance(now.b, list)
        dut.function_.value, dut.shift.value = int(now.function), now.shift
        dut.use_vector.value = vector
        dut.scalar.value = 0 if vector else now.b & 0xFFFFFFFF
        latency = DIVISION_CYCLES if now.function is Function.DIV else 1
        firsts = list(range(0, length, LANES))
        due: dict[int, int] = {}  # group by the cycle in which it comes out
        seeds: dict[int, int] = {}
        cycle, arrives, group, busy_until = 0, 0, 0, -1
        while group < len(firsts) or due:
            valid = group < len(firsts) and cycle == arrives
            self._drive(now, firsts[group] if valid else None)
            if valid:
                due[cycle + latency] = firsts[group]
                seeds[cycle + latency] = self._seed_after(now, firsts[group])
                busy_until = cycle + latency - 2  # the unit is ready in the cycle before the result
            await RisingEdge(dut.clk)
            where = f"{now.function.name} of {length} words, cycle {cycle}"
            ready = cycle > busy_until
            compare_pins("Vfu", where, dut, ready=ready)
            self._check(now, where, due.pop(cycle, None), seeds.pop(cycle, None))
            group += valid
            if ready and not self.pauses:
                arrives = cycle + 1
            cycle += 1
            await FallingEdge(dut.clk)
        dut.i_valid.value = 0
        while self.pauses:
            await RisingEdge(dut.clk)
            compare_pins("Vfu", "between instructions", dut, o_valid=0, saturated=0, ready=1)
            await FallingEdge(dut.clk)

    def _drive(self, now: Instruction, first: int | None) -> None:
        """Offer the group from element ``first`` on, or none; lanes out of use hold anything."""
        dut = self.dut
        dut.i_valid.value = first is not None
        first = 0 if first is None else first
        words = [self.rng.randint(-32768, 32767) for _ in range(2 * LANES)]
        part = now.a[first : first + LANES]
        a = (part + words)[:LANES]
        b = (now.b[first : first + LANES] + words)[:LANES] if isinstance(now.b, list) else words[4:]
        dut.i_a.value, dut.i_b.value = pack(WORDS, a), pack(WORDS, b)
        dut.i_count.value, dut.i_last.value = len(part), first + LANES >= len(now.a)

    def _seed_after(self, now: Instruction, first: int) -> int:
        """The generator's state once the group has been taken."""
        if not (self.rounding and now.function in golden.ROUNDED):
            return self.state
        return golden.random_words(self.state, min(first + LANES, len(now.a)))[1]

    def _check(self, now: Instruction, where: str, first: int | None, seed: int | None) -> None:
        """Compare the outputs of a cycle in which the group from ``first`` on is due, or none."""
        dut = self.dut
        compare_pins("Vfu", where, dut, o_valid=first is not None)
        if first is None:
            compare_pins("Vfu", where, dut, saturated=0)
            return
        used = slice(first, first + LANES)
        count, last = len(now.a[used]), first + LANES >= len(now.a)
        compare_pins("Vfu", where, dut, o_count=count, o_last=last, seed=seed)
        if now.function is not Function.SUM:
            words, saturated = self._golden(now, used)
            rtl = unpack(WORDS, dut.o_words)
            b = now.b[used] if isinstance(now.b, list) else now.b
            what = f"{where}, {now.a[used]}, {b}, shift {now.shift}"
            compare("Vfu", what, words, [rtl[lane] for lane in range(count)], ("lane",))
            compare_pins("Vfu", what, dut, saturated=saturated)
        if now.function in REDUCTIONS and last:
            result = golden.reduce(now.function, now.a) & 0xFFFFFFFF
            compare_pins("Vfu", f"{where}, {now.a}", dut, o_scalar=result)
        if last:
            self.state = seed

    def _golden(self, now: Instruction, used: slice) -> tuple[Any, int]:
        """Words and saturated words of a part of the instruction."""
        numbers = None
        if self.rounding and now.function in golden.ROUNDED:
            numbers = golden.random_words(self.state, len(now.a))[0][used]
        b = np.array(now.b[used]) if isinstance(now.b, list) else now.b
        return golden.compute(now.function, now.a[used], b, shift=now.shift, random=numbers)


async def bench(dut: Any, pause: float = 0.0) -> Bench:
    """The unit after reset."""
    await start(dut, *PORTS)
    return Bench(dut, Pauses(random.Random(cocotb.RANDOM_SEED), pause))


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.4])
async def instructions_match_golden(dut, pause):
    unit = await bench(dut, pause)
    rng = unit.rng
    functions = list(Function) * 6
    rng.shuffle(functions)
    for function in functions:
        await unit.run(draw(rng, function, rng.randint(1, 9 if function is Function.DIV else 21)))


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.4])
async def stochastic_rounding_matches_golden(dut, pause):
    unit = await bench(dut, pause)
    rng = unit.rng
    for turn in range(24):
        if turn % 4 == 0:
            await unit.write(rounding=turn % 8 < 4, seed=rng.randrange(1, 1 << 32))
        # other functions in between must leave the generator alone
        for function in (Function.MUL, rng.choice(list(Function)), Function.SHR):
            await unit.run(draw(rng, function, rng.randint(1, 9)))


@cocotb.test()
@cocotb.parametrize(function=["EXP", "SIGMOID", "TANH", "LOG", "RECIP"])
async def tables_match_golden(dut, function):
    unit = await bench(dut)
    for fraction in range(16):
        # both signs of words of every length
        words = [
            sign * max(0, min(32767, (1 << n) + unit.rng.randrange(1 << n)))
            for n in range(15)
            for sign in (1, -1)
        ]
        words += [0, 1, -1, 32767, -32768]
        await unit.run(Instruction(Function[function], words, 0, fraction))


@cocotb.test()
async def reset_drops_what_is_on_its_way(dut):
    unit = await bench(dut)
    for function in (Function.MAX, Function.DIV):
        await unit.write(rounding=0, seed=77)
        dut.function_.value, dut.scalar.value = int(function), 1
        dut.i_a.value, dut.i_count.value, dut.i_last.value = pack(WORDS, [9] * LANES), LANES, 0
        dut.i_valid.value = 1
        await FallingEdge(dut.clk)
        await FallingEdge(dut.clk)
        dut.i_valid.value, dut.rst.value = 0, 1
        await FallingEdge(dut.clk)
        dut.rst.value = 0
        for _ in range(DIVISION_CYCLES + 1):
            await RisingEdge(dut.clk)
            compare_pins("Vfu", "after the reset", dut, o_valid=0, ready=1, seed=1)
            await FallingEdge(dut.clk)
        unit.state = 1
        # the groups before the reset are forgotten
        await unit.run(Instruction(Function.MAX, [-5, -6, -7, -8, -9], 0, 0))
