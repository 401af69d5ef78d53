"""What is to be trained, on what and how: everything that determines a run, to the bit."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.crossbar import fault_map
from golden.data import Dataset, digits, idx_dataset, quantise
from golden.network import NetworkTrainer, check_plan, checked_weights
from panther.arch.checks import shown
from panther.arch.formats import Fixed, TrainFormats
from panther.arch.network import Network, TrainPlan
from panther.compiler.builder import Model
from panther.compiler.canonicalise import arrange, canonicalise
from panther.compiler.formats import default_formats
from panther.compiler.graph import Graph, ModelError
from panther.compiler.tiling import crossbar_numbers
from panther.frontends.load import load
from panther.train.calibrate import calibrate
from panther.train.errors import TrainError

Reals = NDArray[np.float64]
Data = str | Path | Dataset | tuple[Any, Any, Any, Any]
"""``digits``; a folder with the four IDX files of MNIST or of a set like it; words; or four arrays,
real numbers and classes: training examples and labels, test examples and labels."""
FORMATS = ("default", "calibrated")
BATCH = 16
"""Of V2 and V3, where nothing is said."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A network with its first weights, a plan, and data as words."""

    name: str
    network: Network
    weights: Mapping[str, Reals]
    plan: TrainPlan
    data: Dataset

    def trainer(self) -> NetworkTrainer:
        """A golden trainer at the beginning."""
        return NetworkTrainer(self.network, self.weights, self.plan)

    def identity(self) -> dict[str, Any]:
        """Everything two runs must share for one to continue the other: plain data.

        Epochs are not in it: a run may go on for longer than was first asked for.
        """
        plan = asdict(self.plan)
        del plan["epochs"]
        del plan["mcu"]["cycles"]  # they say when, not what
        device = plan["mcu"]["device"]
        if device["fault_file"]:  # what is in it, wherever it stands
            device["fault_file"] = sha256(Path(device["fault_file"]).read_bytes()).hexdigest()
        found = {
            "network": [_node_text(node) for node in map(asdict, self.network.nodes)],
            "weights": _digest({name: self.weights[name] for name in sorted(self.weights)}),
            "data": _digest(vars(self.data)),
            "plan": plan,
        }
        plain: dict[str, Any] = json.loads(json.dumps(found))
        return plain


def _node_text(node: dict[str, Any]) -> str:
    del node["source"]  # the same network may stand elsewhere
    return " ".join(f"{key}={value}" for key, value in node.items())


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    found = sha256()
    for name, array in arrays.items():
        found.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def prepare(
    model: object, data: Data, *, plan: TrainPlan, formats: str = "default",
    examples: int | None = None, shape: Sequence[int] | None = None, loss: str | None = None,
    weights_seed: int = 1,
) -> Problem:  # fmt: skip
    """Bring model, data and plan together.

    Parameters
    ----------
    model : str, Path, Model, Graph or torch.nn.Module
        What :func:`panther.frontends.load.load` takes, ``FILE.py`` meaning ``FILE.py:model``.
    data : Data
    plan : TrainPlan
        Without formats.
    formats : str
        One of ``FORMATS``.
    examples : int, optional
        Training examples to take, the first ones; all if not given.
    shape, loss
        See :func:`panther.frontends.load.load`.
    weights_seed : int
        Of the first weights of one of our models.

    Raises
    ------
    TrainError
        If something cannot be used, or does not fit.
    """
    try:
        graph = _graph(model, shape, loss, weights_seed)
        network, weights = canonicalise(graph)
    except ModelError as error:
        raise TrainError("\n".join(error.problems)) from error
    try:
        weights = checked_weights(network, weights)
        plan = _with_formats(network, plan, formats)
        _check_rates(network, plan)
        check_plan(network, plan)
        words = _words(network, plan, data)
        _check_labels(network, words)
        if formats == "calibrated":
            if isinstance(data, Dataset):
                raise ValueError("Formats must be default for data that are words already")
            plan = calibrate(network, weights, plan, words)
            _check_rates(network, plan)
            check_plan(network, plan)
            words = _words(network, plan, data)
        if examples is not None:
            if not 1 <= examples <= len(words.train_x):
                raise ValueError(
                    f"Examples must be from 1 to the {len(words.train_x)} there are, not {examples}"
                )
            words = replace(
                words, train_x=words.train_x[:examples], train_y=words.train_y[:examples]
            )
        _check_faults(network, plan)
    except ValueError as error:
        raise TrainError(str(error)) from error
    return Problem(name=graph.name, network=network, weights=weights, plan=plan, data=words)


def _check_faults(network: Network, plan: TrainPlan) -> None:
    """Refuse a fault file before a crossbar of any engine does."""
    mcu = plan.mcu
    if mcu.device.fault_file:
        shape = mcu.slices.count, mcu.rows, mcu.columns
        for number in crossbar_numbers(network, plan).values():
            fault_map(mcu.device.fault_file, number, shape)


def _graph(
    model: object, shape: Sequence[int] | None, loss: str | None, weights_seed: int
) -> Graph:
    if isinstance(model, (str, Path)):
        text = str(model)
        if text.endswith(".py"):
            text += ":model"
        return load(text, shape=shape, loss=loss, seed=weights_seed)
    if isinstance(model, Model):
        model = model.graph()
    if isinstance(model, Graph):
        if shape is not None or loss is not None:
            raise ModelError([f"{model.name}: shape and loss must not be given, it has its own"])
        return model
    if type(model).__module__ == "builtins" or not hasattr(model, "state_dict"):
        raise ModelError(
            [f"Model must be a name, a Model, a Graph or a torch.nn.Module, not {shown(model)}"]
        )
    from panther.frontends.torch import from_torch

    if shape is None:
        raise ModelError(["shape of the input must be given for a torch module"])
    return from_torch(model, shape, loss=loss or "softmax")


# ---- the plan


def _with_formats(network: Network, plan: TrainPlan, formats: str) -> TrainPlan:
    """A plan with fraction bits for all, those that a calibration run begins with, too."""
    if formats not in FORMATS:
        raise ValueError(f"Formats must be one of {', '.join(FORMATS)}, not {shown(formats)}")
    return default_formats(network, plan)


def _check_rates(network: Network, plan: TrainPlan) -> None:
    values = [("Learning rate", plan.lr)]
    values += [(f"Factor from epoch {epoch} on", factor) for epoch, factor in plan.schedule]
    for name, value in values:
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be positive and finite, not {value}")
    for epoch in sorted({0, *(start for start, _ in plan.schedule)}):
        for node in network.matrices:
            try:
                plan.rate(network, node, epoch)
            except ValueError as error:
                raise ValueError(
                    f"Learning rate {plan.rate_of(epoch):g} must be larger or smaller with batch "
                    f"{plan.batch}: {node.name} cannot express it ({error})"
                ) from None


# ---- data


def _words(network: Network, plan: TrainPlan, data: Data) -> Dataset:
    """Examples as the network takes them, shape (examples, height, width, channels)."""
    source = network.nodes[0]
    fixed = Fixed(fraction=plan.fraction(network, source.name))
    if isinstance(data, (str, Path)):
        known = TrainFormats(activation=fixed)
        if str(data) == "digits":
            try:
                data = digits(known)
            except ImportError as error:
                raise ValueError(f"Digits need pip install 'panther-rtl[sim]': {error}") from error
        elif not Path(data).is_dir():
            raise ValueError(f"Data must be digits or a folder of IDX files, not {str(data)!r}")
        else:
            data = idx_dataset(data, known)
    elif not isinstance(data, Dataset):
        if not isinstance(data, (tuple, list)) or len(data) != 4:
            raise ValueError(
                "Data must be digits, a folder of IDX files, a Dataset, or four arrays: training "
                f"examples and labels, test examples and labels, not {shown(data)}"
            )
        data = _quantised(network, fixed, *data)
    shape = source.shape
    found = {}
    for name, array in vars(data).items():
        if name.endswith("_x"):
            if not len(array):
                raise ValueError("Examples must be at least one for training and one for testing")
            if math.prod(array.shape[1:]) != math.prod(shape):
                raise ValueError(
                    f"Examples must have the {math.prod(shape)} words of the network's input, "
                    f"{shape[2]} channels of {shape[0]} x {shape[1]}, "
                    f"not {math.prod(array.shape[1:])}"
                )
            array = array.reshape(-1, *shape)
        found[name] = array
    return Dataset(**found)


def _quantised(
    network: Network, fixed: Fixed, train_x: Any, train_y: Any, test_x: Any, test_y: Any
) -> Dataset:
    words = [quantise(_arranged(network, one), fixed) for one in (train_x, test_x)]
    labels = []
    for one in (train_y, test_y):
        array = np.asarray(one)
        if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
            raise ValueError(
                f"Labels must be integers, one for each example, not {array.dtype} of shape "
                f"{array.shape}"
            )
        labels.append(array.astype(np.int64))
    return Dataset(words[0], labels[0], words[1], labels[1])


def _arranged(network: Network, examples: Any) -> Reals:
    try:
        real = np.asarray(examples, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Data must be an array of numbers: {error}") from error
    height, width, channels = network.nodes[0].shape
    if real.ndim in (2, 3) and channels == 1 and math.prod(real.shape[1:]) == height * width:
        return real.reshape(-1, height, width, 1)  # pictures without an axis for channels
    return arrange(network, real)


def _check_labels(network: Network, data: Dataset) -> None:
    classes = min(node.shape[2] for node in network.losses)
    for part in ("train", "test"):
        labels, count = getattr(data, f"{part}_y"), len(getattr(data, f"{part}_x"))
        if labels.shape != (count,):
            raise ValueError(f"Labels must be one for each of {count} examples, not {len(labels)}")
        wrong = np.flatnonzero((labels < 0) | (labels >= classes))
        if len(wrong):
            raise ValueError(
                f"Label of {part} example {wrong[0]} must be in the range [0, {classes - 1}] of "
                f"the network's {classes} outputs, not {labels[wrong[0]]}"
            )
