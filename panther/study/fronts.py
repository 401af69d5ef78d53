"""Pareto fronts: points of a study than which no other is better in one thing and worse in none."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from panther.study.errors import StudyError, unknown
from panther.study.results import OWN, Results
from panther.study.study import canonical

LABEL = "label"
"""A result of that name says in words what a point is."""
UNITS = {
    "j": (("J", 1.0), ("mJ", 1e3), ("µJ", 1e6), ("nJ", 1e9), ("pJ", 1e12)),
    "s": (("s", 1.0), ("ms", 1e3), ("µs", 1e6), ("ns", 1e9)),
    "w": (("W", 1.0), ("mW", 1e3), ("µW", 1e6)),
    "m2": (("m²", 1.0), ("mm²", 1e6), ("µm²", 1e12)),
    "js": (("J s", 1.0), ("nJ s", 1e9), ("nJ µs", 1e15)),
}
"""What names of results end with, in SI units, and what is shown instead."""
_GOAL = re.compile(r"(?P<name>[\w.]+):(?P<end>min|max)")
_BOUND = re.compile(r"(?P<name>[\w.]+)(?P<side>>=|<=)(?P<value>[-+.\deE]+)")


@dataclass(frozen=True)
class Goal:
    """A result that is to be low, or high."""

    name: str
    highest: bool = False


@dataclass(frozen=True)
class Bound:
    """What a result has to reach for a point to count."""

    name: str
    value: float
    above: bool = True

    def holds(self, value: float) -> bool:
        """Whether a value is on the right side, or at the bound."""
        return value >= self.value if self.above else value <= self.value


@dataclass(frozen=True)
class Front:
    """What is wanted, and of which points."""

    goals: tuple[Goal, ...]
    bounds: tuple[Bound, ...] = ()

    def __str__(self) -> str:
        return ",".join([
            *(f"{goal.name}:{'max' if goal.highest else 'min'}" for goal in self.goals),
            *(f"{b.name}{'>=' if b.above else '<='}{b.value:g}" for b in self.bounds),
        ])  # fmt: skip

    @property
    def names(self) -> list[str]:
        """Results of goals and bounds, each once."""
        names = [*(goal.name for goal in self.goals), *(bound.name for bound in self.bounds)]
        return list(dict.fromkeys(names))

    @classmethod
    def parse(cls, text: str) -> "Front":
        """Read ``energy_j:min,accuracy:max,accuracy>=0.9``.

        Raises
        ------
        StudyError
            If it is nothing like that, or has fewer than two goals.
        """
        goals, bounds = [], []
        for part in text.split(","):
            part = part.strip()
            if match := _GOAL.fullmatch(part):
                goals.append(Goal(match["name"], match["end"] == "max"))
            elif match := _BOUND.fullmatch(part):
                try:
                    value = float(match["value"])
                except ValueError:
                    raise StudyError(
                        f"Bound of a front must be a number, not {match['value']!r}"
                    ) from None
                bounds.append(Bound(match["name"], value, match["side"] == ">="))
            else:
                raise StudyError(
                    "Front must be results with min or max, and bounds, such as "
                    f"energy_j:min,accuracy:max,accuracy>=0.9, not {part!r}"
                )
        if len({goal.name for goal in goals}) < max(2, len(goals)):
            raise StudyError(f"Front must have two different goals or more, not {text!r}")
        return cls(tuple(goals), tuple(bounds))


@dataclass(frozen=True)
class Found:
    """A front of a study."""

    front: Front
    rows: tuple[Mapping[str, Any], ...]
    """Points within the bounds, means over repeats; in the order of the study."""
    best: tuple[int, ...]
    """Numbers of the rows that are on the front, by the first goal, the best one first."""


def non_dominated(values: Sequence[Sequence[float]]) -> list[int]:
    """Numbers of the points on the front, in their order; all goals are to be low.

    A point is dominated by one that is no higher in any goal and lower in one. So of equal points
    all are on the front, or none.

    Parameters
    ----------
    values
        Of each point one for each goal.
    """
    # one that dominates another comes before it in this order; and it suffices to look at those on
    # the front, for one of these dominates whatever any other does
    order = sorted(range(len(values)), key=lambda n: tuple(values[n]))
    found: list[int] = []
    for n in order:
        if not any(_dominates(values[other], values[n]) for other in found):
            found.append(n)
    return sorted(found)


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def find(rows: Sequence[Mapping[str, Any]], front: Front) -> Found:
    """The front of some points.

    Raises
    ------
    StudyError
        If a result is none of theirs, or no point is within the bounds.
    """
    names = front.names
    known = numbers_of(rows)
    for name in names:
        if name not in known:
            raise StudyError(unknown("Goal of a front", known, name))
    within = tuple(
        row for row in rows
        if all(_is_number(row.get(name)) for name in names)
        and all(bound.holds(row[bound.name]) for bound in front.bounds)
    )  # fmt: skip
    if not within:
        raise StudyError(f"Front {front} must have points within its bounds, not none")
    values = [
        [-row[goal.name] if goal.highest else row[goal.name] for goal in front.goals]
        for row in within
    ]
    best = sorted(non_dominated(values), key=lambda n: values[n])
    return Found(front, within, tuple(best))


def numbers_of(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Columns that have numbers."""
    found: dict[str, None] = {}
    for row in rows:
        found |= dict.fromkeys(name for name, value in row.items() if _is_number(value))
    return list(found)


def means(results: Results) -> list[dict[str, Any]]:
    """A row for all repeats of a point that have results: means of numbers, else what the first
    one has.
    """
    repeat = results.manifest.repeat
    together: dict[str, list[dict[str, Any]]] = {}
    for row, record in zip(results.rows, results.records, strict=True):
        if record is not None and record.done:
            kept = {name: v for name, v in record.parameters.items() if name not in repeat}
            plain = {name: v for name, v in row.items() if name not in (*OWN, *repeat)}
            together.setdefault(canonical(kept), []).append(plain)
    found = []
    for rows in together.values():
        mean = dict(rows[0])
        for name in numbers_of(rows):
            values = [row[name] for row in rows if _is_number(row.get(name))]
            if any(value != values[0] for value in values):
                mean[name] = sum(values) / len(values)
        found.append(mean)
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


# ---- words


Units = Mapping[str, tuple[str, float]]
"""What a column is called with a unit, and the factor that brings its values there."""


def units_of(fronts: Sequence[Found]) -> Units:
    """Of all goals and bounds of some fronts, as suits what is on these."""
    values: dict[str, list[float]] = {}
    for found in fronts:
        for name in found.front.names:
            values.setdefault(name, []).extend(found.rows[n][name] for n in found.best)
    return {name: shown_in(name, all_values) for name, all_values in values.items()}


def shown_in(name: str, values: Sequence[float]) -> tuple[str, float]:
    """What a column is called with a unit, and the factor that brings its values there."""
    what, _, unit = name.rpartition("_")
    if unit not in UNITS or not what:
        return name.replace("_", " "), 1.0
    middle = sorted(abs(value) for value in values)[len(values) // 2]
    text, factor = next(
        ((text, factor) for text, factor in UNITS[unit] if middle * factor >= 0.1), UNITS[unit][-1]
    )
    return f"{what.replace('_', ' ')}, {text}", factor


def label_of(row: Mapping[str, Any], varying: Sequence[str]) -> str:
    """What a point is, in words: its label if it has one, else the parameters that vary."""
    if LABEL in row:
        return str(row[LABEL])
    return ", ".join(f"{name} {row[name]}" for name in varying if name in row)


def numbered(fronts: Sequence[Found], varying: Sequence[str]) -> dict[str, int]:
    """Numbers from 1 on of all points on some fronts, by their labels."""
    found: dict[str, int] = {}
    for front in fronts:
        for n in front.best:
            found.setdefault(label_of(front.rows[n], varying), len(found) + 1)
    return found


def table(
    found: Found, numbers: Mapping[str, int], units: Units, varying: Sequence[str]
) -> tuple[list[str], list[list[str]]]:  # fmt: skip
    """Head and lines of a table of the points on a front, the best by the first goal on top."""
    names = found.front.names
    heads, columns = ["number"], []
    for name in names:
        head, factor = units[name]
        heads.append(head)
        columns.append([f"{found.rows[n][name] * factor:.4g}" for n in found.best])
    labels = [label_of(found.rows[n], varying) for n in found.best]
    lines = [
        [str(numbers[label]), *cells, label] for label, *cells in zip(labels, *columns, strict=True)
    ]
    return [*heads, "point"], lines
