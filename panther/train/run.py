"""A run: epochs in batches on an engine, checkpoints, metrics, and what is left of it."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.network import NetworkTrainer
from golden.train import epoch_order
from panther.arch.checks import shown
from panther.arch.network import Network, TrainPlan
from panther.train import engines
from panther.train.engines import Engine, GoldenEngine
from panther.train.errors import MismatchError, TrainError
from panther.train.folder import RunFolder
from panther.train.metrics import Epoch, measure
from panther.train.nodes import Fitted, fit, parse_node
from panther.train.problem import BATCH, Data, Problem, prepare
from panther.train.progress import Watcher


@dataclass
class Run:
    """A run that is over. As text: a table of its epochs."""

    problem: Problem
    engine: str
    fitted: Fitted | None
    """The node and its programs; None of golden."""
    epochs: list[Epoch]
    cells: dict[str, NDArray[np.int16]]
    """Of every matrix, shape (slices, rows, columns)."""
    checks: int = 0
    """How often the cells were compared with golden's, and equal."""
    folder: Path | None = None
    resumed: int = 0
    """Examples that had been trained before."""
    remarks: list[str] = field(default_factory=list)

    @property
    def accuracy(self) -> list[float]:
        """On the test examples, after every epoch."""
        return [epoch.accuracy for epoch in self.epochs]

    @property
    def network(self) -> Network:
        return self.problem.network

    @property
    def plan(self) -> TrainPlan:
        return self.problem.plan

    def __str__(self) -> str:
        plan = self.problem.plan
        lines = [f"{self.problem.name}, {plan.variant}, batch {plan.batch}, engine {self.engine}"]
        lines.append(ROW.format("epoch", "examples", "loss", "accuracy"))
        lines += [row(epoch) for epoch in self.epochs]
        return "\n".join([*lines, *([self.checked] if self.checks else [])])

    @property
    def checked(self) -> str:
        """How often the cells were compared, in words."""
        cells = sum(cells.size for cells in self.cells.values())
        times = f"{self.checks} checkpoints" if self.checks > 1 else "1 checkpoint"
        return f"all {cells:,} cells equal golden's at {times}"


ROW = "{:>5}  {:>8}  {:>7}  {:>8}"


def row(epoch: Epoch) -> str:
    """A line of a run's table."""
    return ROW.format(
        epoch.epoch, epoch.examples, f"{epoch.loss:.4f}", f"{100 * epoch.accuracy:.1f} %"
    )


def train(
    model: object, data: Data = "digits", *, engine: str = "golden", variant: str = "V1",
    epochs: int = 3, batch: int | None = None, lr: float = 1 / 32,
    schedule: Sequence[tuple[int, float]] = (), crs_period: int | None = 16, momentum: float = 0.0,
    history: int = 0, seed: int = 0, weights_seed: int = 1, formats: str = "default",
    examples: int | None = None, shape: Sequence[int] | None = None, loss: str | None = None,
    node: str = "auto", node_parameters: Sequence[str] = (), folder: str | Path | None = None,
    resume: bool = False, checkpoint_every: int | None = None, check: bool = False,
    tensorboard: bool = False, simulator: str = "verilator", watcher: Watcher | None = None,
) -> Run:  # fmt: skip
    """Train a network.

    Parameters
    ----------
    model : str, Path, Model, Graph or torch.nn.Module
        ``FILE.onnx``, ``FILE.py:NAME``, the name of one of ours, or an object.
    data : str, Path, Dataset or four arrays
        ``digits``, a folder with the IDX files of MNIST or of a set like it, or training examples
        and labels, test examples and labels: real numbers and classes.
    engine : str
        ``golden``, ``transaction`` or ``rtl``: cells are the same with all.
    variant : str
        ``V1``: outer products after each example; ``V2``: at the batch's end; ``V3``: at once into
        a copy.
    epochs, batch, lr, schedule, crs_period, momentum, history, seed
        See :class:`~panther.arch.network.TrainPlan`; a batch is 1 with V1, else 16 if not given.
    weights_seed : int
        Of the first weights of one of our models.
    formats : str
        ``default`` or ``calibrated``.
    examples : int, optional
        Training examples to take, the first ones; all if not given.
    shape, loss
        Of one example of a ``torch.nn.Module``; ``softmax`` or ``mse`` for models that do not say.
    node : str
        ``auto``: the fewest of the paper's tiles; ``WxH`` of them; or a preset.
    node_parameters : sequence of str
        ``NAME=VALUE`` to change in that.
    folder : str or Path, optional
        Where config, metrics, checkpoints and report are left; nothing is written if not given.
    resume : bool
        Go on with the run in the folder, with any engine.
    checkpoint_every : int, optional
        Examples from one checkpoint to the next, beside those at the end of every epoch.
    check : bool
        Train golden beside, and compare all cells at every checkpoint.
    tensorboard : bool
        Write events into the folder, too.
    simulator : str
        Of engine rtl: ``verilator`` or ``icarus``.
    watcher : Watcher, optional
        Is told how it goes; a progress bar on a terminal if not given.

    Raises
    ------
    TrainError
        If something cannot be used; no folder has been made then.
    MismatchError
        If an engine's cells are not golden's.
    OSError
        If the folder cannot be written.
    ToolError
        If the simulator is missing.
    """
    _check_kinds(
        {"Learning rate": lr, "Momentum": momentum}, (int, float), "a number",
    )  # fmt: skip
    counts = {
        "Epochs": epochs, "Batch": batch, "CRS period": crs_period, "History": history,
        "Seed": seed, "Weights' seed": weights_seed, "Examples": examples,
        "Examples between checkpoints": checkpoint_every,
    }  # fmt: skip
    _check_kinds({n: c for n, c in counts.items() if c is not None}, (int,), "an integer")
    _check_kinds({"Node": node, "Variant": variant, "Formats": formats}, (str,), "a name")
    if engine not in engines.ENGINES:
        raise TrainError(f"Engine must be one of {', '.join(engines.ENGINES)}, not {engine!r}")
    if check and engine == "golden":
        raise TrainError("Check must be with engine transaction or rtl: golden is what it is with")
    if checkpoint_every is not None and checkpoint_every < 1:
        raise TrainError(f"Checkpoints must be at least 1 example apart, not {checkpoint_every}")
    if folder is None and (resume or tensorboard or checkpoint_every):
        raise TrainError("Resuming, checkpoints and TensorBoard must have a run folder")
    wanted, mcu = parse_node(node, node_parameters)
    try:
        plan = TrainPlan(
            variant=variant, lr=lr, schedule=tuple((e, f) for e, f in schedule), epochs=epochs,
            batch=(1 if variant == "V1" else BATCH) if batch is None else batch,
            crs_period=crs_period, momentum=momentum, history=history, seed=seed,
            mcu=mcu,
        )  # fmt: skip
    except (TypeError, ValueError) as error:
        raise TrainError(str(error)) from error
    problem = prepare(
        model, data, plan=plan, formats=formats, examples=examples, shape=shape, loss=loss,
        weights_seed=weights_seed,
    )  # fmt: skip
    fitted = None
    if engine != "golden":
        count = len(problem.data.train_x)
        if plan.history and count % plan.batch:
            raise TrainError(
                f"Examples must be whole batches of {plan.batch} with momentum, but for engine "
                f"golden, not {count}"
            )
        fitted = fit(problem.network, problem.plan, wanted, least=engine == "rtl")
        if engine == "rtl":
            try:
                fitted.compiled.node.tile.core.check_rtl()
            except ValueError as error:
                raise TrainError(str(error)) from error
    place = None if folder is None else RunFolder(Path(folder), tensorboard=tensorboard)
    if place is not None:
        place.check(resume=resume)
    with ExitStack() as stack:
        loop = _Loop(
            problem, stack.enter_context(engines.opened(engine, problem, fitted, simulator)),
            GoldenEngine(problem) if check else None, place, checkpoint_every,
        )  # fmt: skip
        if place is not None:
            source = str(data) if isinstance(data, (str, Path)) else "arrays"
            loop.enter(place, source, fitted, resume)
        watching = stack.enter_context(Watcher() if watcher is None else watcher)
        watching.begin(problem, engine, fitted, loop.examples)
        loop.run(watching)
        state = loop.engine.state()
    return Run(
        problem=problem, engine=engine, fitted=fitted, epochs=loop.epochs,
        cells={n.removeprefix("cells/"): c for n, c in state.items()
               if n.startswith("cells/") and isinstance(c, np.ndarray)},
        checks=loop.checks, folder=place.path if place else None, resumed=loop.resumed,
        remarks=loop.remarks,
    )  # fmt: skip


def _check_kinds(values: Mapping[str, object], kinds: tuple[type, ...], what: str) -> None:
    """Refuse what Python would stumble over later."""
    for name, value in values.items():
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise TrainError(f"{name} must be {what}, not {shown(value)}")


class _Loop:
    """Where a run stands."""

    def __init__(
        self, problem: Problem, engine: Engine, beside: GoldenEngine | None,
        folder: RunFolder | None, checkpoint_every: int | None,
    ) -> None:  # fmt: skip
        self.problem, self.engine, self.beside, self.folder = problem, engine, beside, folder
        self.every = checkpoint_every
        self.examples = self.resumed = self.checks = 0
        self.epochs: list[Epoch] = []
        self.remarks: list[str] = []
        self._judge: NetworkTrainer | None = None
        if isinstance(engine, GoldenEngine):
            self._judge = engine.trainer

    def enter(self, folder: RunFolder, data: str, fitted: Fitted | None, resume: bool) -> None:
        """Make the folder, or continue from its last checkpoint."""
        if resume:
            found, self.remarks = folder.resume(self.problem)
            if found is not None:
                self.engine.restore(found.state)
                if self.beside is not None:
                    self.beside.restore(found.state)
                self.examples = self.resumed = int(found.state["examples"])
                self.epochs = [Epoch(**epoch) for epoch in found.epochs]
        folder.begin(self.problem, data, self.engine.name, fitted)

    def run(self, watcher: Watcher) -> None:
        plan, data = self.problem.plan, self.problem.data
        total = len(data.train_x)
        # a run that was killed between its last checkpoint and its report has neither
        self._report()
        for number in range(self.examples // total, plan.epochs):
            if len(self.epochs) == number:
                self.epochs.append(Epoch(number + 1, rate=plan.rate_of(number)))
            epoch = self.epochs[number]
            epoch.engine = self.engine.name
            order = epoch_order(plan, number, total)
            for start, stop, batch in self._chunks(self.examples - number * total, total):
                chosen = order[start:stop]
                self._train(epoch, data.train_x[chosen], data.train_y[chosen], batch, number)
                watcher.advance(self.examples)
                if self.every and self._is_due(stop - start) and stop < total:
                    self._checkpoint()
            state = self._checked()
            if self._judge is None:
                self._judge = self.beside.trainer if self.beside else self.problem.trainer()
            if not isinstance(self.engine, GoldenEngine):
                self._judge.restore(state)
            measure(self._judge, data, epoch)
            self._save(state)
            self._report()
            watcher.epoch(epoch)

    def _train(
        self, epoch: Epoch, x: NDArray[np.int64], labels: NDArray[np.int64], batch: int, number: int
    ) -> None:  # fmt: skip
        began, cycles = time.monotonic(), self.engine.cycles
        self.engine.run(x, labels, batch=batch, epoch=number)
        epoch.seconds += time.monotonic() - began
        epoch.cycles += self.engine.cycles - cycles
        if self.beside is not None:
            self.beside.run(x, labels, batch=batch, epoch=number)
        self.examples += len(x)
        epoch.examples = self.examples

    def _chunks(self, start: int, total: int) -> Iterator[tuple[int, int, int]]:
        """First example, the one behind the last, and the batch, of what is trained at once."""
        batch = self.problem.plan.batch
        most = max(1, self.engine.room // batch) * batch
        whole = total // batch * batch
        while start < whole:
            stop = min(start + most, whole)
            if self.every:  # to the end of the batch in which a checkpoint is due
                due = (self.examples // self.every + 1) * self.every - self.examples
                stop = min(stop, start + -(-due // batch) * batch)
            yield start, stop, batch
            start = stop
        if start < total:
            yield start, total, total - start

    def _is_due(self, trained: int) -> bool:
        assert self.every is not None
        return self.examples // self.every > (self.examples - trained) // self.every

    def _checked(self) -> Any:
        """The engine's state, compared with golden's."""
        state = self.engine.state()
        if self.beside is not None:
            if wrong := engines.differences(state, self.beside.state()):
                raise MismatchError(
                    f"After {self.examples} examples {self.engine.name} must be as golden: "
                    + "; ".join(wrong)
                )
            self.checks += 1
        return state

    def _checkpoint(self) -> None:
        self._save(self._checked())

    def _save(self, state: Any) -> None:
        if self.folder is not None:
            self.folder.save(state, [asdict(epoch) for epoch in self.epochs])

    def _report(self) -> None:
        if self.folder is not None:
            over = [replace(e) for e in self.epochs if e.saturation]
            self.folder.report(over)
