"""Running a study: what has a result is not run again, whatever happens goes into the folder."""

import json
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from panther.study.errors import InterruptedStudyError, StudyError, unknown
from panther.study.file import load
from panther.study.pool import Executor, Pool
from panther.study.progress import Watcher
from panther.study.results import Results, read_results
from panther.study.search import Searcher
from panther.study.store import LOG, Manifest, Record, Store, default_folder, now
from panther.study.study import Parameters, Study, canonical
from panther.study.tasks import Task, check_study, find

WAIT_SECONDS = 0.25


@dataclass(frozen=True)
class Point:
    """A point to be run."""

    key: str
    parameters: Parameters
    trial: int | None = None
    """Of the search that chose it."""


def run(
    study: Study | str | Path, *, folder: str | Path | None = None, workers: int | None = None,
    scheduler: str | None = None, slurm: bool = False, watcher: Watcher | None = None,
) -> Results:  # fmt: skip
    """Run the points of a study that have no result yet.

    Parameters
    ----------
    study : Study, str or Path
        Or its file.
    folder : str or Path, optional
        ``runs/studies/NAME`` if not given.
    workers : int, optional
        Processes on this machine; if not given, what the study says, else as many as cores.
    scheduler : str, optional
        Address of a Dask scheduler whose workers run the points instead.
    slurm : bool
        Start Dask workers as jobs of Slurm, as the study says.
    watcher : Watcher, optional
        Is told how it goes.

    Raises
    ------
    StudyError
        If something cannot be used; nothing has been run then.
    StoppedError
        If it had to end before its end, by Ctrl-C, a full disk or a cluster that is gone. The same
        call goes on.
    """
    source = ""
    if not isinstance(study, Study):
        source = str(study)
        study = load(study)
    if workers is not None:
        study = replace(study, workers=workers)
    store = Store(default_folder(study.name) if folder is None else Path(folder))
    task = check_study(study)
    with ExitStack() as stack:
        stack.enter_context(store.locked())
        loop = _Loop(study, task, store, source)
        watching = stack.enter_context(Watcher() if watcher is None else watcher)
        loop.begin(watching)
        if loop.left:
            executor = stack.enter_context(_executor(study, store, scheduler, slurm))
            loop.run(executor)
        results = read_results(store)
        results.write(store)
    return replace(results, remarks=tuple(store.remarks))


def _executor(study: Study, store: Store, scheduler: str | None, slurm: bool) -> Executor:
    if scheduler is not None or slurm:
        from panther.study.cluster import Cluster, submitted

        if scheduler is not None and slurm:
            raise StudyError("Points must be run by a scheduler or by Slurm, not both")
        return Cluster(scheduler if scheduler is not None else submitted(study.slurm))
    return Pool(study.workers or len(os.sched_getaffinity(0)), store.folder / LOG)


class _Loop:
    """Where a study stands."""

    def __init__(self, study: Study, task: Task, store: Store, source: str) -> None:
        self.study, self.task, self.store = study, task, store
        self._points: list[Point] = []
        self._known: set[str] = set()
        self._kept: dict[str, Record] = {}
        self._failed: set[str] = set()
        self._waiting: deque[Point] = deque()
        self._running: dict[str, Point] = {}
        self._search = None if study.search is None else Searcher(study.search)
        self._trials: list[set[str]] = []
        axes = [list(axis.names) for axis in study.axes]
        if study.repeat:
            axes.pop()
        if study.search is not None:
            axes += [[name] for name in study.search.space]
        self._manifest = Manifest(
            name=study.name, task=study.task, version=task.version,
            text=Path(source).read_text(encoding="utf-8") if source else _as_text(study),
            source=source, axes=axes, repeat=list(study.repeat), shown=list(task.shown),
            objective="" if study.search is None else study.search.objective, points=[],
            direction="" if study.search is None else study.search.direction,
            fronts=list(study.fronts),
        )  # fmt: skip

    @property
    def left(self) -> bool:
        """Whether something is left to be run."""
        more = self._search is not None and self._search.left
        return bool(self._waiting or self._running or more)

    def begin(self, watcher: Watcher) -> None:
        """Find out what is left."""
        self._watcher = watcher
        total = len(self.study.points())
        if self._search is None:
            self._add({}, None)
        else:
            assert self.study.search is not None
            total *= self.study.search.trials
            for chosen in self._trials_before():
                self._ask(chosen)
        for remark in self.store.remarks:
            watcher.say(f"warning: {remark}")
        watcher.begin(self.study.name, total, len(self._kept))
        self._save()

    def _trials_before(self) -> Iterator[Parameters]:
        """What this search has chosen when it was run before."""
        before = self.store.read_manifest()
        assert self.study.search is not None
        assert self._search is not None
        trials: dict[int, dict[str, Any]] = {}
        for point in before.points if before else ():
            if "trial" in point:
                trials.setdefault(point["trial"], point)
        for number in sorted(trials):
            point = trials[number]
            names = self.study.search.space
            chosen = {name: value for name, value in point["parameters"].items() if name in names}
            # with another study, or other code, it is another search
            same = self._search.fits(chosen) and point["key"] in {
                self.task.key(repeat | chosen) for repeat in self.study.points()
            }
            if not (same and self._search.left):
                return
            yield chosen

    def _ask(self, before: Parameters | None = None) -> None:
        assert self._search is not None
        chosen = self._search.ask(before)
        self._add(chosen, self._search.asked - 1)

    def _add(self, chosen: Parameters, trial: int | None) -> None:
        """Points of a trial, or all of a grid."""
        keys = set()
        for parameters in self.study.points():
            point = Point(self.task.key(parameters | chosen), parameters | chosen, trial)
            self._points.append(point)
            keys.add(point.key)
            if point.key not in self._known:
                self._known.add(point.key)
                record = self.store.read(point.key)
                if record is None:
                    self._waiting.append(point)
                else:
                    self._kept[point.key] = record
        if trial is not None:
            self._trials.append(keys)
            self._tell(trial)

    def _tell(self, trial: int) -> None:
        """Tell the search how good a trial is, when all its points are over."""
        keys = self._trials[trial]
        if self._search is None or not keys <= self._kept.keys() | self._failed:
            return
        found = [self._objective(self._kept[key]) for key in sorted(keys & self._kept.keys())]
        values = [value for value in found if value is not None]
        complete = len(values) == len(keys)
        self._search.tell(trial, sum(values) / len(values) if complete else None)

    def _objective(self, record: Record) -> float | None:
        """None if it is no finite number."""
        assert self.study.search is not None
        assert record.result is not None
        name = self.study.search.objective
        numbers = {
            n: v for n, v in record.result.items() if v is None or isinstance(v, (int, float))
        }
        if name not in numbers:
            raise StudyError(unknown("Objective", numbers, name), ("search", "objective"))
        value = numbers[name]
        return None if value is None else float(value)

    def _save(self) -> None:
        points = []
        for point in self._points:
            found: dict[str, Any] = {"key": point.key, "parameters": point.parameters}
            points.append(found if point.trial is None else found | {"trial": point.trial})
        self._manifest = replace(self._manifest, points=points)
        self.store.write_manifest(self._manifest)

    def run(self, executor: Executor) -> None:
        """Run what is left."""
        with _asked_to_end() as ended:
            alone = False
            while self.left:
                if not executor.workers and not alone:
                    self._watcher.say("no worker is there yet; points wait for the first one")
                    alone = True
                self._give(executor)
                events = executor.wait(WAIT_SECONDS)
                if self._search is None:
                    self._give(executor)  # before results are written, so that nobody waits
                for event in events:
                    if event.outcome is None:
                        self._watcher.share(event.key, event.share)
                    else:
                        self._end(event.key, event.outcome)
                if ended.is_set():
                    raise InterruptedStudyError(f"Stopped with {len(self._kept)} results")

    def _give(self, executor: Executor) -> None:
        while executor.room:
            if not self._waiting and self._search is not None and self._search.left:
                self._ask()
                self._save()
                continue
            if not self._waiting:
                return
            point = self._waiting.popleft()
            self._running[point.key] = point
            executor.submit(
                {"key": point.key, "task": self.study.task, "version": self.task.version,
                 "parameters": point.parameters}
            )  # fmt: skip
            self._watcher.started(point.key)

    def _end(self, key: str, outcome: dict[str, Any]) -> None:
        point = self._running.pop(key)
        record = Record(
            key=key, task=self.task.name, version=self.task.version,
            parameters=dict(point.parameters), ended=now(), **outcome,
        )  # fmt: skip
        self.store.write(record)
        if record.done:
            self._kept[key] = record
        else:
            self._failed.add(key)
        self._watcher.ended(record)
        for trial, keys in enumerate(self._trials):
            if key in keys:
                self._tell(trial)


def _as_text(study: Study) -> str:
    return json.dumps(asdict(study), indent=1, default=str)


@contextmanager
def _asked_to_end() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; a second Ctrl-C interrupts as ever."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def ask(number: int, _frame: FrameType | None) -> None:
        if event.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        event.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def point_of(where: str | Path, key: str, folder: str | Path | None = None) -> tuple[Task, Point]:
    """The point whose key begins so, and its task.

    Parameters
    ----------
    where : str or Path
        A study file, or the folder of a study that was run.
    key : str
        Its beginning.
    folder : str or Path, optional
        Of the results of the file's study, which knows the keys of points before their code was
        changed.

    Raises
    ------
    StudyError
        If there is none, or more than one.
    """
    found: dict[str, Parameters] = {}
    where = Path(where)
    if where.is_dir():
        store, name = Store(where), None
    else:
        study = load(where)
        store = Store(default_folder(study.name) if folder is None else Path(folder))
        name = study.task
    manifest = store.read_manifest()
    if manifest is not None:
        name = name or manifest.task
        found = {point["key"]: point["parameters"] for point in manifest.points}
    if name is None:
        raise StudyError(f"Folder {where} must be one that panther study run has written")
    task = find(name)
    if not where.is_dir() and study.search is None:
        found |= {task.key(parameters): parameters for parameters in study.points()}
    fitting = {found_key: p for found_key, p in found.items() if found_key.startswith(key)}
    different = {canonical(parameters) for parameters in fitting.values()}
    if len(different) != 1:
        count = len(different) or "none"
        raise StudyError(f"Key must be the beginning of one point's, not of {count}: {key!r}")
    return task, Point(*next(iter(fitting.items())))
