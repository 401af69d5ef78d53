"""Program pairs: ``NAME.pasm`` and, in ``NAME.exp``, what it starts from and what must come of it.

A pair runs on any engine; :func:`read_expectations` says what an ``.exp`` may hold.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cocotb_tests.program_trace import compact
from golden.slicing import decode, encode
from models.system.core import Core, Status
from panther.arch.core import LANES, SCALARS, CoreParams, Csr, Fault, csr_names
from panther.arch.mcu import InBank, OutBank, counter_names
from panther.arch.presets import CORES, core_preset
from panther.asm import Program, assemble_file
from panther.asm.names import READER_NAMES, bank_name, names_of

FOLDER = Path(__file__).parent / "programs"
CORE = "SMALL"
"""The core the pairs of :data:`FOLDER` are for."""


class ExpectationError(ValueError):
    """What is wrong with an ``.exp`` file: one line, ``file:line`` first."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a program ended and what it left, whoever ran it."""

    fault: Fault
    running: bool
    """It had not ended when its limit of cycles was reached."""
    pc: int
    """Of the instruction that stopped the core, or the next one."""
    cycle: int
    """In which the core stopped or would go on."""
    retired: int
    scalars: NDArray[np.int64]
    registers: NDArray[np.int16]
    """The register file by address."""
    memory: NDArray[np.int16]
    valid: NDArray[np.bool_]
    """Of each group of the memory."""
    readers: NDArray[np.int64]
    cells: Sequence[NDArray[np.int16]]
    """Of each matrix unit, shape (slices, rows, columns)."""

    @property
    def stop(self) -> str:
        """As an ``.exp`` says it."""
        if self.running:
            return f"running in cycle {self.cycle}"
        if self.fault is Fault.NONE:
            return f"halted in cycle {self.cycle}"
        return f"{self.fault.name} at pc {self.pc} in cycle {self.cycle}"

    def save(self, path: Path) -> None:
        """Write a file :meth:`load` reads."""
        numbers = [int(self.fault), self.running, self.pc, self.cycle, self.retired]
        np.savez(
            path, numbers=np.array(numbers, np.int64), scalars=self.scalars,
            registers=self.registers, memory=self.memory, valid=self.valid, readers=self.readers,
            cells=np.stack(self.cells),
        )  # fmt: skip

    @classmethod
    def load(cls, path: Path) -> "Outcome":
        """Read what :meth:`save` wrote."""
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        fault, running, pc, cycle, retired = arrays.pop("numbers").tolist()
        return cls(
            fault=Fault(fault), running=bool(running), pc=pc, cycle=cycle, retired=retired, **arrays
        )


def outcome_of(core: Core) -> Outcome:
    """What a core at transaction level has come to."""
    return Outcome(
        fault=core.fault, running=core.status is Status.RUNNING, pc=core.pc, cycle=core.cycle,
        retired=core.retired, scalars=core.scalars, registers=core.registers.copy(),
        memory=core.memory_words.copy(), valid=core.memory.valid.copy(),
        readers=core.memory.readers.copy(),
        cells=[core.cells(m) for m in range(core.params.mcus)],
    )  # fmt: skip


def saturation_counters(params: CoreParams) -> dict[str, int]:
    """The control registers that count saturations, by name."""
    counters = counter_names(params.mcu.slices.count)
    return {
        name: number
        for name, number in csr_names(params).items()
        if name.partition(".")[2] in counters or number == Csr.SATURATED
    }


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a program starts from; everything else is 0, and all of the memory free."""

    memory: NDArray[np.int16]
    valid: NDArray[np.bool_]
    readers: NDArray[np.int64]
    cells: Sequence[NDArray[np.int16]]
    parity: tuple[int, ...] = ()
    """Addresses of words whose parity bit is wrong."""

    def apply(self, core: Core, words: Sequence[int]) -> None:
        """Bring a core at transaction level into that state, ready to start."""
        core.load(words, self.parity)
        core.memory_words[:] = self.memory
        core.memory.valid[:] = self.valid
        core.memory.readers[:] = self.readers
        for array, cells in zip(core.arrays, self.cells, strict=True):
            array.cells = cells


def given_nothing(params: CoreParams) -> Given:
    """What a program without an ``.exp`` starts from."""
    groups = params.memory_words // LANES
    shape = (params.mcu.slices.count, params.mcu.rows, params.mcu.columns)
    return Given(
        memory=np.zeros(params.memory_words, np.int16), valid=np.zeros(groups, np.bool_),
        readers=np.zeros(groups, np.int64),
        cells=[np.zeros(shape, np.int16) for _ in range(params.mcus)],
    )  # fmt: skip


@dataclass(frozen=True)
class Expectation:
    """One line about what must come of a program."""

    where: str
    """``file:line``."""
    what: str
    """The left side."""
    expected: str
    look: Callable[[Outcome], str]

    def mismatch(self, outcome: Outcome) -> str:
        """What differs, empty if nothing does."""
        found = self.look(outcome)
        if found == self.expected:
            return ""
        return f"{self.where}: {self.what} must be {self.expected}, not {found}"


@dataclass(frozen=True, kw_only=True)
class Expectations:
    """An ``.exp`` file."""

    given: Given
    expected: tuple[Expectation, ...]

    def mismatches(self, outcome: Outcome) -> list[str]:
        """Everything that is not as it must be, a line each."""
        return [text for item in self.expected if (text := item.mismatch(outcome))]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A program and what must come of it."""

    name: str
    program: Program
    expectations: Expectations


# ---- the pairs of a folder


def pair_names(folder: Path = FOLDER) -> list[str]:
    """Names of all pairs.

    Raises
    ------
    ExpectationError
        If a program or an ``.exp`` is alone, or something else lies in the folder.
    """
    programs = {path.stem for path in folder.glob("*.pasm")}
    expectations = {path.stem for path in folder.glob("*.exp")}
    alone = [
        f"{folder.name}/{name}: must come with {name}{'.exp' if name in programs else '.pasm'}"
        for name in sorted(programs ^ expectations)
    ]
    alone += [
        f"{folder.name}/{path.name}: must be a .pasm or an .exp"
        for path in sorted(folder.iterdir())
        if path.suffix not in (".pasm", ".exp")
    ]
    if alone:
        raise ExpectationError("\n".join(alone))
    return sorted(programs)


def read_pair(name: str, params: CoreParams, folder: Path = FOLDER) -> Pair:
    """One pair of a folder."""
    return Pair(
        name=name,
        program=assemble_file(folder / f"{name}.pasm", params),
        expectations=read_expectations(folder / f"{name}.exp", params),
    )


# ---- the format


@dataclass
class _Reader:
    params: CoreParams
    given: Given
    parity: list[int] = field(default_factory=list)

    def number(self, text: str) -> int:
        try:
            return int(text, 0)
        except ValueError:
            raise ValueError(f"Value must be an integer, not {text!r}") from None

    def values(self, text: str) -> list[int]:
        found: list[int] = []
        for item in text.split():
            value, star, count = item.partition("*")
            times = self.number(count) if star else 1
            if not 1 <= times <= 1 << 15:
                raise ValueError(f"Repetition must be in the range [1, 32768], not {times}")
            found += [self.number(value)] * times
        if not found:
            raise ValueError("Values must not be left out")
        return found

    def words(self, text: str, low: int = -(1 << 15), high: int = (1 << 15) - 1) -> list[int]:
        found = self.values(text)
        for value in found:
            if not low <= value <= high:
                raise ValueError(f"Value must be in the range [{low}, {high}], not {value}")
        return found

    def place(self, what: str, first: int, count: int, end: int) -> slice:
        if not 0 <= first <= first + count <= end:
            last = f" to {first + count - 1}" if count > 1 else ""
            raise ValueError(f"{what} must lie below {end}, not {first}{last}")
        return slice(first, first + count)

    def group(self, address: int) -> int:
        if address % LANES:
            raise ValueError(f"Group must begin at a multiple of {LANES}, not {address}")
        return self.place("Group", address, LANES, self.params.memory_words).start // LANES

    def readers(self, text: str, *others: str) -> int:
        mask = 0
        for name in text.split():
            if name not in READER_NAMES:
                known = ", ".join((*others, READER_NAMES[0], "...", READER_NAMES[-1]))
                raise ValueError(f"Reader must be one of {known}, not {name!r}")
            mask |= 1 << READER_NAMES.index(name)
        return mask

    def unit(self, text: str) -> int:
        return self.place("Matrix unit", int(text), 1, self.params.mcus).start

    def lines(self, row: str, column: str, count: int) -> tuple[int, slice]:
        mcu = self.params.mcu
        self.place("Row", int(row), 1, mcu.rows)
        return int(row), self.place("Columns", int(column), count, mcu.columns)

    # ---- what a program starts from

    def given_core(self, right: str) -> None:
        if self.params != core_preset(right):
            here = next((name for name, core in CORES.items() if core == self.params), "another")
            raise ValueError(f"Core must be {right}, not {here}")

    def given_memory(self, right: str, address: str) -> None:
        words = self.words(right)
        where = self.place("Words", int(address), len(words), self.params.memory_words)
        self.given.memory[where] = words
        self.given.valid[where.start // LANES : (where.stop + LANES - 1) // LANES] = True

    def given_readers(self, right: str, address: str) -> None:
        group = self.group(int(address))
        self.given.readers[group] = self.readers(right)
        self.given.valid[group] = True

    def given_parity(self, right: str) -> None:
        self.parity += self.words(right, 0, self.params.instructions - 1)

    def given_weights(self, right: str, unit: str, row: str, column: str) -> None:
        values = self.values(right)
        at, columns = self.lines(row, column, len(values))
        cells = encode(np.array([values]), self.params.mcu.slices)
        self.given.cells[self.unit(unit)][:, at, columns] = cells[:, 0]

    def given_cells(self, right: str, unit: str, k: str, row: str, column: str) -> None:
        slices = self.params.mcu.slices
        self.place("Slice", int(k), 1, slices.count)
        values = self.words(right, *slices.cell_range(int(k)))
        at, columns = self.lines(row, column, len(values))
        self.given.cells[self.unit(unit)][int(k), at, columns] = values

    # ---- what must come of it: how it is looked up, and what must be found

    def stop(self, right: str) -> tuple[Callable[[Outcome], str], str]:
        form = re.fullmatch(r"(?:halted|([A-Z_]+) at pc \d+) in cycle \d+", right)
        if form is None or (form[1] or "PC") not in Fault.__members__:
            raise ValueError(
                "Stop must be `halted in cycle N` or `FAULT at pc N in cycle N`, FAULT one of "
                f"{', '.join(f.name for f in Fault if f)}, not {right!r}"
            )
        return lambda outcome: outcome.stop, right

    def retired(self, right: str) -> tuple[Callable[[Outcome], str], str]:
        return lambda outcome: str(outcome.retired), str(self.number(right))

    def scalar(self, right: str, register: str) -> tuple[Callable[[Outcome], str], str]:
        n = self.place("Scalar register", int(register), 1, SCALARS).start
        value = self.number(right)
        return lambda outcome: str(outcome.scalars[n]), str(value)

    def vector(
        self, right: str, name: str, offset: str | None
    ) -> tuple[Callable[[Outcome], str], str]:
        symbols = names_of(self.params).symbols
        if name not in symbols or name in READER_NAMES:
            raise ValueError(f"Vector must begin at a register or a bank, not {name!r}")
        words = self.words(right)
        first = symbols[name] + int(offset or 0)
        end = symbols["r0"] + self.params.registers
        if "." in name:
            # a bank has a name, its words have none
            bank = name.partition(".")[2]
            mcu = self.params.mcu
            end = symbols[name] + (mcu.rows if bank in _ROW_BANKS else mcu.columns)
        if first + len(words) > end:
            over = first + len(words) - end
            raise ValueError(f"Vector must end in its bank, not {over} words behind it")
        where = slice(first, first + len(words))
        return lambda outcome: compact(outcome.registers[where].tolist()), compact(words)

    def memory(self, right: str, address: str) -> tuple[Callable[[Outcome], str], str]:
        words = self.words(right)
        where = self.place("Words", int(address), len(words), self.params.memory_words)
        return lambda outcome: compact(outcome.memory[where].tolist()), compact(words)

    def state(self, right: str, address: str) -> tuple[Callable[[Outcome], str], str]:
        n = self.group(int(address))
        if right not in ("free", "valid"):
            mask = self.readers(right, "free", "valid")
            right = " ".join(name for bit, name in enumerate(READER_NAMES) if mask >> bit & 1)

        def look(outcome: Outcome) -> str:
            mask = int(outcome.readers[n])
            left = [name for bit, name in enumerate(READER_NAMES) if mask >> bit & 1]
            return " ".join(left) or ("valid" if outcome.valid[n] else "free")

        return look, right

    def weights(
        self, right: str, unit: str, row: str, column: str
    ) -> tuple[Callable[[Outcome], str], str]:
        values = self.values(right)
        m, (at, columns) = self.unit(unit), self.lines(row, column, len(values))
        slices = self.params.mcu.slices
        return lambda outcome: compact(decode(outcome.cells[m], slices)[at, columns]), compact(
            values
        )

    def cells(
        self, right: str, unit: str, k: str, row: str, column: str
    ) -> tuple[Callable[[Outcome], str], str]:
        self.place("Slice", int(k), 1, self.params.mcu.slices.count)
        values = self.values(right)
        m, (at, columns) = self.unit(unit), self.lines(row, column, len(values))
        return lambda outcome: compact(outcome.cells[m][int(k), at, columns]), compact(values)


_ROW_BANKS = tuple(bank_name(bank) for bank in (InBank.MVM, InBank.OPA_ROWS, OutBank.MTVM))


_GIVEN: Mapping[str, Callable[..., None]] = {
    r"given core": _Reader.given_core,
    r"given memory (\d+)": _Reader.given_memory,
    r"given readers (\d+)": _Reader.given_readers,
    r"given parity": _Reader.given_parity,
    r"given m(\d)\.weights (\d+) (\d+)": _Reader.given_weights,
    r"given m(\d)\.cells (\d+) (\d+) (\d+)": _Reader.given_cells,
}
_EXPECTED: Mapping[str, Callable[..., tuple[Callable[[Outcome], str], str]]] = {
    r"stop": _Reader.stop,
    r"retired": _Reader.retired,
    r"s(\d+)": _Reader.scalar,
    r"memory (\d+)": _Reader.memory,
    r"state (\d+)": _Reader.state,
    r"m(\d)\.weights (\d+) (\d+)": _Reader.weights,
    r"m(\d)\.cells (\d+) (\d+) (\d+)": _Reader.cells,
    r"(r\d+|m\d\.[a-z_]+)(?: \+ (\d+))?": _Reader.vector,
}


def _read_line(reader: _Reader, where: str, left: str, right: str) -> Expectation | None:
    for form, read in _GIVEN.items():
        if match := re.fullmatch(form, left):
            read(reader, right, *match.groups())
            return None
    for form, look_up in _EXPECTED.items():
        if match := re.fullmatch(form, left):
            look, expected = look_up(reader, right, *match.groups())
            return Expectation(where, left, expected, look)
    raise ValueError(f"Line must be one of those cocotb_tests/expectations.py names, not {left!r}")


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if content := line.partition(";")[0].strip():
            yield number, content


def parse_expectations(text: str, name: str, params: CoreParams) -> Expectations:
    """Read the text of an ``.exp`` file; ``name`` is what messages call it.

    A line is ``LEFT = RIGHT``; ``;`` begins a comment. Numbers are decimal or ``0x1f``; ``0*13`` is
    thirteen zeros. What the program starts from::

        given core = SMALL              the core it is for
        given memory 16 = 1 2 3         words from address 16 on; their groups are valid
        given readers 16 = core0 core2  the group at address 16 is valid, and who has to take it
        given parity = 4 7              the words at 4 and 7 have wrong parity
        given m0.weights 2 3 = 5 -7     weights of row 2 from column 3 on, as canonical cells
        given m0.cells 7 2 3 = 1 -1     cells of slice 7, row 2 from column 3 on

    What must come of it::

        stop = halted in cycle 57       in whose X cycle it halted
        stop = DIVISION at pc 3 in cycle 9
        retired = 12
        s3 = -5
        r0 = 1 2 3                      vector registers; or r0 + 4, m0.mvm_out, m1.mvm_in + 8
        memory 16 = 1 2 3
        state 16 = core2                of a group: free, valid, or who has to take it
        m0.weights 2 3 = 5 -7
        m0.cells 7 2 3 = 1 -1

    Raises
    ------
    ExpectationError
        If a line is none of these, is there twice, or names what the core does not have, or if
        no line says how the program stops; a line ``file:line: ...`` for each mistake.
    """
    reader = _Reader(params, given_nothing(params))
    found: list[Expectation] = []
    seen: dict[str, int] = {}
    wrong: list[str] = []
    for number, line in _lines(text):
        where = f"{name}:{number}"
        left, equals, right = (" ".join(part.split()) for part in line.partition("="))
        if left in seen:
            wrong.append(f"{where}: {left} must be there once, but is in line {seen[left]}, too")
            continue
        seen[left] = number
        try:
            if not equals:
                raise ValueError(f"Line must have the form `what = value`, not {line!r}")
            item = _read_line(reader, where, left, right)
        except ValueError as error:
            wrong.append(f"{where}: {error}")
            continue
        if item is not None:
            found.append(item)
    if "stop" not in seen:
        wrong.append(f"{name}: must say how the program stops")
    if wrong:
        raise ExpectationError("\n".join(wrong))
    given = replace(reader.given, parity=tuple(reader.parity))
    return Expectations(given=given, expected=tuple(found))


def core_of(path: Path) -> str | None:
    """Name of the core an ``.exp`` file is for, if it says so."""
    for _, line in _lines(path.read_text(encoding="utf-8")):
        left, _, right = (" ".join(part.split()) for part in line.partition("="))
        if left == "given core":
            return right
    return None


def read_expectations(path: Path, params: CoreParams) -> Expectations:
    """:func:`parse_expectations` of a file."""
    return parse_expectations(path.read_text(encoding="utf-8"), path.name, params)
