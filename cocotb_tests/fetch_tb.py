"""Fetch against programs of loops unrolled, and on random walks against a list of open loops."""

import random
from collections.abc import Iterator

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.compare import compare
from cocotb_tests.drivers import Pauses, corner, start
from cocotb_tests.pins import compare_pins
from panther.arch.core import ADDRESS_BITS, LOOP_DEPTH

PROGRAMS, STEPS = 60, 400
CYCLES, PATIENCE = 5000, 60000
LAST = (1 << ADDRESS_BITS) - 1
INPUTS = ("start", "start_pc", "advance", "jump", "target", "loop", "count")
LEAST, MOST = -(1 << 31), (1 << 31) - 1

# an instruction is what it drives; a body holds instructions and loops
Step = dict[str, int]
Body = list["tuple[int, Body] | None"]

WANTED = {
    *(("opened", depth) for depth in range(1, LOOP_DEPTH + 1)),
    *(("again behind dropped", dropped) for dropped in range(LOOP_DEPTH)),
    *(("over", dropped) for dropped in range(1, LOOP_DEPTH + 1)),
    *(("skipped to an end", dropped) for dropped in range(1, LOOP_DEPTH)),
    *(
        ("jump", depth, dropped)
        for depth in range(LOOP_DEPTH + 1)
        for dropped in range(depth + 1)
    ),
    "jump to the innermost end", "jump to the innermost start", "fifth", "fifth skipped",
    ("count", 0), ("count", LEAST), ("count", MOST),
}  # fmt: skip


def random_body(rng: random.Random, depth: int) -> Body:
    """Instructions and loops, the innermost of which are four deep; what is skipped may be more."""
    body: Body = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        if depth <= LOOP_DEPTH and rng.random() < 0.6:
            run = depth < LOOP_DEPTH and rng.random() < 0.8
            count = rng.choice((1, 2, 3)) if run else rng.choice((0, -1, LEAST))
            body.append((count, random_body(rng, depth + 1)))
        else:
            body.append(None)
    return body


def words(body: Body) -> int:
    return sum(1 if item is None else 1 + words(item[1]) for item in body)


def unrolled(body: Body, at: int) -> Iterator[tuple[int, Step]]:
    """Address and inputs of every instruction carried out."""
    for item in body:
        if item is None:
            yield at, {"target": LAST}
            at += 1
        else:
            count, inner = item
            end = at + 1 + words(inner)
            yield at, {"loop": 1, "target": end, "count": count}
            for _ in range(count):
                yield from unrolled(inner, at + 1)
            at = end


def drive(dut, **values: int) -> None:
    """Set every input; those not named are 0."""
    for name in INPUTS:
        getattr(dut, name).value = values.get(name, 0) & 0xFFFFFFFF


def noise(rng: random.Random) -> Step:
    """Inputs that must do nothing without ``advance``."""
    kind = rng.choice(("jump", "loop", "target"))
    return {kind: 1, "target": rng.randint(0, LAST), "count": corner(rng, LEAST, MOST)}


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.4])
async def loops_are_unrolled(dut, pause):
    rng = random.Random(cocotb.RANDOM_SEED)
    pauses = Pauses(rng, pause)
    await start(dut, *INPUTS)
    done = 0
    while done < PROGRAMS:
        body = random_body(rng, 0)
        size = words(body)
        base = rng.choice((0, LAST - size, rng.randint(0, LAST - size)))
        trace = list(unrolled(body, base))
        if len(trace) > STEPS:
            continue
        drive(dut, **noise(rng) | {"start": 1, "start_pc": base})
        await RisingEdge(dut.clk)
        compare("Fetch", f"program {done}, start", base, dut.address.value.to_unsigned())
        await FallingEdge(dut.clk)
        followers = [pc for pc, _ in trace[1:]] + [base + size]
        for number, ((pc, step), follower) in enumerate(zip(trace, followers, strict=True)):
            where = f"program {done}, step {number}"
            while pauses:
                drive(dut, **noise(rng))
                await RisingEdge(dut.clk)
                compare_pins("Fetch", where, dut, pc=pc)
                await FallingEdge(dut.clk)
            drive(dut, advance=1, **step)
            await RisingEdge(dut.clk)
            compare_pins("Fetch", where, dut, pc=pc, address=follower, full=0)
            await FallingEdge(dut.clk)
        done += 1


class Loops:
    """The loops that are open, innermost last: start, end, passes left."""

    def __init__(self) -> None:
        self.pc = 0
        self.open: list[list[int]] = []
        self.seen: set = set()
        self.common = 0.0  # share of loops that end together

    def following(self, step: Step) -> int:
        """Carry out an instruction; the address of the next."""
        target, depth = step["target"], len(self.open)
        if step.get("jump"):
            if self.open:
                where = {self.open[-1][0]: "start", self.open[-1][1]: "end"}.get(target)
                self.seen.add(f"jump to the innermost {where}")
            while self.open and not self.open[-1][0] <= target < self.open[-1][1]:
                self.open.pop()
            self.seen.add(("jump", depth, depth - len(self.open)))
            return target
        following = self.pc + 1
        if step.get("loop"):
            self.seen.add(("count", step["count"]))
            if step["count"] > 0:
                self.open.append([following, target, step["count"]])
                self.seen.add(("opened", depth + 1))
                return following
            following = target
            if depth == LOOP_DEPTH:
                self.seen.add("fifth skipped")
        while self.open and self.open[-1][1] == following:
            self.open[-1][2] -= 1
            if self.open[-1][2]:
                self.seen.add(("again behind dropped", depth - len(self.open)))
                return self.open[-1][0]
            self.open.pop()
        if len(self.open) < depth:
            kind = "skipped to an end" if step.get("loop") else "over"
            self.seen.add((kind, depth - len(self.open)))
        return following

    def random_step(self, rng: random.Random) -> Step:
        """An instruction that keeps the loops busy."""
        edges = [edge for loop in self.open for edge in loop[:2]]
        chance = rng.random()
        if chance < 0.1 and self.open and self.pc != self.open[-1][1] - 1:
            # to the last instruction of the innermost loop
            return {"jump": 1, "target": self.open[-1][1] - 1}
        if chance < 0.13 or self.pc >= LAST:
            near = [edge + rng.randint(-1, 1) for edge in edges] + edges
            near += [self.pc + rng.randint(-8, 8), rng.randint(0, LAST)]
            return {"jump": 1, "target": min(max(rng.choice(near), 0), LAST)}
        # a loop that ends with those around it, or soon
        ends = [loop[1] for loop in self.open if loop[1] > self.pc + 1]
        if not ends or rng.random() >= self.common:
            ends += [self.pc + n for n in (2, 3, 7) if self.pc + n <= LAST]
        if chance < 0.65 and ends:
            count = rng.choice((1, 1, 2, 3) if self.common < 1 or not self.open else (1,))
            if rng.random() < 0.25:
                count = rng.choice((0, -1, LEAST, MOST, corner(rng, LEAST, MOST)))
            return {"loop": 1, "target": rng.choice(ends), "count": count}
        return {"target": rng.choice([*edges, rng.randint(0, LAST)])}


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.4])
async def random_walks_match_a_list_of_loops(dut, pause):
    rng = random.Random(cocotb.RANDOM_SEED)
    pauses = Pauses(rng, pause)
    loops = Loops()
    await start(dut, *INPUTS)
    for cycle in range(PATIENCE):
        if cycle >= CYCLES and loops.seen >= WANTED:
            break
        where = f"cycle {cycle}"
        step = loops.random_step(rng)
        fifth = step.get("loop") and step["count"] > 0 and len(loops.open) == LOOP_DEPTH
        pc = loops.pc
        if rng.random() < 0.02 or pc > LAST:
            base = rng.choice((0, LAST - 8, rng.randint(0, LAST)))
            drive(dut, **step | {"start": 1, "start_pc": base})
            golden = {"address": base}
            loops.pc, loops.common = base, rng.choice((0.0, 0.7, 1.0, 1.0))
            loops.open.clear()
        elif fifth or pauses:
            # shown, but not carried out
            drive(dut, **step)
            golden = {"full": bool(fifth)}
            loops.seen |= {"fifth"} if fifth else set()
        else:
            drive(dut, advance=1, **step)
            loops.pc = loops.following(step)
            golden = {"address": loops.pc, "full": 0}
        await RisingEdge(dut.clk)
        compare_pins("Fetch", where, dut, pc=pc, **golden)
        await FallingEdge(dut.clk)
    missing = WANTED - loops.seen
    assert not missing, f"the walk must reach {missing}"
