"""Live progress of a run: a bar on a terminal, nothing elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from panther.train.metrics import Epoch
from panther.train.nodes import Fitted
from panther.train.problem import Problem


class Watcher:
    """Is told how a run goes, and shows it on standard error if that is a terminal."""

    def __init__(self) -> None:
        console = Console(stderr=True, highlight=False)
        self._bars = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TextColumn("examples"), TimeElapsedColumn(), TimeRemainingColumn(),
            console=console, disable=not console.is_terminal, transient=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._bars.stop()

    def begin(self, problem: Problem, engine: str, fitted: Fitted | None, examples: int) -> None:
        """A run begins, or continues after so many examples."""
        total = problem.plan.epochs * len(problem.data.train_x)
        self._task = self._bars.add_task(f"{problem.name}, {engine}", total=total)
        self._bars.update(self._task, completed=examples)

    def print(self, line: str) -> None:
        """A line above the bar, on standard output."""
        if self._bars.disable:
            print(line, flush=True)
        else:
            self._bars.print(line)

    def advance(self, examples: int) -> None:
        """So many examples are trained."""
        self._bars.update(self._task, completed=examples)

    def epoch(self, epoch: Epoch) -> None:
        """An epoch is over."""
        self._bars.update(
            self._task,
            description=f"after epoch {epoch.epoch}: accuracy {100 * epoch.accuracy:.1f} %",
        )
