"""Pass: assembly text of every unit.

Scalar registers: s1 to s3 count epochs, batches and examples, s4 is the example's record, s5 the
core's slot, s6 the batch's first record, s7 the epoch's parameters, s8 whatever is needed for one
instruction. From s9 on pointers, constants and named scalars of the nest at hand, from s31 down the
OPAs left until the next CRS of each matrix. With momentum a core's slots are a ring: s6 is the
first one of the present batch, s9 how many batches before there are.

Addresses that depend on loops become pointers: one for all words of a nest that move alike and lie
within reach of an instruction's offset, set before the nest and moved at the end of every loop.
Neighbouring operations of matrix units become one instruction.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from panther.arch.core import LANES, SCALARS
from panther.arch.tile import SEQUENCER
from panther.compiler.allocation import PARAMETER, RATES, RING_WORDS, Layout
from panther.compiler.communication import UnitPrograms
from panther.compiler.loops import (
    HISTORY,
    Address,
    Core,
    Every,
    Loop,
    Op,
    Origin,
    Register,
    Scalar,
    Statement,
    walk,
)
from panther.compiler.placement import DoesNotFitError

REACH = 2048
"""Offsets of loads and stores: from ``-REACH`` to ``REACH - 1``."""
WATCHDOG = 1 << 30
RECORD, SLOT, FIRST, PARAMETERS, SCRATCH, POOL = 4, 5, 6, 7, 8, 9
BASE, AGES, RING_POOL = 6, 9, 10
BASES = {"example": RECORD, "slot": SLOT}

Steps = tuple[tuple[str, int], ...]
Pointers = dict[tuple[str, Steps], list[tuple[int, int]]]
"""By space and steps: scalar registers and the offset each stands for."""


@dataclass(frozen=True)
class Emitted:
    """Assembly of a unit."""

    text: str
    origins: tuple[Origin, ...]
    """What every instruction is there for."""


class _Emitter:
    """Text of one unit."""

    def __init__(self, unit: Core, layout: Layout) -> None:
        self.unit, self.layout = unit, layout
        self.lines: list[str] = []
        self.origins: list[Origin] = []
        self.origin = Origin()
        self.known: dict[tuple[str, str, int], Origin] = {}
        self.labels = 0
        self.counters = {
            name: SCALARS - 1 - n for n, name in enumerate(layout.counters.get(unit, []))
        }
        self.top = SCALARS - len(self.counters)
        self.ring = layout.ring(unit)
        self.pool = RING_POOL if self.ring else POOL
        self.free = self.pool
        self.pointers: Pointers = {}
        self.scalars: dict[str, int] = {}
        self.landing = ""

    # ---- lines

    def line(self, text: str, lane: int = 0) -> None:
        label, self.landing = self.landing, ""
        self.lines.append(f"{label + ':' if label else '':8}{text}")
        origin = self.origin
        key = (origin.layer, origin.phase, lane)
        self.origins.append(self.known.setdefault(key, Origin(*key)))

    def label(self) -> str:
        self.labels += 1
        return f"l{self.labels}"

    def land(self, label: str) -> None:
        """The next instruction has this label."""
        if self.landing:
            self.line("nop")
        self.landing = label

    def scalar(self) -> int:
        """A scalar register for the nest at hand."""
        if self.free == self.top:
            raise DoesNotFitError(
                f"Unit {self.unit[0]}.{self.unit[1]} must get by with {self.top - self.pool} "
                "scalar registers for the addresses of a loop nest; make its layers smaller"
            )
        self.free += 1
        return self.free - 1

    # ---- the whole

    def outer(self, prologue: Sequence[Statement], body: Sequence[Statement]) -> Emitted:
        layout, unit = self.layout, self.unit
        self.line(f"csr watchdog, {WATCHDOG}")
        if self.counters:
            self.line(f"sset s{SCRATCH}, {layout.parameters[unit]}")
            at = layout.registers[unit, PARAMETER]
            words = len(self.counters) + (RING_WORDS if self.ring else 0)
            self.line(f"ld r{at}, s{SCRATCH}, 0, {words}")
            for n, scalar in enumerate(self.counters.values()):
                self.line(f"vr.sum s{scalar}, r{at + n}, 1")
            if self.ring:
                self.enter_ring(at + len(self.counters))
        self.block(prologue)
        rates = layout.rates.get(unit, [])
        if rates:
            start = layout.parameters[unit] + layout.counter_words(unit)
            self.line(f"sset s{PARAMETERS}, {start}")
        self.line("sset s1, EPOCHS")
        self.land("epoch")
        if rates:
            at = layout.registers[unit, RATES]
            self.line(f"ld r{at}, s{PARAMETERS}, 0, {len(rates)}")
            self.line(f"sadd s{PARAMETERS}, s{PARAMETERS}, {layout.rate_words(unit)}")
        tile = layout.tiles[unit[0]]
        if self.examples:
            self.line(f"sset s{RECORD}, {tile.examples}")
        self.line("sset s2, BATCHES")
        self.land("batch")
        if self.examples and not self.ring:
            self.line(f"sadd s{FIRST}, s{RECORD}, 0")
        self.block(body)
        for n, label in ((2, "batch"), (1, "epoch")):
            self.line(f"sadd s{n}, s{n}, -1")
            self.line(f"br.ne s{n}, s0, {label}")
        self.line("hlt")
        return Emitted("\n".join(self.lines) + "\n", tuple(self.origins))

    @property
    def examples(self) -> bool:
        return self.unit[1] != SEQUENCER and bool(self.layout.tiles[self.unit[0]].record_words)

    def block(self, statements: Sequence[Statement]) -> None:
        """Statements outside of nests: loops over examples, nests, and what lies between."""
        for plain, part in groupby(statements, key=lambda s: not isinstance(s, Loop)):
            if plain:
                run = list(part)
                self.nest(run)
                continue
            for s in part:
                assert isinstance(s, Loop)
                if s.count == HISTORY:
                    self.ages_loop(s)
                elif isinstance(s.count, str):
                    self.examples_loop(s)
                else:
                    self.nest([s])

    # ---- examples and batches

    def examples_loop(self, loop: Loop) -> None:
        """The loop over a batch's examples, or over them again."""
        slot_base, slot_words = self.layout.slots.get(self.unit, (0, 0))
        if self.ring:
            if loop.variable == "example":
                self.next_batch()
            self.line(f"sadd s{SLOT}, s{BASE}, 0")
        elif self.examples and loop.variable == "replay":
            self.line(f"sadd s{RECORD}, s{FIRST}, 0")
        if slot_words and not self.ring:
            self.line(f"sset s{SLOT}, {slot_base}")
        self.batch_loop(loop)

    def batch_loop(self, loop: Loop) -> None:
        """The loop over a batch's examples, from where record and slot are."""
        slot_words = self.layout.slots.get(self.unit, (0, 0))[1]
        self.line("sset s3, BATCH")
        label = self.label()
        self.land(label)
        self.block(loop.body)
        if self.examples and not (self.ring and loop.variable == "replay"):
            words = self.layout.tiles[self.unit[0]].record_words
            self.line(f"sadd s{RECORD}, s{RECORD}, {words}")
        if slot_words:
            self.line(f"sadd s{SLOT}, s{SLOT}, {slot_words}")
        self.line("sadd s3, s3, -1")
        self.line(f"br.ne s3, s0, {label}")

    @property
    def ring_words(self) -> tuple[int, int, int]:
        """Start and end of a ring, and the words of a batch in it."""
        start, words = self.layout.slots[self.unit]
        words *= self.layout.batch
        return start, start + (self.layout.history + 1) * words, words

    def enter_ring(self, register: int) -> None:
        """Where the batch before lies, and how many there are, from a register."""
        start, _, words = self.ring_words
        self.line(f"vr.sum s{AGES}, r{register}, 1")
        self.line(f"vr.sum s{BASE}, r{register + 1}, 1")
        self.line(f"sset s{SCRATCH}, {words}")
        self.line(f"salu.mul s{BASE}, s{BASE}, s{SCRATCH}")
        self.line(f"sadd s{BASE}, s{BASE}, {start}")

    def wrap(self, scalar: int, end: int, other: int) -> None:
        """From one end of the ring to the other."""
        label = self.label()
        self.line(f"sset s{SCRATCH}, {end}")
        self.line(f"br.ne s{scalar}, s{SCRATCH}, {label}")
        self.line(f"sset s{scalar}, {other}")
        self.land(label)

    def next_batch(self) -> None:
        """The oldest batch gives its slots to the next one."""
        start, end, words = self.ring_words
        self.wrap(BASE, start, end)
        self.line(f"sadd s{BASE}, s{BASE}, {-words}")

    def ages_loop(self, loop: Loop) -> None:
        """The loop over the batches before, whose slots follow those of the present one."""
        start, end, _ = self.ring_words
        label = self.label()
        self.line(f"loops s{AGES}, {label}")
        self.wrap(SLOT, end, start)
        for s in loop.body:
            assert isinstance(s, Loop)
            self.batch_loop(s)
        self.land(label)
        label = self.label()
        self.line(f"sset s{SCRATCH}, {self.layout.history}")
        self.line(f"br.eq s{AGES}, s{SCRATCH}, {label}")
        self.line(f"sadd s{AGES}, s{AGES}, 1")
        self.land(label)

    def nest(self, statements: Sequence[Statement]) -> None:
        """A loop nest, or instructions that are in none."""
        self.free, self.pointers, self.scalars = self.pool, {}, {}
        before = self.origin
        if any(isinstance(s, Loop) for s in statements):
            self.origin = statements[0].origin
            self.set_pointers(statements)
        self.inside(statements)
        self.origin = before
        self.free, self.pointers, self.scalars = self.pool, {}, {}

    # ---- addresses

    def place(self, address: Address) -> tuple[str, int]:
        """Space, and absolute offset in it."""
        owner = (self.unit, address.buffer)
        if owner not in self.layout.buffers:
            owner = ((self.unit[0], SEQUENCER), address.buffer)
        place = self.layout.buffers[owner]
        return place.space, place.offset + address.offset

    def set_pointers(self, statements: Sequence[Statement]) -> None:
        """Pointers of a nest, and constants."""
        uses: dict[tuple[str, Steps], set[int]] = {}
        for _, s in walk(statements):
            if not isinstance(s, Op):
                continue
            for operand in s.operands:
                if isinstance(operand, Address):
                    space, offset = self.place(operand)
                    steps = tuple(sorted(operand.steps))
                    if steps or not _reached(offset):
                        uses.setdefault((space, steps), set()).add(offset)
                elif isinstance(operand, Scalar):
                    self.constant(operand.name)
        for (space, steps), offsets in uses.items():
            for middle in _middles(sorted(offsets)):
                scalar = self.scalar()
                self.pointers.setdefault((space, steps), []).append((scalar, middle))
                self.set_address(scalar, space, middle)

    def set_address(self, scalar: int, space: str, offset: int) -> None:
        if space == "static":
            self.line(f"sset s{scalar}, {offset}")
        else:
            self.line(f"sadd s{scalar}, s{BASES[space]}, {offset}")

    def address(self, address: Address) -> str:
        """Base and offset of a load or a store; sets ``SCRATCH`` where there is no pointer."""
        space, offset = self.place(address)
        steps = tuple(sorted(address.steps))
        for scalar, middle in self.pointers.get((space, steps), []):
            if _reached(offset - middle):
                return f"s{scalar}, {offset - middle}"
        assert not steps, f"{address} must have a pointer"
        if _reached(offset):
            return f"s{BASES.get(space, 0)}, {offset}"
        self.set_address(SCRATCH, space, offset)
        return f"s{SCRATCH}, 0"

    def constant(self, name: str) -> str:
        """A scalar register with a constant, a rate, or what was reduced into it."""
        if name not in self.scalars:
            scalar = self.scalars[name] = self.scalar()
            if name.startswith("="):
                self.line(f"sset s{scalar}, {name[1:]}")
            elif name.startswith("rate."):
                rates = self.layout.rates[self.unit]
                at = self.layout.registers[self.unit, RATES] + rates.index(name[5:])
                self.line(f"vr.sum s{scalar}, r{at}, 1")
        return f"s{self.scalars[name]}"

    # ---- statements of a nest

    def inside(self, statements: Sequence[Statement]) -> None:
        loops = sum(isinstance(s, Loop) for s in statements)
        for s in _merged(statements):
            self.origin = s.origin
            if isinstance(s, Loop):
                self.loop(s)
                if loops > 1:
                    self.move(s.variable, -int(s.count), [])
            elif isinstance(s, Every):
                counter = self.counters[s.counter]
                self.line(f"sadd s{counter}, s{counter}, -1")
                label = self.label()
                self.line(f"br.ne s{counter}, s0, {label}")
                self.inside(s.body)
                self.origin = s.origin
                self.line(f"sset s{counter}, {s.period}")
                self.land(label)
            else:
                assert isinstance(s, Op)
                self.op(s)

    def loop(self, loop: Loop) -> None:
        label = self.label()
        self.line(f"loop {loop.count}, {label}")
        self.inside(loop.body)
        self.origin = loop.origin
        inner = [s for s in loop.body if isinstance(s, Loop)]
        self.move(loop.variable, 1, inner if len(inner) == 1 else [])
        if self.landing:
            self.line("nop")
        self.land(label)

    def move(self, variable: str, times: int, over: Sequence[Loop]) -> None:
        """Move pointers by so many passes, and back by those of inner loops that are over."""
        for (_, steps), pointers in self.pointers.items():
            step = dict(steps)
            move = times * step.get(variable, 0)
            move -= sum(int(loop.count) * step.get(loop.variable, 0) for loop in over)
            for scalar, _ in pointers if move else []:
                self.line(f"sadd s{scalar}, s{scalar}, {move}")

    def op(self, op: Op) -> None:
        texts, lane = [], 0
        for operand in op.operands:
            if isinstance(operand, Address):
                texts.append(self.address(operand))
                # spaces, and the steps of what moves, are whole groups
                lane = self.place(operand)[1] % LANES
            elif isinstance(operand, Scalar):
                texts.append(self.constant(operand.name))
            elif isinstance(operand, Register):
                texts.append(self.register(operand))
            else:
                texts.append(str(operand))
        if op.name == "st" and len(op.operands) == 3:
            texts.append("plain")
        self.line(f"{op.name} {', '.join(texts)}", lane)

    def register(self, register: Register) -> str:
        if register.bank:
            return f"{register.name} + {register.offset}" if register.offset else register.name
        return f"r{self.layout.registers[self.unit, register.name] + register.offset}"


def _reached(offset: int) -> bool:
    """Whether an address that does not move needs no pointer."""
    return -REACH <= offset < REACH


def _middles(offsets: Sequence[int]) -> Iterator[int]:
    """Offsets from which all of ``offsets`` are reached."""
    start: int | None = None
    for offset in offsets:
        if start is None or offset - start >= 2 * REACH:
            start = offset
            yield start + REACH if len(offsets) > 1 else start


def _merged(statements: Sequence[Statement]) -> Iterator[Statement]:
    """Neighbouring operations of matrix units as one."""
    for name, part in groupby(statements, key=lambda s: s.name if isinstance(s, Op) else ""):
        if name not in ("mcu", "crs"):
            yield from part
            continue
        operations: dict[str, list[str]] = {}
        for s in part:
            assert isinstance(s, Op)
            core, origin = s.core, s.origin
            unit, _, operation = str(s.operands[0]).partition(":")
            if operation in operations.get(unit, []):
                yield _units(core, name, operations, origin)
                operations = {}
            operations.setdefault(unit, []).append(operation)
        yield _units(core, name, operations, origin)


def _units(core: Core, name: str, operations: Mapping[str, Sequence[str]], origin: Origin) -> Op:
    texts = [
        f"{unit}:{'+'.join(ops)}" if name == "mcu" else unit for unit, ops in operations.items()
    ]
    return Op(core, name, tuple(texts), origin)


def emit(programs: UnitPrograms, layout: Layout) -> dict[Core, Emitted]:
    """Assembly text of every unit; ``EPOCHS``, ``BATCHES`` and ``BATCH`` are for the assembler.

    Raises
    ------
    DoesNotFitError
        If a unit has too few scalar registers.
    """
    found = {}
    for unit in programs.units:
        emitter = _Emitter(unit, layout)
        prologue = programs.prologues.get(unit, ())
        found[unit] = emitter.outer(prologue, programs.bodies.get(unit, ()))
    return found
