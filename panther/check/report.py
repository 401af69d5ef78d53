"""What a check found, and how places in programs are called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from panther.arch.core import CoreParams
from panther.asm import Program, instruction_text, unit_name

Unit = tuple[int, int]
"""Tile, and core or ``SEQUENCER``."""
KINDS = ("deadlock", "race", "fault", "data-dependent", "limit")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something that is, or may go, wrong."""

    kind: str
    """One of ``KINDS``."""
    unit: Unit
    """Whose program it is; of send and receive unit that of the sequencer."""
    pc: int
    """Address of the instruction."""
    text: str
    """Unit, pc, source line and what is wrong."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass(frozen=True, kw_only=True)
class Report:
    """The outcome of a check."""

    problems: tuple[Problem, ...]
    instructions: Mapping[Unit, int]
    """Instructions each unit carried out."""
    circle: tuple[str, ...] = ()
    """Names of units of which each waits for the next one, and the last for the first."""

    @property
    def ok(self) -> bool:
        """Whether the programs are proven to be free of deadlocks and races."""
        return not self.problems


class Places:
    """Names of instructions: with file and line if the source is known, else as disassembled."""

    def __init__(
        self, params: CoreParams, programs: Mapping[Unit, Program | Sequence[int]]
    ) -> None:
        self._params = params
        self._programs = programs

    def at(self, unit: Unit, pc: int, who: str = "") -> str:
        """``tile 0 core 0 pc 7 (a.pasm:3: ld r0, s0, 0, 4)``; ``who`` replaces the unit's name."""
        name = f"{who or unit_name(*unit)} pc {pc}"
        program = self._programs[unit]
        words = program.words if isinstance(program, Program) else program
        if pc >= len(words):
            return name
        if isinstance(program, Program) and (line := program.source.get(pc)) is not None:
            text = " ".join(line.text.partition(";")[0].split())
            return f"{name} ({line}: {text})"
        return f"{name} ({instruction_text(int(words[pc]), self._params)})"
