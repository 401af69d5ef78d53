"""The task ``train``: a golden training run of a network, with any crossbar."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from panther.arch.checks import check_range, shown
from panther.arch.network import TrainPlan
from panther.arch.overrides import OVERRIDES, override
from panther.arch.params import McuParams
from panther.arch.presets import preset
from panther.study.errors import unknown
from panther.study.tasks import Report

if TYPE_CHECKING:
    from golden.network import NetworkTrainer
    from panther.train.problem import Problem

FEEDBACK = ".feedback"
_FILE = re.compile(r"\.(onnx|py)(:|$)")

SOURCES = (
    "golden", "models.analog", "panther.arch", "panther.compiler.builder",
    "panther.compiler.canonicalise", "panther.compiler.formats", "panther.compiler.graph",
    "panther.compiler.models", "panther.frontends", "panther.train.calibrate",
    "panther.train.engines", "panther.train.metrics", "panther.train.problem",
)  # fmt: skip
SHOWN = ("accuracy", "loss", "opa_clipped", "at_limit")
OF_PLAN = ("variant", "lr", "epochs", "batch", "crs_period", "momentum", "history", "seed")
OF_DATA = ("model", "data", "formats", "examples", "weights_seed", "loss_kind")
PARAMETERS = (*OF_DATA, *OF_PLAN, "schedule", "mcu", *OVERRIDES)
"""``model`` must be given. ``schedule`` is a list of texts ``EPOCH:FACTOR``, ``mcu`` a preset; the
names behind are parameters to change in it, ``loss_kind`` is ``loss`` of :func:`panther.train`."""
KINDS = {
    "crs_period": ((int, str), "an integer or none"),
    **dict.fromkeys(("epochs", "batch", "history", "seed", "examples",
                     "weights_seed"), (int, "an integer")),
    **dict.fromkeys(("lr", "momentum"), ((int, float), "a number")),
    **dict.fromkeys(("model", "data", "formats", "variant", "mcu", "loss_kind"), (str, "a name")),
}  # fmt: skip


def check(parameters: Mapping[str, Any]) -> None:
    """Refuse parameters no run can have.

    Raises
    ------
    ValueError
        If so.
    """
    for name, (kind, what) in KINDS.items():
        value = parameters.get(name)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):  # type: ignore[arg-type]
            raise ValueError(f"{name} must be {what}, not {shown(value)}")
    for name in ("examples", "epochs"):
        if name in parameters:
            check_range(name.capitalize(), parameters[name], 1, 2**31 - 1)
    model = parameters.get("model")
    if model is not None and not _FILE.search(model):
        from panther.compiler.models import MODELS

        if model not in MODELS:
            raise ValueError(unknown("model", [*MODELS, "FILE.onnx", "FILE.py:NAME"], model))
    plan_of(parameters)
    if "model" not in parameters:
        raise ValueError("model must be given: mlp, cnn, or another of ours, or a file")


def files(parameters: Mapping[str, Any]) -> list[Path]:
    """Files of model, data and faults."""
    model = parameters["model"].partition(":")[0] if ".py:" in parameters["model"] else ""
    found = [Path(name) for name in (model or parameters["model"],) if Path(name).is_file()]
    if (data := Path(parameters.get("data", "digits"))).is_dir():
        found += sorted(path for path in data.iterdir() if path.is_file())
    if faults := parameters.get("device.fault_file"):
        found.append(Path(faults))
    return found


def run(parameters: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Train, and measure after every epoch.

    Returns
    -------
    dict
        ``accuracy`` and ``loss`` on the test examples after the last epoch, ``accuracies`` and
        ``losses`` after each. ``opas`` and ``crs``: outer products and resolutions of carries of a
        matrix, the mean over matrices; rows that headroom trackers have resolved count as their
        share of a matrix. Shares of cells, a value a slice, slice 0 first, and their
        means over slices without ``_slices``: ``opa_clipped_slices``, those an OPA could not move
        as far as it wanted; ``at_limit_slices``, those a CRS found at either end of their range, 0
        without one; ``end_slices``, those at either end after training. ``words_clipped``: greatest
        share of saturated words of a tensor or its error, after the last epoch. ``train_seconds``:
        of training alone.
    """
    from panther.train.problem import prepare

    problem = prepare(
        parameters["model"], parameters.get("data", "digits"), plan=plan_of(parameters),
        formats=parameters.get("formats", "default"), examples=parameters.get("examples"),
        loss=parameters.get("loss_kind"), weights_seed=parameters.get("weights_seed", 1),
    )  # fmt: skip
    result, _ = trained(problem, report)
    return result


def trained(problem: "Problem", report: Report) -> tuple[dict[str, Any], "NetworkTrainer"]:
    """What :func:`run` returns of a problem, and its trainer at the end."""
    import time

    from golden.train import epoch_order
    from panther.train.engines import AT_ONCE, GoldenEngine
    from panther.train.metrics import Epoch, measure

    plan, data = problem.plan, problem.data
    engine = GoldenEngine(problem)
    count = len(data.train_x)
    step = max(1, AT_ONCE // plan.batch) * plan.batch
    epochs = []
    seconds = 0.0
    for number in range(plan.epochs):
        order = epoch_order(plan, number, count)
        began = time.monotonic()
        for start in range(0, count, step):
            chosen = order[start : start + step]
            engine.run(data.train_x[chosen], data.train_y[chosen], batch=plan.batch, epoch=number)
            report((number + (start + len(chosen)) / count) / plan.epochs)
        seconds += time.monotonic() - began
        epochs.append(Epoch(number + 1))
        measure(engine.trainer, data, epochs[-1])
    last = epochs[-1]
    words = [share for name, share in last.saturation.items() if not name.startswith("cells.")]
    result = {
        "accuracy": last.accuracy, "loss": last.loss, "words_clipped": max(words),
        "accuracies": [epoch.accuracy for epoch in epochs],
        "losses": [epoch.loss for epoch in epochs], "train_seconds": seconds,
        **_counted(engine.trainer),
    }  # fmt: skip
    return result, engine.trainer


def _counted(trainer: "NetworkTrainer") -> dict[str, Any]:
    """OPAs, CRS, and shares of cells."""
    import numpy as np

    from golden.headroom import HeadroomMatrix

    plan, slices = trainer.plan, trainer.plan.mcu.slices
    whole, rest = divmod(trainer.examples // plan.epochs, plan.batch)
    batches = ([plan.batch] * whole + [rest] * (rest > 0)) * plan.epochs
    # with momentum those of the batches before are applied again
    examples = sum(sum(batches[max(0, n - plan.history) : n + 1]) for n in range(len(batches)))
    limits = np.array([slices.cell_range(k) for k in range(slices.count)])[:, :, np.newaxis]
    opas: list[int] = []
    resolved: list[float] = []
    found = []
    for name, matrix in trainer.written.items():
        height, width, _ = trainer.network[name.removesuffix(FEEDBACK)].shape
        opas.append(examples * height * width)
        if plan.variant == "V3":
            resolved.append(len(batches))
        else:
            resolved.append(0 if plan.crs_period is None else opas[-1] // plan.crs_period)
        if isinstance(matrix, HeadroomMatrix):
            rows, columns = matrix.shape
            across = -(-columns // plan.mcu.columns)
            resolved[-1] += matrix.work.resolved_rows / (rows * across)
        cells = matrix.cells.reshape(slices.count, -1)
        ends = (cells <= limits[:, 0]) | (cells >= limits[:, 1])
        counters, size = matrix.counters, cells.shape[1]
        found.append([
            np.array(counters.opa_saturated) / max(opas[-1], 1),
            np.array(counters.at_limit) / (resolved[-1] or 1),
            ends.sum(axis=1), np.full(slices.count, size),
        ])  # fmt: skip
    *sums, sizes = np.sum(found, axis=0)
    result: dict[str, Any] = {"opas": float(np.mean(opas)), "crs": float(np.mean(resolved))}
    for name, values in zip(("opa_clipped", "at_limit", "end"), sums, strict=True):
        shares = values / sizes
        result |= {name: float(shares.mean()), f"{name}_slices": shares.tolist()}
    return result


def _mcu(parameters: Mapping[str, Any]) -> McuParams:
    texts = [f"{name}={_text(parameters[name])}" for name in OVERRIDES if name in parameters]
    return override(preset(parameters.get("mcu", "PAPER")), texts)


def _text(value: Any) -> str:
    """A value as an override has it."""
    if isinstance(value, list):
        return ",".join(_text(part) for part in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def plan_of(parameters: Mapping[str, Any]) -> TrainPlan:
    """The plan of a point.

    Raises
    ------
    ValueError
        If it is impossible.
    """
    given = {name: parameters[name] for name in OF_PLAN if name in parameters}
    if given.get("crs_period") == "none":
        given["crs_period"] = None
    if given.get("variant", "V1") != "V1":
        given.setdefault("batch", 16)
    return TrainPlan(**given, schedule=_schedule(parameters), mcu=_mcu(parameters))


def _schedule(parameters: Mapping[str, Any]) -> tuple[tuple[int, float], ...]:
    found = []
    for part in parameters.get("schedule", ()):
        epoch, _, factor = str(part).partition(":")
        try:
            found.append((int(epoch), float(factor)))
        except ValueError:
            raise ValueError(
                f"schedule must be a list of EPOCH:FACTOR, such as 2:0.5, not {shown(part)}"
            ) from None
    return tuple(found)
