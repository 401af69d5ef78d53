"""A study: which task is run with which parameters. Plain data, checked at birth.

A point is one set of parameters. A study names its points by axes, whose product they are, or lets
a search choose them.
"""

import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from panther.arch.checks import check_range, shown
from panther.study.errors import StudyError, unknown

Scalar = str | int | float | bool
Value = Scalar | list[Scalar]
Parameters = dict[str, Value]
"""Of one point."""

SCALES = ("linear", "log")
DIRECTIONS = ("maximise", "minimise")
SAMPLERS = ("tpe", "random")
MOST_POINTS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers from one to another, both included; by ``step`` or by ``count``, or any between."""

    start: int | float
    stop: int | float
    step: int | float | None = None
    count: int | None = None
    scale: str = "linear"
    """``log``: equal ratios instead of equal differences."""

    def __post_init__(self) -> None:
        for name in ("start", "stop", "step"):
            value = getattr(self, name)
            if value is not None and not _is_number(value):
                raise StudyError(f"Range must be of numbers, not {shown(value)}")
        if self.scale not in SCALES:
            raise StudyError(unknown("Scale", SCALES, self.scale), ("scale",))
        if not self.start < self.stop:
            raise StudyError(f"Range must go up, not from {self.start} to {self.stop}")
        if self.scale == "log" and self.start <= 0:
            raise StudyError(f"Range with scale log must begin above 0, not at {self.start}")
        if self.step is not None:
            if self.scale == "log":
                raise StudyError("Range with scale log must have a count, not a step", ("step",))
            if self.step <= 0:
                raise StudyError(f"Step must be positive, not {self.step}", ("step",))
        if self.count is not None:
            _check("Count", self.count, 2, MOST_POINTS, ("count",))

    @property
    def whole(self) -> bool:
        """Whether all numbers are integers."""
        ends = isinstance(self.start, int) and isinstance(self.stop, int)
        return ends and (self.step is None or isinstance(self.step, int))

    def values(self) -> list[Value]:
        """The numbers.

        Raises
        ------
        StudyError
            If neither step nor count says which, or both do.
        """
        if (self.step is None) == (self.count is None):
            raise StudyError("Range must have a step or a count, and not both")
        if self.step is not None:
            first, last, step = (Decimal(str(n)) for n in (self.start, self.stop, self.step))
            count = int((last - first) / step) + 1
            if count > MOST_POINTS:
                raise StudyError(f"Range must have at most {MOST_POINTS:,} numbers, not {count:,}")
            found = [first + n * step for n in range(count)]
            return [int(n) if self.whole else float(n) for n in found]
        assert self.count is not None
        shares = [n / (self.count - 1) for n in range(self.count)]
        if self.scale == "log":
            low, high = math.log(self.start), math.log(self.stop)
            reals = [math.exp(low + (high - low) * share) for share in shares]
        else:
            reals = [self.start + (self.stop - self.start) * share for share in shares]
        # twelve digits: the same numbers on every machine
        rounded = [float(f"{real:.12g}") for real in reals]
        if self.whole and all(real.is_integer() for real in rounded):
            return [int(real) for real in rounded]
        return [*rounded]


Values = Range | tuple[Value, ...]


@dataclass(frozen=True, kw_only=True)
class Search:
    """Points chosen one after another by the results of those before; needs extra ``search``."""

    space: Mapping[str, Values]
    """Parameters: a range, of which any number may be taken if it has no step, or a list."""
    objective: str
    """Name of a result."""
    direction: str = "maximise"
    trials: int = 50
    sampler: str = "tpe"
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.space:
            raise StudyError("Space must have at least one parameter", ("space",))
        object.__setattr__(self, "space", {n: _as_values(v) for n, v in self.space.items()})
        for name, values in self.space.items():
            if isinstance(values, Range) and values.count is not None:
                raise StudyError(
                    f"{name} must have a step, or none, not a count", ("space", name, "count")
                )
            if isinstance(values, tuple):
                _check_list(name, values, ("space", name))
        if self.direction not in DIRECTIONS:
            raise StudyError(unknown("Direction", DIRECTIONS, self.direction), ("direction",))
        if self.sampler not in SAMPLERS:
            raise StudyError(unknown("Sampler", SAMPLERS, self.sampler), ("sampler",))
        _check("Trials", self.trials, 1, MOST_POINTS, ("trials",))
        _check("Seed", self.seed, 0, 2**31 - 1, ("seed",))


@dataclass(frozen=True, kw_only=True)
class Slurm:
    """What a job of a Slurm cluster asks for."""

    jobs: int = 1
    cores: int = 1
    """Of a job; each works on a point of its own."""
    memory: str = "4GB"
    """Of a job."""
    walltime: str = "01:00:00"
    queue: str | None = None
    """Partition."""
    account: str | None = None
    directives: tuple[str, ...] = ()
    """More options of sbatch, such as ``--constraint=avx2``."""
    prologue: tuple[str, ...] = ()
    """Lines of shell before the worker starts, such as ``module load python``."""

    def __post_init__(self) -> None:
        _check("Jobs", self.jobs, 1, 10_000, ("jobs",))
        _check("Cores", self.cores, 1, 1024, ("cores",))
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)? ?[KMGT]i?B", self.memory):
            raise StudyError(f"Memory must be like 4GB, not {shown(self.memory)}", ("memory",))
        if not re.fullmatch(r"([0-9]+-)?[0-9]{1,2}:[0-9]{2}:[0-9]{2}", self.walltime):
            raise StudyError(
                f"Walltime must be like 01:00:00, not {shown(self.walltime)}", ("walltime",)
            )


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Parameters that change together."""

    names: tuple[str, ...]
    values: tuple[tuple[Value, ...], ...]
    """One value for each of the names, at every place of the axis."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """A task and its points.

    Raises
    ------
    StudyError
        If something is impossible; whether the task knows the parameters shows in
        :func:`panther.study.tasks.check_points`.
    """

    name: str
    task: str
    """One of ``panther.study.tasks.TASKS``, or a file ``TASK.py``."""
    fixed: Mapping[str, Value] = field(default_factory=dict)
    """Parameters that are the same in all points."""
    grid: Mapping[str, Values] = field(default_factory=dict)
    """Axes: all combinations of their values are points."""
    zip: Sequence[Mapping[str, Values]] = ()
    """More axes, each of parameters that change together."""
    repeat: Mapping[str, Values] = field(default_factory=dict)
    """A last axis, over which results are averaged: seeds."""
    search: Search | None = None
    """Instead of grid and zip; a trial is all its repeats, its value their mean."""
    fronts: Sequence[str] = ()
    """Pareto fronts its report shows; :meth:`panther.study.fronts.Front.parse` reads them."""
    workers: int | None = None
    """Processes; as many as cores if not given."""
    slurm: Slurm = field(default_factory=Slurm)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise StudyError(f"Name must be a text, not {shown(self.name)}", ("name",))
        if not isinstance(self.task, str):
            raise StudyError(f"Task must be a name, not {shown(self.task)}", ("task",))
        if self.workers is not None:
            _check("Workers", self.workers, 1, 1024, ("workers",))
        for place in ("grid", "repeat"):
            values = getattr(self, place)
            object.__setattr__(self, place, {n: _as_values(v) for n, v in values.items()})
        groups = [{n: _as_values(v) for n, v in group.items()} for group in self.zip]
        object.__setattr__(self, "zip", tuple(groups))
        if self.search is not None and (self.grid or self.zip):
            raise StudyError("Study must have a search or axes, not both", ("search",))
        self._check_names()
        count = math.prod(len(axis.values) for axis in self.axes)
        if count > MOST_POINTS:
            raise StudyError(f"Points must be at most {MOST_POINTS:,}, not {count:,}", ("grid",))

    def _check_names(self) -> None:
        parts: list[tuple[tuple[str, ...], Mapping[str, object]]] = [
            (("fixed",), self.fixed), (("grid",), self.grid),
            *((("zip", str(n)), group) for n, group in enumerate(self.zip)),
            (("repeat",), self.repeat),
        ]  # fmt: skip
        if self.search is not None:
            parts.append((("search", "space"), self.search.space))
        seen: dict[str, str] = {}
        for path, values in parts:
            for name in values:
                if not isinstance(name, str):
                    raise StudyError(f"Parameter must be a name, not {shown(name)}", path)
                if name in seen:
                    raise StudyError(
                        f"Parameter {name} must be in one place, not in {seen[name]} and {path[0]}",
                        (*path, name),
                    )
                seen[name] = path[0]
        for name, value in self.fixed.items():
            _check_value(name, value, ("fixed", name))

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Of the points, the repeats last; a search has no others."""
        found = [_axis({name: values}, ("grid",)) for name, values in self.grid.items()]
        found += [_axis(group, ("zip", str(n))) for n, group in enumerate(self.zip)]
        if self.repeat:
            found.append(_axis(self.repeat, ("repeat",)))
        return tuple(found)

    def points(self) -> list[Parameters]:
        """Of the axes; with a search, the repeats of a trial without what is searched."""
        found = []
        for places in itertools.product(*(axis.values for axis in self.axes)):
            point: Parameters = dict(self.fixed)
            for axis, values in zip(self.axes, places, strict=True):
                point |= dict(zip(axis.names, values, strict=True))
            found.append(point)
        return found


def canonical(parameters: Mapping[str, Any]) -> str:
    """Parameters as JSON, the same for equal ones: sorted, and 2.0 as 2."""

    def plain(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [plain(part) for part in value]
        return int(value) if isinstance(value, float) and value.is_integer() else value

    return json.dumps(
        {name: plain(value) for name, value in parameters.items()},
        sort_keys=True, separators=(",", ":"), allow_nan=False,
    )  # fmt: skip


def _is_number(value: object) -> bool:
    kind = isinstance(value, (int, float)) and not isinstance(value, bool)
    return kind and math.isfinite(value)  # type: ignore[arg-type]


def _check(name: str, value: object, low: int, high: int, path: tuple[str, ...]) -> None:
    try:
        check_range(name, value, low, high)
    except ValueError as error:
        raise StudyError(str(error), path) from None


def _check_value(name: str, value: object, path: tuple[str, ...]) -> None:
    parts = value if isinstance(value, list) else [value]
    for part in parts:
        if not isinstance(part, (str, bool)) and not _is_number(part):
            raise StudyError(
                f"{name} must be a text, a finite number, true or false, or a list of them, not "
                f"{shown(value)}",
                path,
            )


def _as_values(values: object) -> object:
    return tuple(values) if isinstance(values, (list, range)) else values


def _check_list(name: str, values: tuple[object, ...], path: tuple[str, ...]) -> None:
    if not values:
        raise StudyError(f"{name} must have at least one value, not 0", path)
    for value in values:
        _check_value(name, value, path)


def _axis(group: Mapping[str, Values], path: tuple[str, ...]) -> Axis:
    columns = []
    for name, values in group.items():
        place = (*path, name)
        if isinstance(values, Range):
            try:
                values = tuple(values.values())
            except StudyError as error:
                raise StudyError(f"{name}: {error}", (*place, *error.path)) from None
        if not isinstance(values, tuple):
            raise StudyError(f"{name} must be a list of values, not {shown(values)}", place)
        _check_list(name, values, place)
        columns.append(values)
    if not columns:
        raise StudyError("Axis must have at least one parameter, not 0", path)
    lengths = {name: len(column) for name, column in zip(group, columns, strict=True)}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} has {count}" for name, count in lengths.items())
        raise StudyError(f"Parameters of one axis must have as many values each: {said}", path)
    found = tuple(zip(*columns, strict=True))
    seen: set[str] = set()
    for number, value in enumerate(found):
        seen.add(canonical(dict(zip(group, value, strict=True))))
        if len(seen) <= number:
            only = value[0] if len(value) == 1 else value
            raise StudyError(
                f"{', '.join(group)} must have every value once, not {shown(only)} twice",
                (*path, next(iter(group))),
            )
    return Axis(names=tuple(group), values=found)
