"""What ``panther run`` shows of a program that has ended."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from panther.arch.core import CoreParams, Fault
from panther.arch.mcu import InBank, OutBank

if TYPE_CHECKING:
    from numpy import int16
    from numpy.typing import NDArray

    from cocotb_tests.expectations import Outcome
    from panther.asm import Program

ROW = 16
"""Words of the register file in a row."""
MOST_ROWS = 40
ENOUGH = 1000
"""Instructions whose speed says something."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a program ended, and what was counted."""

    outcome: "Outcome"
    counters: Mapping[str, int]
    """Saturation counters by name."""
    operations: Sequence[tuple[int, str, int, int]]
    """Matrix unit, operation, its cycles, and how many of them there were."""
    seconds: float | None = None
    """CPU time at transaction level."""
    compared: int | None = None
    """Values compared in lockstep."""


def stop_lines(outcome: "Outcome", program: "Program | None") -> list[str]:
    """How it stopped, and where if it did not halt."""
    if outcome.fault is Fault.NONE and not outcome.running:
        return [f"halted in cycle {outcome.cycle}"]
    if outcome.running:
        lines = [f"STILL RUNNING after {outcome.cycle} cycles, at pc {outcome.pc}"]
    else:
        from panther.asm.manual import meanings

        meaning = meanings(Fault)[outcome.fault.name]
        place = f"at pc {outcome.pc} in cycle {outcome.cycle}"
        lines = [f"FAULT {outcome.fault.name} {place}: {meaning}"]
    if program is not None and (line := program.source.get(outcome.pc)) is not None:
        lines.append(f"  {line}: {line.text.strip()}")
    return lines


def summary(ended: Ended, params: CoreParams) -> list[tuple[str, str]]:
    """Everything worth knowing, as rows of a label and a text."""
    outcome = ended.outcome
    cycles = outcome.cycle + (not outcome.running)
    rows = [("instructions", str(outcome.retired)), ("cycles", str(cycles))]
    if ended.seconds and outcome.retired >= ENOUGH:
        rate = outcome.retired / ended.seconds
        rows.append(("speed", f"{_rounded(rate)} instructions a CPU second"))
    if ended.compared is not None:
        rows.append(("compared", f"{ended.compared} values with the twin, all equal"))
    rows += _in_lines(
        "scalars", [f"s{n} = {value}" for n, value in enumerate(outcome.scalars) if value]
    )
    vectors = list(_vectors(outcome.registers, params))
    rows += vectors[:MOST_ROWS]
    if len(vectors) > MOST_ROWS:
        rows.append(("...", f"{len(vectors) - MOST_ROWS} more rows that are not 0"))
    units: dict[int, list[str]] = {}
    for m, name, taken, count in ended.operations:
        units.setdefault(m, []).append(f"{count} {name} of {taken} cycles")
    rows += [(f"m{m}", ", ".join(texts)) for m, texts in sorted(units.items())]
    counted = [f"{name} {count}" for name, count in ended.counters.items() if count]
    return rows + _in_lines("counters", counted)


def as_text(rows: Sequence[tuple[str, str]]) -> str:
    """The rows as two aligned columns."""
    width = max(len(label) for label, _ in rows)
    return "".join(f"  {label:<{width}}  {text}\n" for label, text in rows)


def _rounded(rate: float) -> str:
    for unit, size in (("M ", 1e6), ("k ", 1e3)):
        if rate >= size:
            return f"{rate / size:.3g} {unit.strip()}"
    return f"{rate:.0f}"


def _in_lines(label: str, texts: Sequence[str], width: int = 80) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    line = ""
    for text in texts:
        if line and len(line) + len(text) + 2 > width:
            rows.append(("" if rows else label, line))
            line = ""
        line = f"{line}, {text}" if line else text
    return [*rows, ("" if rows else label, line)] if line else rows


def _vectors(registers: "NDArray[int16]", params: CoreParams) -> Iterator[tuple[str, str]]:
    """Rows of words that are not all 0, without the zeros at their end."""
    from cocotb_tests.program_trace import compact

    for name, first, count in _banks(params):
        rows: list[tuple[str, str, int]] = []
        for start in range(0, count, ROW):
            words = registers[first + start : first + min(count, start + ROW)].tolist()
            while words and words[-1] == 0:
                words.pop()
            text = compact(words)
            if rows and rows[-1][1] == text:
                rows[-1] = (rows[-1][0], text, rows[-1][2] + 1)
            else:
                label = f"{name}{start}" if name == "r" else f"{name} + {start}" if start else name
                rows.append((label, text, 1))
        for label, text, alike in rows:
            if text:
                yield label, text if alike == 1 else f"{text}  ({alike} rows of {ROW} like this)"


def _banks(params: CoreParams) -> Iterator[tuple[str, int, int]]:
    from panther.arch.core import GENERAL_BASE
    from panther.asm.names import bank_name

    yield "r", GENERAL_BASE, params.registers
    for m in range(params.mcus):
        for bank in InBank:
            name = f"m{m}.{bank_name(bank)}"
            yield name, params.xbar_in(m, bank), params.in_lines(bank)
        for out in OutBank:
            yield f"m{m}.{bank_name(out)}", params.xbar_out(m, out), params.out_lines(out)
