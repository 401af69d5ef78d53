"""What one point runs: a module with a function ``run``, found by its name.

A task is a module, or a file ``TASK.py``, with

``run(parameters, report)``
    does the work of one point. ``parameters`` is a dict; ``report(share)`` may be called with the
    share that is done, 0 to 1. Returns a dict of results: numbers, texts, truth values, or lists of
    them. The results must depend on nothing else but the parameters.

and, where it makes sense,

``check(parameters)``
    raises ValueError if they cannot be used; called for all points before anything runs.
``PARAMETERS``
    names it takes; others are refused. Without it, all are taken.
``SOURCES``
    names of modules and packages whose code decides the results, beside the module itself. If code
    changes (comments and docstrings do not count), points are run again.
``files(parameters)``
    paths of files whose content decides the results; if it changes, so do the keys.
``SHOWN``
    names of results, those that matter most first: what plots show. Without it, the first three
    numbers.
"""

import ast
import hashlib
import importlib
import importlib.util
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from panther.study.errors import StudyError, unknown
from panther.study.fronts import Front
from panther.study.study import Parameters, Range, Study, canonical

Report = Callable[[float], None]

TASKS = {
    "train": "panther.study.train", "slicing": "panther.paper.slicing",
    "effect": "panther.device.effects", "cost": "panther.cost.point",
    "design": "panther.cost.design",
}  # fmt: skip
"""Modules of the tasks that have a name."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task that was found."""

    name: str
    module: ModuleType
    version: str
    """SHA-256 over the code that decides its results."""

    @property
    def shown(self) -> tuple[str, ...]:
        """Results that plots show."""
        return tuple(getattr(self.module, "SHOWN", ()))

    def run(self, parameters: Parameters, report: Report) -> dict[str, Any]:
        """Do the work of one point."""
        found: dict[str, Any] = self.module.run(dict(parameters), report)
        return found

    def check(self, parameters: Mapping[str, Any]) -> None:
        """Refuse parameters.

        Raises
        ------
        StudyError
            If they cannot be used.
        """
        known = getattr(self.module, "PARAMETERS", None)
        for name in parameters:
            if known is not None and name not in known:
                raise StudyError(unknown("Parameter", known, name), (name,))
        try:
            getattr(self.module, "check", dict)(dict(parameters))
        except ValueError as error:
            raise StudyError(str(error)) from error

    def key(self, parameters: Mapping[str, Any]) -> str:
        """Name of a point's result: SHA-256 over task, version, parameters and files, in hex."""
        files = getattr(self.module, "files", lambda _parameters: ())(dict(parameters))
        contents = {str(path): _content(Path(path)) for path in files}
        text = json.dumps([self.name, self.version, canonical(parameters), contents])
        return hashlib.sha256(text.encode()).hexdigest()


def find(name: str) -> Task:
    """A task by name or file.

    Raises
    ------
    StudyError
        If there is none.
    """
    try:
        if name.endswith(".py"):
            module, name = _from_file(Path(name)), Path(name).stem
        elif name in TASKS:
            module = importlib.import_module(TASKS[name])
        else:
            raise StudyError(unknown("Task", [*TASKS, "a file TASK.py"], name), ("task",))
    except (ImportError, SyntaxError, OSError) as error:
        raise StudyError(f"Task {name} cannot be imported: {error}", ("task",)) from error
    if not callable(getattr(module, "run", None)):
        raise StudyError(f"Task {name} must have a function run(parameters, report)", ("task",))
    return Task(name=name, module=module, version=_version(module))


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise StudyError(f"Task must be a name or a file that exists, not {path}", ("task",))
    name = f"panther_study_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


# ---- keys


def _version(module: ModuleType) -> str:
    found = hashlib.sha256()
    seen: dict[str, Path] = {"": Path(str(module.__file__))}
    for name in getattr(module, "SOURCES", ()):
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise StudyError(f"SOURCES of {module.__name__} must be modules, not {name}")
        origin = Path(spec.origin)
        if spec.submodule_search_locations is None:
            seen[name] = origin
        else:
            parent = origin.parent
            seen |= {f"{name}/{p.relative_to(parent).as_posix()}": p for p in parent.rglob("*.py")}
    for name in sorted(seen):
        path = seen[name]
        found.update(f"{name}\n{_code(path, path.stat().st_mtime_ns)}\n".encode())
    return found.hexdigest()


@cache
def _code(path: Path, _changed: int) -> str:
    """SHA-256 of a source without what changes nothing: comments, blank lines, docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [  # type: ignore[attr-defined]
                part for part in body
                if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))
            ]  # fmt: skip
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _content(path: Path) -> str:
    try:
        found = path.stat()
        return _digest(path, found.st_mtime_ns, found.st_size)
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror}") from error


@cache
def _digest(path: Path, _changed: int, _size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ---- studies


def check_study(study: Study) -> Task:
    """Read the fronts, find the task, and ask it whether it can use the parameters of every point.

    Raises
    ------
    StudyError
        If not; its path leads to the parameter if one is to blame.
    """
    task = find(study.task)
    for text in study.fronts:
        try:
            Front.parse(text)
        except StudyError as error:
            raise StudyError(str(error), ("fronts",)) from error
    for point in _samples(study):
        try:
            task.check(point)
        except StudyError as error:
            name = error.path[0] if error.path else _blamed(task, point, str(error))
            raise StudyError(str(error), _place(study, name)) from error
    return task


def _samples(study: Study) -> list[Parameters]:
    """Points; of a search those at the ends of its space."""
    points = study.points()
    if study.search is None:
        return points
    ends: dict[str, list[Any]] = {
        name: [values.start, values.stop] if isinstance(values, Range) else list(values)
        for name, values in study.search.space.items()
    }
    most = max(len(values) for values in ends.values())
    return [
        {**point, **{name: values[min(n, len(values) - 1)] for name, values in ends.items()}}
        for n in range(most)
        for point in points
    ]


def _blamed(task: Task, point: Parameters, said: str) -> str:
    """The parameter of which alone the same would be said, or none."""
    for name, value in point.items():
        try:
            task.check({name: value})
        except StudyError as error:
            if str(error) == said:
                return name
    return ""


def _place(study: Study, name: str) -> tuple[str, ...]:
    if name in study.fixed:
        return ("fixed", name)
    for n, group in enumerate(study.zip):
        if name in group:
            return ("zip", str(n), name)
    if study.search is not None and name in study.search.space:
        return ("search", "space", name)
    return ("repeat" if name in study.repeat else "grid", name)
