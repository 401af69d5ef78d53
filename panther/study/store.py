"""The folder of a study: one file a result, named by its key; every file whole at any time.

``points/KEY.json`` is the result of a point, with a SHA-256 over all of it; ``failed/KEY.json``
what is known of one that failed, until it is done; ``study.json`` says which points the study has;
``damaged/`` keeps files that were not what they should be.
"""

import hashlib
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from panther.study.errors import StoppedError, StudyError

FORMAT = 1
STUDY, POINTS, FAILED, DAMAGED = "study.json", "points", "failed", "damaged"
LOCK, RUNNING, LOG = "study.lock", "running.json", "workers.log"
RESULTS, REPORT = "results.parquet", "report.html"
SHORT = 12
"""Digits of a key that are shown."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What came of a point."""

    key: str
    task: str
    version: str
    """Of the task's code."""
    parameters: dict[str, Any]
    result: dict[str, Any] | None = None
    """None if it failed."""
    error: str = ""
    traceback: str = ""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    ended: str = ""
    """ISO 8601, UTC."""
    where: str = ""
    """Host and process."""
    packages: dict[str, str] = field(default_factory=dict)
    """Versions of what it ran with."""

    @property
    def done(self) -> bool:
        return self.result is not None


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Which points a study has; plain data."""

    name: str
    task: str
    """Name or file."""
    version: str
    text: str
    """The study, as JSON or as the file that was run."""
    source: str
    """That file, if there was one."""
    axes: list[list[str]]
    """Names of the parameters of every axis but the repeats."""
    repeat: list[str]
    shown: list[str]
    """Results that plots show."""
    objective: str
    """Of a search."""
    points: list[dict[str, Any]]
    """Of each point ``key`` and ``parameters``; with a search also ``trial``."""
    direction: str = ""
    """Of a search."""
    fronts: list[str] = field(default_factory=list)
    """Pareto fronts that reports show."""


def default_folder(name: str) -> Path:
    """Where a study's results are, if nothing else is said."""
    return Path("runs", "studies", name.replace("/", "-"))


class Store:
    """A study's folder, made where it is first written to.

    Parameters
    ----------
    folder : Path

    Attributes
    ----------
    remarks : list of str
        What was wrong with files, and what was done about it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.remarks: list[str] = []

    @contextmanager
    def locked(self) -> Iterator[None]:
        """The folder for one study alone.

        Raises
        ------
        StudyError
            If another one has it, or it cannot be written.
        """
        try:
            for part in (POINTS, FAILED):
                (self.folder / part).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StudyError(f"Folder {self.folder} cannot be made: {error.strerror}") from error
        lock = FileLock(self.folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise StudyError(
                f"Folder {self.folder} must be used by one study at a time: {self._owner()} is "
                "running in it; wait for its end, or give another --folder"
            ) from None
        try:
            for leftover in self.folder.glob("*/*.partial"):
                leftover.unlink()
            owner = {"host": socket.gethostname(), "process": os.getpid(), "since": now()}
            self._write(self.folder / RUNNING, json.dumps(owner))
            yield
        finally:
            (self.folder / RUNNING).unlink(missing_ok=True)
            lock.release()

    def _owner(self) -> str:
        try:
            owner = json.loads((self.folder / RUNNING).read_text())
            return f"process {owner['process']} on {owner['host']}, since {owner['since']},"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"

    # ---- results

    def read(self, key: str) -> Record | None:
        """The result of a point, or None; a damaged one is moved aside, with a remark."""
        return self._read(POINTS, key)

    def read_failed(self, key: str) -> Record | None:
        """What is known of a point that failed, or None."""
        return self._read(FAILED, key)

    def write(self, record: Record) -> None:
        """Keep what came of a point.

        Raises
        ------
        StoppedError
            If it cannot be written: a full disk. All that was written before is whole.
        """
        content = asdict(record) | {"format": FORMAT}
        content["sha256"] = _seal(content)
        place = self.folder / (POINTS if record.done else FAILED) / f"{record.key}.json"
        self._write(place, json.dumps(content, indent=1))
        if record.done:
            (self.folder / FAILED / place.name).unlink(missing_ok=True)

    def _read(self, part: str, key: str) -> Record | None:
        path = self.folder / part / f"{key}.json"
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            content = json.loads(text)
            seal = content.pop("sha256")
            if seal != _seal(content) or content.pop("format") != FORMAT or content["key"] != key:
                raise ValueError("its SHA-256 is another")
            return Record(**content)
        except (ValueError, KeyError, TypeError, AttributeError):
            aside = self.folder / DAMAGED / path.name
            aside.parent.mkdir(exist_ok=True)
            path.replace(aside)
            self.remarks.append(
                f"{path} has been cut or changed; it is now {aside}, and the point is run again"
            )
            return None

    # ---- the study

    def write_manifest(self, manifest: Manifest) -> None:
        """Say which points there are."""
        self._write(self.folder / STUDY, json.dumps(asdict(manifest), indent=1))

    def read_manifest(self) -> Manifest | None:
        """Which points there are, or None if no study has been run here.

        Raises
        ------
        StudyError
            If the file is damaged.
        """
        path = self.folder / STUDY
        try:
            return Manifest(**json.loads(path.read_bytes()))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, TypeError) as error:
            raise StudyError(
                f"{path} must be as panther study wrote it; run the study again, which keeps its "
                f"results: {error}"
            ) from error

    def write_file(self, name: str, content: bytes) -> Path:
        """Write a file beside them, whole."""
        self._write(self.folder / name, content)
        return self.folder / name

    def _write(self, path: Path, content: str | bytes) -> None:
        from panther.host.checkpoint import write_whole

        try:
            write_whole(path, content.encode() if isinstance(content, str) else content)
        except OSError as error:
            raise StoppedError(f"{path} cannot be written: {error.strerror}") from error


def _seal(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def now() -> str:
    """The time, to the second, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
