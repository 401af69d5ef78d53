"""Random programs for lockstep runs, from named generators; a seed gives the same one every time.

Whoever runs them starts a core that has stopped for a fault again behind the instruction that did
not retire, until it halts: so one program may meet many faults.
"""

import json
import random
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cocotb_tests.drivers import corner
from panther.arch.core import (
    ADDRESS_BITS,
    GENERAL_BASE,
    LANES,
    LOOP_DEPTH,
    READERS,
    SCALARS,
    CoreParams,
    Csr,
    csr_names,
)
from panther.arch.isa import (
    CORE_INSTRUCTIONS,
    INSTRUCTION_BITS,
    Function,
    Instruction,
    Kind,
    Unit,
)
from panther.arch.mcu import ConfigKey, InBank, OutBank
from panther.arch.params import McuParams

WORD_LOW, WORD_HIGH = -(1 << 15), (1 << 15) - 1
LAST_TARGET = (1 << ADDRESS_BITS) - 1
PATIENCE = 4000
"""Cycles an instruction may wait at first: more than any matrix operation of a small unit takes."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A program with all it starts from; what a failure is replayed with."""

    generator: str
    seed: int
    core: str
    """Name of the core."""
    words: tuple[int, ...]
    bad_parity: tuple[int, ...] = ()
    """Addresses whose parity is wrong."""
    memory: tuple[int, ...] = ()
    """Its words."""
    valid: tuple[int, ...] = ()
    """Of each group of four, whether it is valid."""
    readers: tuple[int, ...] = ()
    """Of each group of four, who has to read it."""
    cells_seed: int | None = None
    """Seed of the cells; without one they are 0."""
    body: int = 0
    """Address of the first random instruction; those before set every register."""
    tail: int | None = None
    """Address behind the last one; those from there on show every register."""

    @classmethod
    def from_json(cls, text: str) -> "Case":
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        ValueError
            If it is no case.
        """
        try:
            fields = json.loads(text)
            return cls(**{n: tuple(v) if isinstance(v, list) else v for n, v in fields.items()})
        except (TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"Case must be what a failed lockstep run wrote: {error}") from error

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    def cells(self, mcu: McuParams, units: int) -> list[NDArray[np.int16]]:
        """The cells of every unit, shape (slices, rows, columns), often at the ends of their
        range.
        """
        shape = (mcu.slices.count, mcu.rows, mcu.columns)
        if self.cells_seed is None:
            return [np.zeros(shape, np.int16) for _ in range(units)]
        rng = np.random.Generator(np.random.PCG64(self.cells_seed))
        found = []
        for _ in range(units):
            cells = np.empty(shape, np.int16)
            for k in range(mcu.slices.count):
                low, high = mcu.slices.cell_range(k)
                cells[k] = rng.integers(low, high, shape[1:], endpoint=True)
                ends = rng.random(shape[1:]) < 0.1
                cells[k][ends] = rng.choice((low, high), int(ends.sum()))
            found.append(cells)
        return found


@dataclass
class _Writer:
    """A program being written."""

    params: CoreParams
    rng: random.Random
    limit: int
    words: list[int] = field(default_factory=list)
    bad_parity: list[int] = field(default_factory=list)
    passes: int = 1
    """How often the instruction being written runs."""
    extremes: float = 0.1
    """Chance of a field at the end of its range."""
    valid: list[int] = field(default_factory=list)
    """Of each group of the memory, whether it is valid when the program starts."""
    readers: list[int] = field(default_factory=list)
    """Of each group of the memory, who has to read it then."""

    def __len__(self) -> int:
        return len(self.words)

    def emit(self, name: str, **values: int) -> None:
        self.words.append(CORE_INSTRUCTIONS[name].encode(**values))

    def place(self, length: int, *, write: bool = False) -> int:
        """Address of a vector of ``length`` words that exists, most likely."""
        params, rng = self.params, self.rng
        mcu = rng.randrange(params.mcus)
        kinds = ["general"] * 4 + ["in"] * 2 + ([] if write else ["out"] * 2)
        kind = rng.choice(kinds)
        if kind == "in":
            bank = rng.choice(list(InBank))
            first, lines = params.xbar_in(mcu, bank), params.in_lines(bank)
        elif kind == "out":
            out = rng.choice(list(OutBank))
            first, lines = params.xbar_out(mcu, out), params.out_lines(out)
        else:
            first, lines = GENERAL_BASE, params.registers
        if length > lines:
            first, lines = GENERAL_BASE, params.registers
        # a few neighbours, so vectors meet
        room = max(0, lines - length)
        return first + (
            rng.randint(0, min(room, 24)) if rng.random() < 0.5 else rng.randint(0, room)
        )

    def length(self) -> int:
        rng = self.rng
        return rng.choice((1, 2, 3, 4, 5, 7, 8, rng.randint(1, 16), rng.randint(1, 40)))

    def fields(self, item: Instruction, **given: int) -> dict[str, int]:
        """Values for every field, mostly sensible ones."""
        rng, params = self.rng, self.params
        length = given.get("len", self.length())
        values: dict[str, int] = {}
        for part in item.fields:
            name = part.name
            if name in given:
                values[name] = given[name]
            elif name == "len":
                values[name] = min(length, part.greatest)
            elif part.kind is Kind.VECTOR:
                values[name] = self.place(length, write=name == "d")
            elif part.kind is Kind.CSR:
                values[name] = rng.choice(list(csr_names(params).values()))
            elif part.kind is Kind.MCU:
                values[name] = rng.randrange(params.mcus)
            elif part.kind is Kind.MCUS:
                values[name] = rng.randint(1, (1 << params.mcus) - 1)
            elif part.kind is Kind.OPERATIONS:
                values[name] = rng.randint(1, (1 << 3 * params.mcus) - 1)
            elif part.kind is Kind.KEY:
                values[name] = rng.choice(list(ConfigKey))
            else:
                values[name] = corner(rng, part.least, part.greatest)
        # v.add d = a in place is as common as anything else
        if "a" in values and "d" in values and "d" not in given and rng.random() < 0.2:
            values["d"] = values["a"]
        return values

    def any(self, item: Instruction, **given: int) -> None:
        """Emit an instruction with sensible fields, now and then one at the end of its range."""
        values = self.fields(item, **given)
        for part in item.fields:
            free = part.name not in given and part.kind is not Kind.TARGET
            if free and part.name != "count" and self.rng.random() < self.extremes / 2:
                values[part.name] = self.rng.choice((part.least, part.greatest))
        self.emit(item.mnemonic, **values)

    @contextmanager
    def loop(self) -> Iterator[None]:
        """A loop around what is written inside; few passes in all."""
        rng = self.rng
        count = rng.choice((0, 1, 1, 2, 2, 3, 4))
        if self.passes * max(count, 1) > 24:
            count = 1
        at = len(self)
        if rng.random() < 0.5:
            register = rng.randint(1, 31)
            self.emit("sset", sd=register, imm=count if count else rng.choice((0, -1, -(1 << 31))))
            at = len(self)
            self.words.append(0)
            head: tuple[str, dict[str, int]] = ("loops", {"sb": register})
        else:
            self.words.append(0)
            head = ("loop", {"count": count})
        outer = self.passes
        self.passes *= max(count, 1)
        yield
        if len(self) == at + 1:
            self.emit("nop")
        self.passes = outer
        name, values = head
        self.words[at] = CORE_INSTRUCTIONS[name].encode(end=len(self), **values)

    @contextmanager
    def skipped(self) -> Iterator[None]:
        """A jump or branch over what is written inside."""
        rng = self.rng
        at = len(self)
        self.words.append(0)
        yield
        if rng.random() < 0.3:
            self.words[at] = CORE_INSTRUCTIONS["jmp"].encode(target=len(self))
        else:
            name = rng.choice(("br.eq", "br.ne", "br.lt", "br.ge"))
            self.words[at] = CORE_INSTRUCTIONS[name].encode(
                sa=rng.randrange(32), sb=rng.randrange(32), target=len(self)
            )


def _of(*units: Unit, no: tuple[str, ...] = ()) -> list[Instruction]:
    return [
        item
        for item in CORE_INSTRUCTIONS.values()
        if item.unit in units and item.mnemonic not in no
    ]


def _csr(write: _Writer) -> None:
    rng = write.rng
    if rng.random() < 0.5:
        write.any(CORE_INSTRUCTIONS["csrr"])
        return
    key = rng.choice((Csr.ROUNDING, Csr.ROUNDING, Csr.SEED, Csr.SATURATED))
    value = rng.randint(0, 1) if key is Csr.ROUNDING else rng.getrandbits(32) | 1
    write.emit("csr", id=key, value=value)


def arithmetic(write: _Writer) -> None:
    """Vector and scalar instructions, modes, words of every size."""
    rng = write.rng
    vector, scalar = _of(Unit.VECTOR), _of(Unit.SCALAR)
    while len(write) < write.limit:
        draw = rng.random()
        if draw < 0.75:
            write.any(rng.choice(vector))
        elif draw < 0.92:
            write.any(rng.choice(scalar))
        else:
            _csr(write)


def loops(write: _Writer) -> None:
    """Loops in loops, common ends, jumps over and out of them, between scalar instructions."""
    rng = write.rng

    def block(depth: int, budget: int) -> None:
        for _ in range(rng.randint(1, 4)):
            if len(write) >= write.limit or budget <= 0:
                return
            draw = rng.random()
            if draw < 0.35 and depth < 5:
                # a fifth loop inside of four is a fault
                with write.loop():
                    block(depth + 1, budget - 1)
            elif draw < 0.55:
                with write.skipped():
                    block(depth, budget - 2)
            elif draw < 0.6:
                write.emit("loop", count=(1 << 24) - 1, end=len(write) + 3)
                write.emit("jmp", target=len(write) + 2)  # out of a loop that would never end
                write.emit("nop")
            else:
                write.any(rng.choice(_of(Unit.SCALAR)))

    while len(write) < write.limit:
        block(0, 6)


def memory(write: _Writer) -> None:
    """Loads, windows, stores and releases, in step with the readers and not."""
    rng, params = write.rng, write.params
    write.emit("csr", id=Csr.WATCHDOG, value=rng.choice((1, 3, 20)))
    while len(write) < write.limit:
        item = CORE_INSTRUCTIONS[rng.choice(("ld", "ld", "ld2", "st", "st", "st", "inv"))]
        length = write.length()
        given = {"len": length, "take": int(rng.random() < 0.3), "plain": int(rng.random() < 0.6)}
        if item.mnemonic == "ld2":
            given["rows"] = rng.randint(1, 5)
            given["len"] = length = min(length, 12)
            given["stride"] = rng.choice((0, 4, length, 8, rng.randint(0, 40)))
            given["d"] = write.place(length * given["rows"], write=True)
        synchronised = given["take"] if item.mnemonic != "st" else not given["plain"]
        reach = length + given.get("stride", 0) * given.get("rows", 1)
        address = rng.randint(0, max(0, params.memory_words - reach))
        if (synchronised or item.mnemonic == "inv") and rng.random() < 0.95:
            address -= address % LANES
        if rng.random() < 0.03:
            address = rng.choice((-1, params.memory_words - length + 1, 1 << 30, -(1 << 31)))
        offset = rng.choice((0, 0, rng.randint(-64, 64)))
        base = address - offset
        if not -(1 << 31) <= base < 1 << 31:
            base, offset = address, 0
        register = rng.randint(1, 31)
        write.emit("sset", sd=register, imm=base)
        names = {part.name for part in item.fields}
        given = {name: value for name, value in given.items() if name in names}
        write.any(item, base=register, offset=offset, **given)
        if rng.random() < 0.15:
            write.any(rng.choice(_of(Unit.VECTOR)))


def matrix(write: _Writer) -> None:
    """Operations of many units at once, with vectors that read and write the banks in use."""
    rng, params = write.rng, write.params
    for mcu in range(params.mcus):
        for key in (ConfigKey.MVM_SHIFT, ConfigKey.MTVM_SHIFT):
            shift = rng.randint(max(0, params.mcu.sum_bits - 26), params.mcu.sum_bits - 16)
            write.emit("mcfg", mcu=mcu, key=key, value=shift)
        write.emit("mcfg", mcu=mcu, key=ConfigKey.EAGER, value=rng.randrange(2))
    vector = _of(Unit.VECTOR)
    while len(write) < write.limit:
        draw = rng.random()
        mcu = rng.randrange(params.mcus)
        if draw < 0.3:
            write.any(CORE_INSTRUCTIONS["mcu"])
        elif draw < 0.36:
            write.any(CORE_INSTRUCTIONS["crs"])
        elif draw < 0.44:
            key = rng.choice(list(ConfigKey))
            low, high = {
                ConfigKey.ROWS: (1, params.mcu.rows), ConfigKey.COLUMNS: (1, params.mcu.columns),
                ConfigKey.EAGER: (0, 1),
            }.get(key, (1, params.mcu.sum_bits - 1))  # fmt: skip
            write.emit("mcfg", mcu=mcu, key=key, value=corner(rng, low, high))
        elif draw < 0.5:
            names = csr_names(params)
            counters = [number for name, number in names.items() if "." in name]
            write.emit("csrr", sd=rng.randrange(32), id=rng.choice(counters))
        elif draw < 0.75:
            bank = rng.choice(list(InBank))
            lines = params.in_lines(bank)
            first = rng.randrange(lines)
            write.any(
                CORE_INSTRUCTIONS[rng.choice(("vset", "v.mov", "vi.add", "v.add"))],
                d=params.xbar_in(mcu, bank) + first, len=rng.randint(1, lines - first),
            ) if rng.random() < 0.2 else _fill(write, params.xbar_in(mcu, bank), lines)  # fmt: skip
        else:
            out = rng.choice(list(OutBank))
            lines = params.out_lines(out)
            first = rng.randrange(lines)
            length = rng.randint(1, lines - first)
            item = rng.choice([item for item in vector if item.field("a")])
            given: dict[str, int] = {"a": params.xbar_out(mcu, out) + first, "len": length}
            if item.field("d"):
                given["d"] = GENERAL_BASE + rng.randint(0, params.registers - length)
            write.any(item, **given)


def _fill(write: _Writer, first: int, lines: int) -> None:
    """Operands of any size, moderate ones more often."""
    source = GENERAL_BASE + write.rng.randint(0, write.params.registers - lines)
    write.emit("vi.shr", d=first, a=source, len=lines, shift=write.rng.randint(0, 12))


def faults(write: _Writer) -> None:
    """Everything that must stop a core, between instructions that must not."""
    rng, params = write.rng, write.params
    write.emit("csr", id=Csr.WATCHDOG, value=rng.choice((1, 10, 100)))
    write.extremes = 0.5
    anything = _of(Unit.VECTOR, Unit.SCALAR, Unit.MEMORY, Unit.MATRIX)
    while len(write) < write.limit:
        draw = rng.random()
        if draw < 0.12:
            write.words.append(rng.getrandbits(INSTRUCTION_BITS))
        elif draw < 0.24:
            word = rng.choice(write.words) ^ 1 << rng.randrange(INSTRUCTION_BITS)
            write.words.append(word)
            _defuse(write)
        elif draw < 0.3:
            write.bad_parity.append(len(write))
            write.any(rng.choice(_of(Unit.SCALAR)))
        elif draw < 0.36:
            behind = [min(params.instructions + n, LAST_TARGET) for n in (0, 1)]
            end = rng.choice((0, len(write), len(write) + 1, *behind))
            write.emit("loop", count=rng.randint(0, 2), end=end)
            write.emit("jmp", target=len(write) + 1)  # out of it, if it is one
        elif draw < 0.4:
            write.emit("vs.div", d=GENERAL_BASE, a=GENERAL_BASE + 4, sb=rng.choice((0, 1)), len=3,
                       shift=rng.randint(0, 15))  # fmt: skip
        elif draw < 0.44:
            write.emit("vi.div", d=GENERAL_BASE, a=GENERAL_BASE + 4, imm=rng.choice((0, 3)), len=3,
                       shift=rng.randint(0, 15))  # fmt: skip
        elif draw < 0.5:
            write.emit("csr", id=rng.choice((*list(Csr), 6, 1024, 4095)),
                       value=rng.choice((0, 1, 2, 100)))  # fmt: skip
        elif draw < 0.53:
            write.emit("jmp", target=LAST_TARGET)
        elif draw < 0.56:
            write.emit("csrr", sd=rng.randrange(32), id=rng.getrandbits(12))
        else:
            write.any(rng.choice(anything))


def _defuse(write: _Writer) -> None:
    """A flipped bit must not make a jump backwards, or a loop around what follows."""
    item = next((i for i in CORE_INSTRUCTIONS.values() if i.matches(write.words[-1])), None)
    if item is not None and item.unit is Unit.CONTROL and item.mnemonic != "nop":
        write.words[-1] = 0


def mixed(write: _Writer) -> None:
    """A piece of each of the others."""
    rng = write.rng
    end = write.limit
    while len(write) < end:
        write.limit = min(end, len(write) + rng.randint(4, 30))
        write.extremes = 0.1
        rng.choice((arithmetic, loops, memory, matrix))(write)
        write.emit("csr", id=Csr.WATCHDOG, value=rng.choice((2, 50, PATIENCE)))


def extremes(write: _Writer) -> None:
    """Every field of every instruction at both ends of its range, in a place where it is legal if
    the core has one, and a fifth loop inside of four; ignores the limit.
    """
    for _ in range(LOOP_DEPTH + 1):
        write.emit("loop", count=1, end=len(write) + LOOP_DEPTH + 2)
    # a quarter of the memory for loads, for loads that take, for stores that wait, for releases
    quarter = len(write.valid) // 4
    for group in range(4 * quarter):
        write.valid[group] = group // quarter != 2
        write.readers[group] = (1 << READERS) - 1 if group // quarter == 1 else 0
    cursor = [LANES * quarter * n for n in range(4)]
    for item in CORE_INSTRUCTIONS.values():
        for part in item.fields or (None,):
            for value in (0,) if part is None else (part.least, part.greatest):
                if item.mnemonic != "hlt":
                    _extreme(write, item, {} if part is None else {part.name: value}, cursor)
        if len(write) >= write.params.instructions - 40:
            raise ValueError("Extremes must fit the instruction memory")


def _extreme(write: _Writer, item: Instruction, given: dict[str, int], cursor: list[int]) -> None:
    """Emit an instruction with these values, the others so that it can be carried out."""
    last = GENERAL_BASE + write.params.registers - 1
    at_end = any(given.get(name, 0) >= last for name in "dab")
    space = 0 if given.get("len", 0) > 64 else 64
    values = {
        "d": GENERAL_BASE, "a": GENERAL_BASE + space, "b": GENERAL_BASE + 2 * space,
        "len": 1 if at_end else 3,
        "imm": 3, "sa": 2, "sb": 2, "sd": 3, "shift": 1, "fraction": 1, "count": 1,
        "id": Csr.SATURATED, "value": 1, "mcu": 0, "key": ConfigKey.CLEAR_COUNTERS,
        "operations": 1, "mcus": 1,
        "base": 30, "offset": 0, "rows": 1 if at_end else 2, "stride": 4,
        "take": 0, "plain": 1, "readers": 0,
        **given,
    }  # fmt: skip
    if item.lane is Function.DIV and item.field("sb"):
        write.emit("sset", sd=values["sb"], imm=7)
    if item.unit is Unit.MEMORY:
        kind = 3 if item.mnemonic == "inv" else 1 if values["take"] else 0
        if item.field("plain") and not values["plain"]:
            kind = 2
        address = cursor[kind] if values["base"] else 0
        if kind:
            cursor[kind] += LANES * (values["len"] // LANES + 1)
        if values["base"]:
            write.emit("sset", sd=values["base"], imm=address - values["offset"])
        else:
            values["offset"] = max(0, values["offset"])
    at = len(write)
    values = {"target": at + 2, "end": at + 2, **values}
    write.emit(item.mnemonic, **{part.name: int(values[part.name]) for part in item.fields})
    if item.field("end"):
        write.emit("jmp", target=at + 2)  # out of it, should it be a loop
    elif item.field("target"):
        write.emit("nop")


GENERATORS: dict[str, Callable[[_Writer], None]] = {
    function.__name__: function
    for function in (arithmetic, loops, memory, matrix, faults, mixed, extremes)
}


def generate(name: str, seed: int, core: str, params: CoreParams, *, size: int = 120) -> Case:
    """The program ``seed`` of generator ``name``, about ``size`` instructions long.

    Raises
    ------
    ValueError
        If there is no such generator.
    """
    if name not in GENERATORS:
        raise ValueError(f"Generator must be one of {', '.join(GENERATORS)}, not {name!r}")
    rng = random.Random(f"{name} {seed}")
    write = _Writer(params, rng, 0)
    words = [corner(rng, WORD_LOW, WORD_HIGH) for _ in range(params.memory_words)]
    for _ in range(params.memory_words // LANES):
        draw = rng.random()
        write.valid.append(int(draw < 0.85))
        write.readers.append(rng.getrandbits(READERS) if 0.6 < draw < 0.85 else 0)
    _prologue(write)
    body = len(write)
    write.limit = min(body + size, params.instructions - body - 40)
    GENERATORS[name](write)
    tail = len(write)
    _epilogue(write)
    # what the prologue loads has to be there
    loaded = params.registers // LANES
    write.valid[:loaded], write.readers[:loaded] = [1] * loaded, [0] * loaded
    write.valid[-1], write.readers[-1] = 1, 1
    return Case(
        generator=name, seed=seed, core=core, words=tuple(write.words), body=body, tail=tail,
        bad_parity=tuple(write.bad_parity), memory=tuple(words), valid=tuple(write.valid),
        readers=tuple(write.readers), cells_seed=rng.getrandbits(32),
    )  # fmt: skip


def _prologue(write: _Writer) -> None:
    """Set every register, so a case is the same whatever ran before it."""
    rng, params = write.rng, write.params
    write.emit("csr", id=Csr.WATCHDOG, value=PATIENCE)
    # there to be taken once: a program that jumps back to its beginning ends here
    write.emit("sset", sd=1, imm=params.memory_words - LANES)
    write.emit("ld", d=GENERAL_BASE, base=1, offset=0, len=LANES, take=1)
    for register in range(1, SCALARS):
        write.emit("sset", sd=register, imm=corner(rng, -(1 << 31), (1 << 31) - 1))
    for first in range(0, params.registers, 512):
        length = min(512, params.registers - first)
        write.emit("ld", d=GENERAL_BASE + first, base=0, offset=first, len=length)
    for mcu in range(params.mcus):
        for bank in InBank:
            lines = params.in_lines(bank)
            source = GENERAL_BASE + rng.randint(0, params.registers - lines)
            write.emit("v.mov", d=params.xbar_in(mcu, bank), a=source, len=lines)
        for key in (ConfigKey.MVM_SHIFT, ConfigKey.MTVM_SHIFT):
            write.emit("mcfg", mcu=mcu, key=key, value=params.mcu.sum_bits - 20)
    write.emit("mcu", operations=sum(0b011 << 3 * mcu for mcu in range(params.mcus)))


def _epilogue(write: _Writer) -> None:
    """Bring every register to light: the register file and the results of one more operation of
    every unit go to memory, every control register through a scalar.
    """
    params = write.params
    write.emit("csr", id=Csr.WATCHDOG, value=PATIENCE)
    address = 0

    def show(first: int, words: int) -> None:
        nonlocal address
        for start in range(0, words, 512):
            length = min(512, words - start)
            write.emit("sset", sd=1, imm=address)
            write.emit("st", a=first + start, base=1, offset=0, len=length, plain=1)
            address += length

    show(GENERAL_BASE, params.registers)
    units = range(params.mcus)
    for mcu in units:
        for bank in InBank:
            show(params.xbar_in(mcu, bank), params.in_lines(bank))
    write.emit("mcu", operations=sum(0b111 << 3 * mcu for mcu in units))
    for mcu in units:
        for out in OutBank:
            show(params.xbar_out(mcu, out), params.out_lines(out))
    for number in csr_names(params).values():
        write.emit("csrr", sd=1, id=number)
    write.emit("mcu", operations=1)
    write.emit("hlt")  # which waits for it


def shrink(case: Case) -> Generator[Case, bool, None]:
    """Candidates with fewer instructions, in the order in which to try them.

    The caller sends back whether a candidate still fails.
    """
    nop = CORE_INSTRUCTIONS["nop"].encode()
    last = len(case.words) - 1 if case.tail is None else case.tail
    size = (last - case.body) // 2
    while size:
        at = case.body
        while at < last:
            # addresses stay: what is taken out becomes nop, so jumps and loops still fit
            piece = range(at, min(at + size, last))
            at += size
            if all(case.words[n] == nop for n in piece):
                continue
            words = tuple(nop if n in piece else word for n, word in enumerate(case.words))
            parity = tuple(n for n in case.bad_parity if n not in piece)
            smaller = replace(case, words=words, bad_parity=parity)
            better = yield smaller
            if better:
                case = smaller
        size //= 2
