"""What instructions wrote, as lines of text: one for each that retired."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.system.trace import Event
from panther.arch.core import LANES, CoreParams, MemoryOp
from panther.arch.isa import INSTRUCTIONS
from panther.asm import Program, instruction_text
from panther.asm.names import names_of

Rows = Mapping[Event, NDArray[np.int64]]
STREAMS = (Event.RETIRE, Event.SCALAR, Event.VECTOR, Event.REQUEST)

_VECTOR = INSTRUCTIONS["vset"].field("d")
assert _VECTOR is not None


def words_of_row(row: NDArray[np.int64]) -> list[int]:
    """The four words packed into the last number of a row."""
    words: list[int] = row[-1:].astype("<i8").view("<i2").tolist()
    return words


class Tracer:
    """Makes lines of events; those of an instruction that has not retired are kept until it has.

    Parameters
    ----------
    params
        The core.
    program
        What it runs, for places in the source.
    """

    HEAD = f"{'cycle':>9} {'pc':>5}  {'instruction':<40} {'source':<24} what it wrote"

    def __init__(self, params: CoreParams, program: Program | None) -> None:
        self._params, self._program = params, program
        self._names = names_of(params)
        self._kept: dict[Event, list[NDArray[np.int64]]] = {event: [] for event in STREAMS}

    def lines(self, events: Rows) -> Iterator[str]:
        """Lines of the instructions that retired since the last call."""
        for event in STREAMS[1:]:
            self._kept[event] += list(events[event])
        for cycle, pc, low, high in events[Event.RETIRE].tolist():
            text = instruction_text(low | high << 32, self._params)
            line = self._program.source.get(pc) if self._program else None
            where = "" if line is None else f"{Path(line.file).name}:{line.number}"
            writes = "; ".join(self._writes(cycle))
            yield f"{cycle:>9} {pc:>5}  {text:<40} {where:<24} {writes}".rstrip()

    def _until(self, event: Event, cycle: int) -> list[NDArray[np.int64]]:
        rows = self._kept[event]
        count = next((n for n, row in enumerate(rows) if row[0] > cycle), len(rows))
        self._kept[event] = rows[count:]
        return rows[:count]

    def _writes(self, cycle: int) -> Iterable[str]:
        for row in self._until(Event.SCALAR, cycle):
            yield f"s{row[1]} = {signed(int(row[2]))}"
        vectors = [(int(row[1]), words_of_row(row)[: row[2]]) for row in
                   self._until(Event.VECTOR, cycle)]  # fmt: skip
        for first, words in _joined(vectors):
            yield f"{self.place(first)} = {compact(words)}"
        stored, released, taken = [], [], []
        for row in self._until(Event.REQUEST, cycle):
            lanes = [n for n in range(LANES) if row[3] >> n & 1]
            first = int(row[2]) * LANES + lanes[0]
            words = [words_of_row(row)[n] for n in lanes]
            if row[1] == MemoryOp.STORE:
                stored.append((first, words))
            elif row[1] == MemoryOp.RELEASE:
                released.append((first, words))
            elif row[4]:
                taken.append((first, words))
        for first, words in _joined(stored):
            yield f"memory {first} = {compact(words)}"
        for what, pieces in (("free", released), ("taken", taken)):
            for first, words in _joined(pieces):
                yield f"memory {first} to {first + len(words) - 1} {what}"

    def place(self, address: int) -> str:
        """A register-file address as a program writes it."""
        return self._names.text(_VECTOR, address)


def signed(value: int) -> int:
    """A word of 32 bits with its sign."""
    return value - (value >> 31 << 32)


def _joined(pieces: Sequence[tuple[int, list[int]]]) -> Iterator[tuple[int, list[int]]]:
    """Pieces that lie one behind the other as one."""
    first, words = 0, list[int]()
    for start, piece in pieces:
        if words and start == first + len(words):
            words += piece
            continue
        if words:
            yield first, words
        first, words = start, list(piece)
    if words:
        yield first, words


def compact(words: Sequence[int]) -> str:
    """Words as an ``.exp`` has them: ``5*16`` is sixteen fives."""
    texts: list[str] = []
    for word, alike in itertools.groupby(words):
        count = len(list(alike))
        texts += [f"{word}*{count}"] if count > 3 else [str(word)] * count
    return " ".join(texts)
