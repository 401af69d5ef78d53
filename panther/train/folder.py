"""The folder a run leaves: config, metrics, checkpoints, report; every file whole at any time."""

import csv
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from golden.network import State
from panther.host.checkpoint import write_whole
from panther.train import checkpoint
from panther.train.checkpoint import Checkpoint
from panther.train.errors import TrainError
from panther.train.metrics import Epoch
from panther.train.nodes import Fitted
from panther.train.problem import Problem
from panther.train.report import page

CONFIG, METRICS, REPORT, CHECKPOINTS = "config.json", "metrics.csv", "report.html", "checkpoints"
PLAIN = ("epoch", "engine", "examples", "rate", "seconds", "cycles", "loss", "accuracy")
"""Columns of the metrics; after them the shares of what is saturated."""


class RunFolder:
    """A run's folder; nothing is written before :meth:`begin`.

    Parameters
    ----------
    path : Path
    tensorboard : bool
        Write TensorBoard events as well.

    Raises
    ------
    TrainError
        If the package that writes events is missing.
    """

    def __init__(self, path: Path, *, tensorboard: bool = False) -> None:
        self.path = path
        self._problem: Problem | None = None
        self._engine = ""
        self._writer: Any = None
        if tensorboard:
            try:
                from tensorboardX import SummaryWriter
            except ImportError as error:
                raise TrainError(
                    f"TensorBoard needs pip install 'panther-rtl[tensorboard]': {error}"
                ) from error
            self._writer = SummaryWriter

    def check(self, *, resume: bool) -> None:
        """Refuse a folder that is not new, or to resume what is not there.

        Raises
        ------
        TrainError
            If so.
        """
        try:
            taken = self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir()))
        except OSError as error:
            raise TrainError(f"Run folder {self.path} cannot be read: {error.strerror}") from error
        if resume and not (self.path / CONFIG).is_file():
            raise TrainError(f"Run folder {self.path} must have a run to be resumed: no {CONFIG}")
        if taken and not resume:
            raise TrainError(
                f"Run folder {self.path} must be new or empty; --resume goes on with the run in it"
            )

    def resume(self, problem: Problem) -> tuple[Checkpoint | None, list[str]]:
        """The newest whole checkpoint, None if there is none yet, and what is wrong with others.

        Raises
        ------
        TrainError
            If it is of another run, or all there are are damaged.
        """
        found, damaged = checkpoint.latest(self.path / CHECKPOINTS)
        if found is None and damaged:
            raise TrainError("\n".join(damaged))
        if found is not None:
            place = f"{self.path}: run must be resumed with the same"
            if different := _difference(found.identity, problem.identity()):
                raise TrainError(f"{place} {different}")
        return found, damaged

    def begin(self, problem: Problem, data: str, engine: str, fitted: Fitted | None) -> None:
        """Make the folder, and write what is run."""
        (self.path / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
        self._problem, self._engine = problem, engine
        config = {
            "model": problem.name,
            "data": data,
            "engine": engine,
            "examples": len(problem.data.train_x),
            "epochs": problem.plan.epochs,
            **problem.identity(),
            "node": None if fitted is None else asdict(fitted.compiled.node),
        }
        self._write(CONFIG, json.dumps(config, indent=1) + "\n")
        if self._writer is not None:
            self._writer = self._writer(str(self.path / "tensorboard"))

    def save(self, state: State, epochs: list[dict[str, Any]]) -> None:
        """Write a checkpoint."""
        assert self._problem is not None
        checkpoint.save(self.path / CHECKPOINTS, state, self._problem.identity(), epochs)

    def report(self, epochs: list[Epoch]) -> None:
        """Write metrics and report of the epochs that are over."""
        assert self._problem is not None
        out = io.StringIO()
        shares = list(epochs[-1].saturation) if epochs else []
        lines = csv.writer(out, lineterminator="\n")
        lines.writerow([*PLAIN, *shares])
        for epoch in epochs:
            plain = [getattr(epoch, name) for name in PLAIN]
            lines.writerow([*plain, *(epoch.saturation[name] for name in shares)])
        self._write(METRICS, out.getvalue())
        self._write(REPORT, page(self._problem, epochs))
        if self._writer is not None and epochs:
            last = epochs[-1]
            values = {name: getattr(last, name) for name in ("loss", "accuracy", "rate", "seconds")}
            values |= {f"saturated/{name}": share for name, share in last.saturation.items()}
            for name, value in values.items():
                self._writer.add_scalar(name, value, last.epoch)
            self._writer.flush()

    def _write(self, name: str, text: str) -> None:
        write_whole(self.path / name, text.encode())


def _difference(saved: Any, own: Any, name: str = "") -> str:
    """What is not the same, in words; nothing if all is."""
    if isinstance(saved, dict) and isinstance(own, dict):
        for key in sorted({*saved, *own}):
            if found := _difference(saved.get(key), own.get(key), f"{name}.{key}" if name else key):
                return found
        return ""
    if saved == own:
        return ""
    kind, _, rest = name.partition(".")
    if kind == "plan":
        return f"plan: {rest} must be {saved}, not {own}"
    if kind == "network":
        pairs = zip([*saved, "nothing"], [*own, "nothing"], strict=False)
        one, other = next((a, b) for a, b in pairs if a != b)
        return f"network: {one}, not {other}"
    return f"{kind}: these {kind} are others"
