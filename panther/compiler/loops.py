"""The loop program: what every core does for a batch, as one tree in one global order.

Every operation names its core. All that a core reads and writes is its own (registers, banks of its
matrix units, buffers in its tile's memory), but what a :class:`Deliver` brings. So the tree, read
from top to bottom as one sequential program, says what is computed; and each core's part of it,
with a wait where something is delivered, computes the same. Operations are instructions of the
machine (``panther/arch/isa.py``) with names for addresses::

    buffer 0.0 e.fc slot 64
    loop y 8
      loop x 8
        0.0 ld m0.mvm_in, input[40y+4x+2], 12
        0.0 mcu m0:mvm
        0.0 vi.max relu, m0.mvm_out, 0, 8
        deliver 0.0 relu 8 -> 0.1 relu, 1.0 relu
    every 0.0 conv 16
      0.0 crs m0

Statements know their :class:`Origin`, which is neither compared nor in the text.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

Core = tuple[int, int]
"""Tile, and core of the tile."""

SPACES = ("static", "slot", "example")
"""Where a buffer lies: at one place; once for every example of a batch, and of those before that
are kept; in the host's examples."""
KEYS = ("rows", "columns", "mvm_shift", "mtvm_shift", "eager")
"""What ``mcfg`` sets."""
OUTER = ("EPOCHS", "BATCHES", "BATCH")
"""Counts of loops that a run decides."""
HISTORY = "HISTORY"
"""Count of a loop over the batches before that are kept, as many as there are, youngest first."""


PHASES = (
    "control", "set-up", "input", "forward", "loss", "backward", "update", "resolve",
    "communication",
)  # fmt: skip
"""What instructions are for: loops over examples, batches and epochs; what is done once; copies of
the example; the steps of training; CRS; and words that go from core to core."""


@dataclass(frozen=True)
class Origin:
    """What a statement, or an instruction, is there for."""

    layer: str = ""
    """Name of the network's node; none of what all layers share."""
    phase: str = "control"
    """One of ``PHASES``."""
    lane: int = 0
    """Of an instruction that takes words of the memory: place of the first in its group."""


@dataclass(frozen=True)
class Register:
    """Words of a virtual register, or of a bank of a matrix unit (``m0.mvm_in``)."""

    name: str
    offset: int = 0

    def __str__(self) -> str:
        return f"{self.name}+{self.offset}" if self.offset else self.name

    @property
    def bank(self) -> bool:
        return re.fullmatch(r"m[0-7]\.\w+", self.name) is not None


@dataclass(frozen=True)
class Scalar:
    """A scalar register: of a name, a constant, or the learning rate of a matrix."""

    name: str

    def __str__(self) -> str:
        return f"${self.name}"


@dataclass(frozen=True)
class Address:
    """Words of a buffer: ``offset + sum(step * loop variable)``."""

    buffer: str
    offset: int = 0
    steps: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        terms = [f"{step}{name}" for name, step in self.steps]
        if self.offset or not terms:
            terms.append(str(self.offset))
        return f"{self.buffer}[{'+'.join(terms)}]"


Operand = Register | Scalar | Address | int | str


@dataclass(frozen=True)
class Op:
    """An instruction of a core; those of matrix units have operands such as ``m0:mvm``."""

    core: Core
    name: str
    operands: tuple[Operand, ...]
    origin: Origin = field(default=Origin(), compare=False)

    def __str__(self) -> str:
        return f"{_core(self.core)} {self.name} {', '.join(map(str, self.operands))}"


@dataclass(frozen=True)
class Deliver:
    """``length`` words of a core's register, into registers of other cores."""

    source: Core
    register: Register
    length: int
    targets: tuple[tuple[Core, Register], ...]
    origin: Origin = field(default=Origin(), compare=False)

    def __str__(self) -> str:
        to = ", ".join(f"{_core(core)} {register}" for core, register in self.targets)
        return f"deliver {_core(self.source)} {self.register} {self.length} -> {to}"


@dataclass(frozen=True)
class Loop:
    """A body repeated; its variable counts from 0.

    In a loop over ``HISTORY`` buffers of space ``slot`` are those of the batches before.
    """

    variable: str
    count: int | str
    body: tuple["Statement", ...]
    origin: Origin = field(default=Origin(), compare=False)

    def __str__(self) -> str:
        return f"loop {self.variable} {self.count}"


@dataclass(frozen=True)
class Every:
    """A body of one core that is run the ``period``-th time, and then every ``period`` times."""

    core: Core
    counter: str
    period: int
    body: tuple["Statement", ...]
    origin: Origin = field(default=Origin(), compare=False)

    def __str__(self) -> str:
        return f"every {_core(self.core)} {self.counter} {self.period}"


Statement = Op | Deliver | Loop | Every


@dataclass(frozen=True)
class Buffer:
    """Words in a tile's memory that one core uses; of space ``example`` the host writes them."""

    core: Core
    name: str
    space: str
    words: int

    def __str__(self) -> str:
        return f"buffer {_core(self.core)} {self.name} {self.space} {self.words}"


@dataclass(frozen=True)
class LoopProgram:
    """Buffers, what is done once, and what is done for every batch of every epoch."""

    buffers: tuple[Buffer, ...]
    prologue: tuple[Statement, ...]
    body: tuple[Statement, ...]
    _named: dict[tuple[Core, str], Buffer] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_named", {(b.core, b.name): b for b in self.buffers})

    def buffer(self, core: Core, name: str) -> Buffer:
        return self._named[core, name]

    def __str__(self) -> str:
        lines = [str(buffer) for buffer in self.buffers]
        for title, statements in (("prologue", self.prologue), ("batch", self.body)):
            lines.append(title)
            lines += [f"{'  ' * depth}{s}" for depth, s in walk(statements, 1)]
        return "\n".join(lines) + "\n"


def walk(statements: Sequence[Statement], depth: int = 0) -> Iterator[tuple[int, Statement]]:
    """All statements from top to bottom, with their depth."""
    for statement in statements:
        yield depth, statement
        if isinstance(statement, (Loop, Every)):
            yield from walk(statement.body, depth + 1)


def cores_of(statement: Statement) -> set[Core]:
    """Cores that take part in a statement."""
    if isinstance(statement, Op):
        return {statement.core}
    if isinstance(statement, Deliver):
        return {statement.source, *(core for core, _ in statement.targets)}
    found = {statement.core} if isinstance(statement, Every) else set()
    for part in statement.body:
        found |= cores_of(part)
    return found


def _core(core: Core) -> str:
    return f"{core[0]}.{core[1]}"


# ---- what must hold


def verify(program: LoopProgram) -> None:
    """Refuse a program that reads what nobody has written, or leaves a buffer.

    Raises
    ------
    ValueError
        With the statement that is wrong.
    """
    made: set[tuple[Core, str]] = set()
    for part in (program.prologue, program.body):
        _verify(program, part, {}, made)


def _verify(
    program: LoopProgram, part: Sequence[Statement], counts: dict[str, int],
    made: set[tuple[Core, str]],
) -> None:  # fmt: skip
    for s in part:
        if isinstance(s, Loop):
            inner = counts if isinstance(s.count, str) else {**counts, s.variable: s.count}
            _verify(program, s.body, inner, made)
        elif isinstance(s, Every):
            if any(not isinstance(op, Op) or op.core != s.core for op in s.body):
                raise ValueError(f"{s}: its body must be operations of its core")
        elif isinstance(s, Deliver):
            _check_made(s, s.source, s.register, made)
            for core, register in s.targets:
                if core == s.source:
                    raise ValueError(f"{s}: words must go to other cores")
                made.add((core, register.name))
        else:
            operands = s.operands if s.name == "st" else s.operands[1:]
            for operand in operands:
                if isinstance(operand, Register):
                    _check_made(s, s.core, operand, made)
                elif isinstance(operand, Address):
                    _check_address(program, s, operand, counts)
            if isinstance(s.operands[0], Register):
                made.add((s.core, s.operands[0].name))


def _check_made(s: Statement, core: Core, register: Register, made: set[tuple[Core, str]]) -> None:
    if not register.bank and (core, register.name) not in made:
        raise ValueError(f"{s}: {register} must have been written before")


def _check_address(
    program: LoopProgram, op: Op, address: Address, counts: dict[str, int]
) -> None:  # fmt: skip
    sizes = [int(str(size)) for size in op.operands[2:]]
    words = sizes[0] if op.name != "ld2" else (sizes[1] - 1) * sizes[2] + sizes[0]
    low = high = address.offset
    for name, step in address.steps:
        if name not in counts:
            raise ValueError(f"{op}: {name} must be the variable of a loop around it")
        low += min(0, step * (counts[name] - 1))
        high += max(0, step * (counts[name] - 1))
    try:
        size = program.buffer(op.core, address.buffer).words
    except KeyError:
        raise ValueError(f"{op}: {address.buffer} must be a buffer of its core") from None
    if low < 0 or high + words > size:
        raise ValueError(f"{op}: words must be within the {size} of the buffer")


# ---- text


def parse(text: str) -> LoopProgram:
    """The program a text stands for: ``parse(str(program)) == program``.

    Raises
    ------
    ValueError
        If the text is none; the message begins with the line's number.
    """
    buffers: list[Buffer] = []
    parts: dict[str, tuple[Statement, ...]] = {"prologue": (), "batch": ()}
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    place = 0
    while place < len(lines):
        number, line = lines[place]
        try:
            if line in parts:
                place, parts[line] = _parse_block(lines, place + 1, 1)
            else:
                buffers.append(_parse_buffer(line))
                place += 1
        except (ValueError, IndexError, KeyError) as error:
            number = lines[min(place, len(lines) - 1)][0]
            raise ValueError(f"line {number}: {error}: {line.strip()}") from None
    return LoopProgram(tuple(buffers), parts["prologue"], parts["batch"])


def _parse_block(
    lines: Sequence[tuple[int, str]], place: int, depth: int
) -> tuple[int, tuple[Statement, ...]]:
    found: list[Statement] = []
    while place < len(lines):
        number, line = lines[place]
        indent = (len(line) - len(line.lstrip())) // 2
        if indent < depth:
            break
        if indent > depth:
            raise ValueError(f"line {number}: indentation must be {depth} steps, not {indent}")
        words = line.split()
        place += 1
        try:
            if words[0] in ("loop", "every"):
                place, body = _parse_block(lines, place, depth + 1)
                if words[0] == "loop":
                    found.append(Loop(words[1], _count(words[2]), body))
                else:
                    found.append(Every(_parse_core(words[1]), words[2], int(words[3]), body))
            elif words[0] == "deliver":
                head, to = line.strip().split(" -> ")
                _, core, register, length = head.split()
                targets = [part.split() for part in to.split(", ")]
                found.append(
                    Deliver(
                        _parse_core(core), _parse_register(register), int(length),
                        tuple((_parse_core(c), _parse_register(r)) for c, r in targets),
                    )
                )  # fmt: skip
            else:
                core, name, rest = line.strip().split(" ", 2)
                operands = tuple(_parse_operand(part) for part in rest.split(", "))
                found.append(Op(_parse_core(core), name, operands))
        except (ValueError, IndexError) as error:
            if str(error).startswith("line "):
                raise
            raise ValueError(f"line {number}: {error}: {line.strip()}") from None
    return place, tuple(found)


def _count(text: str) -> int | str:
    return text if text in (*OUTER, HISTORY) else int(text)


def _parse_core(text: str) -> Core:
    tile, core = text.split(".")
    return int(tile), int(core)


def _parse_buffer(line: str) -> Buffer:
    word = line.split()
    if word[0] != "buffer" or word[3] not in SPACES:
        raise ValueError("a buffer, prologue or batch was expected")
    return Buffer(_parse_core(word[1]), word[2], word[3], int(word[4]))


def _parse_register(text: str) -> Register:
    name, _, offset = text.partition("+")
    return Register(name, int(offset or 0))


def _parse_operand(text: str) -> Operand:
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    if text.startswith("$"):
        return Scalar(text[1:])
    if match := re.fullmatch(r"([^\[\]]+)\[(.*)\]", text):
        offset, steps = 0, []
        for term in match[2].split("+"):
            part = re.fullmatch(r"(-?\d+)([a-z]\w*)?", term)
            if part is None:
                raise ValueError(f"an address has terms such as 4x or 12, not {term!r}")
            if part[2]:
                steps.append((part[2], int(part[1])))
            else:
                offset += int(part[1])
        return Address(match[1], offset, tuple(steps))
    if re.fullmatch(r"m[0-7](:[a-z+]+)?", text) or text in KEYS:
        return text
    return _parse_register(text)
