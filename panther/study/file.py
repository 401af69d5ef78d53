"""Study files: YAML in which whatever is wrong has a line."""

from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from panther.arch.checks import shown
from panther.study.errors import StudyError, unknown
from panther.study.study import Range, Search, Slurm, Study
from panther.study.tasks import check_study
from panther.yaml_lines import KeyPath, LinesError, YamlLines

YAML_NAMES = {"start": "from", "stop": "to"}
"""What fields are called in a file, where that is a word of Python."""


def load(path: str | Path) -> Study:
    """Read a study file, and check it as far as can be without running anything.

    Parameters
    ----------
    path : str or Path
        A task that is a file is sought beside it.

    Raises
    ------
    StudyError
        If it cannot be read or something is wrong; the message begins with file and line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it must be UTF-8"
        raise StudyError(f"Study file {path} cannot be read: {reason}") from error
    return parse(text, str(path), folder=path.parent)


def parse(text: str, source: str, *, folder: Path) -> Study:
    """Read the text of a study file.

    Parameters
    ----------
    text : str
    source : str
        What messages call it.
    folder : Path
        Where a task that is a file is sought.

    Raises
    ------
    StudyError
        If something is wrong.
    """
    reader = YamlLines()
    try:
        data = _read(reader, text)
        study = _study(data, folder)
        check_study(study)
    except StudyError as error:
        line = reader.line(error.path)
        raise StudyError(f"{source}:{line}: {error}") from error
    return study


def _read(reader: YamlLines, text: str) -> Any:
    try:
        return reader.read(text)
    except LinesError as error:
        raise StudyError(str(error), error.path) from error


# ---- schema


def _study(data: Any, folder: Path) -> Study:
    values = _section(Study, data, ())
    for key in ("name", "task"):
        values[key] = _text(values[key], (key,))
    if values["task"].endswith(".py"):
        values["task"] = str((folder / values["task"]).resolve())
    for key in ("fixed", "grid", "repeat"):
        if key in values:
            values[key] = _mapping(values[key], (key,))
    for key in ("grid", "repeat"):
        if key in values:
            values[key] = _axes(values[key], (key,))
    if "zip" in values:
        if not isinstance(values["zip"], list):
            raise StudyError(f"zip must be a list of axes, not {shown(values['zip'])}", ("zip",))
        paths = [("zip", str(n)) for n in range(len(values["zip"]))]
        values["zip"] = [
            _axes(_mapping(group, path), path)
            for group, path in zip(values["zip"], paths, strict=True)
        ]
    if "fronts" in values:
        fronts = values["fronts"] if isinstance(values["fronts"], list) else [values["fronts"]]
        values["fronts"] = tuple(_text(front, ("fronts",)) for front in fronts)
    if "search" in values:
        search = _section(Search, values["search"], ("search",))
        path = ("search", "space")
        search["space"] = _axes(_mapping(search["space"], path), path)
        for key in ("objective", "direction", "sampler"):
            if key in search:
                search[key] = _text(search[key], ("search", key))
        values["search"] = _made(Search, search, ("search",))
    if "slurm" in values:
        slurm = _section(Slurm, values["slurm"], ("slurm",))
        for key, value in slurm.items():
            path = ("slurm", key)
            if key in ("directives", "prologue"):
                lines = value if isinstance(value, list) else [value]
                slurm[key] = tuple(_text(line, path) for line in lines)
            elif key not in ("jobs", "cores"):
                slurm[key] = _text(value, path)
        values["slurm"] = _made(Slurm, slurm, ("slurm",))
    return Study(**values)


def _section(kind: type[Any], data: Any, path: KeyPath) -> dict[str, Any]:
    """Fields of a dataclass from a mapping, its values as they are."""
    names = {YAML_NAMES.get(f.name, f.name): f for f in fields(kind)}
    for key in _mapping(data, path):
        if key not in names:
            raise StudyError(unknown("Key", names, key), (*path, key))
    for name, part in names.items():
        needed = part.default is MISSING and part.default_factory is MISSING
        if needed and name not in data:
            where = f"{path[-1]} must have" if path else "Study must have"
            raise StudyError(f"{where} {name}", path)
    return {names[key].name: value for key, value in data.items() if value is not None}


def _made(kind: Callable[..., Any], values: dict[str, Any], path: KeyPath) -> Any:
    try:
        return kind(**values)
    except StudyError as error:
        raise StudyError(str(error), (*path, *error.path)) from error


def _mapping(data: Any, path: KeyPath) -> dict[str, Any]:
    if not isinstance(data, dict):
        what = path[-1] if path and not path[-1].isdecimal() else "Axis" if path else "Study"
        raise StudyError(f"{what} must be keys with values, not {shown(data)}", path)
    return data


def _axes(data: dict[str, Any], path: KeyPath) -> dict[str, Any]:
    found = {}
    for name, values in data.items():
        here = (*path, name)
        if isinstance(values, dict):
            found[name] = _made(Range, _section(Range, values, here), here)
        elif isinstance(values, list):
            found[name] = tuple(values)
        else:
            raise StudyError(
                f"{name} must be a list of values or a range (from, to, step or count), not "
                f"{shown(values)}",
                here,
            )
    return found


def _text(value: Any, path: KeyPath) -> str:
    if not isinstance(value, str):
        raise StudyError(f"{path[-1]} must be a text, not {shown(value)}", path)
    return value
