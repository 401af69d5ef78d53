"""Checkpoints of a run: one file each, whole or not there at all.

``examples-000001437.safetensors`` holds the state of a trainer after so many examples, what the run
is (:meth:`~panther.train.problem.Problem.identity`) and the epochs so far. It is written beside its
place, flushed to the disk and renamed. A SHA-256 over all of it tells whether it has been changed.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from golden.network import State
from panther.host.checkpoint import write_whole
from panther.train.errors import TrainError

FORMAT = "1"
KEEP = 3
"""Checkpoints that stay."""
_NAME = re.compile(r"examples-([0-9]{9,})\.safetensors")
_PARTIAL = ".partial"


@dataclass(frozen=True)
class Checkpoint:
    """One that was found whole."""

    path: Path
    state: State
    identity: dict[str, Any]
    epochs: list[dict[str, Any]]
    """Those that are over, and the one that has begun."""


def save(
    folder: Path, state: State, identity: dict[str, Any], epochs: list[dict[str, Any]]
) -> Path:
    """Write a checkpoint; only the newest few stay.

    Raises
    ------
    OSError
        If it cannot be written; then the older ones are still there.
    """
    arrays = {key: value for key, value in state.items() if isinstance(value, np.ndarray)}
    numbers = {key: value for key, value in state.items() if key not in arrays}
    body = json.dumps({"numbers": numbers, "identity": identity, "epochs": epochs})
    content = safetensors.numpy.save(
        {key: np.ascontiguousarray(value) for key, value in arrays.items()},
        {"format": FORMAT, "body": body, "sha256": _seal(body, arrays)},
    )
    for leftover in folder.glob(f"examples-*{_PARTIAL}"):
        leftover.unlink()
    path = folder / f"examples-{numbers['examples']:09}.safetensors"
    write_whole(path, content)
    for old in _newest_first(folder)[KEEP:]:
        if old != path:
            old.unlink()
    return path


def latest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that is whole, and what is wrong with newer ones."""
    damaged: list[str] = []
    for path in _newest_first(folder):
        try:
            return _read(path), damaged
        except TrainError as error:
            damaged.append(str(error))
    return None, damaged


def _read(path: Path) -> Checkpoint:
    try:
        with safetensors.safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            arrays: dict[str, NDArray[Any]] = {key: file.get_tensor(key) for key in file.keys()}
    except (OSError, safetensors.SafetensorError) as error:
        raise TrainError(f"{path}: checkpoint must be a whole safetensors file: {error}") from error
    if metadata.get("format") != FORMAT:
        raise TrainError(
            f"{path}: checkpoint must have format {FORMAT}, not {metadata.get('format')}"
        )
    body = metadata.get("body", "")
    if metadata.get("sha256") != _seal(body, arrays):
        raise TrainError(f"{path}: checkpoint has been changed: its SHA-256 is another")
    fields = json.loads(body)
    state: State = {**fields["numbers"], **arrays}
    return Checkpoint(path, state, fields["identity"], fields["epochs"])


def _seal(body: str, arrays: dict[str, NDArray[Any]]) -> str:
    found = hashlib.sha256(body.encode())
    for name in sorted(arrays):
        array = arrays[name]
        found.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def _newest_first(folder: Path) -> list[Path]:
    found = [(int(match[1]), path) for path in folder.glob("examples-*")
             if (match := _NAME.fullmatch(path.name))]  # fmt: skip
    return [path for _, path in sorted(found, reverse=True)]
