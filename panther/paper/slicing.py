"""One point of Fig. 10: digits, a multilayer perceptron 64-64-10, one slicing, one CRS period.

A task of ``panther study``, called ``slicing``. Parameters:

``accounting``
    ``normalised``: the paper's training code, :mod:`golden.normalised`; ``hardware``: one OPA an
    example, its x streamed bit by bit, :class:`golden.train.Trainer`.
``slicing``
    As the paper prints it; ``none`` trains in floating point alone.
``value_bits``, ``crs_period`` (in examples), ``batch``, ``optimiser``, ``lr``, ``epochs``, ``seed``
    The hardware accounting has batch 1 and the optimiser sgd.

Results: ``accuracy`` after the last epoch; ``at_limit``, the fraction of each slice's cells at
either end of their range (normalised: right after an update; hardware: when a CRS reads them);
``lost``, the fraction that could not move as far as an update wanted; ``nj_per_example``, the
energy of the updates of one unit; slice 0 first. Fractions are means over the layers (normalised:
over weights and biases of the layers), which count alike.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from golden.data import digits
from golden.fast import FastMatrix
from golden.float_sgd import FloatTrainer
from golden.normalised import NormalisedConfig, NormalisedTrainer
from golden.train import TrainConfig, Trainer
from panther.arch.checks import check_range
from panther.arch.formats import TrainFormats
from panther.arch.params import McuParams, SliceParams
from panther.energy import load_prices
from panther.energy.update import update_energy

NORMALISED, HARDWARE = "normalised", "hardware"
ACCOUNTINGS = (NORMALISED, HARDWARE)
NONE = "none"
LAYERS = (64, 64, 10)

PARAMETERS = (
    "accounting", "slicing", "value_bits", "crs_period", "batch", "optimiser", "lr", "epochs",
    "seed",
)  # fmt: skip
SOURCES = ("golden", "panther.arch.params", "panther.arch.formats", "panther.energy")
SHOWN = ("accuracy", "nj_per_example")

Results = dict[str, Any]


def files(parameters: Mapping[str, Any]) -> list[Path]:
    """Files that decide the results: the prices."""
    del parameters
    return [load_prices("panther").path]


def check(parameters: Mapping[str, Any]) -> None:
    """Refuse parameters of a point.

    Raises
    ------
    ValueError
        If one is missing or impossible.
    """
    missing = [name for name in PARAMETERS if name not in parameters]
    if missing:
        raise ValueError(f"Parameters must have {', '.join(missing)}")
    _config(parameters)


def run(parameters: Mapping[str, Any], report: Callable[[float], None]) -> Results:
    """Train one point; the same parameters give the same results.

    Raises
    ------
    ValueError
        See :func:`check`.
    """
    config = _config(parameters)
    data = digits(config.formats)
    trainer: Any
    if isinstance(config, NormalisedConfig):
        trainer = NormalisedTrainer(config)
        accuracy = trainer.fit(data)
        at_limit, lost = trainer.at_limit, trainer.lost
        resolutions = trainer.resolutions
    elif parameters["slicing"] == NONE:
        accuracy = FloatTrainer(config).fit(data)
        at_limit, lost, resolutions = (), (), 0
    else:
        trainer = Trainer(config, FastMatrix)
        accuracy = trainer.fit(data, lambda done, total: report(done / total))
        resolutions = trainer.examples // config.crs_period
        at_limit = _mean(trainer, "at_limit", resolutions)
        lost = _mean(trainer, "opa_saturated", trainer.examples)
    found: Results = {"accuracy": accuracy[-1], "at_limit": list(at_limit), "lost": list(lost)}
    if parameters["slicing"] != NONE:
        mcu = McuParams(slices=_slices(parameters))
        examples = config.epochs * len(data.train_x)
        energy = update_energy(mcu, opas=1, resolutions=resolutions / examples)
        found |= {"resolutions": resolutions, "nj_per_example": 1e9 * energy.total_j}
    return found


def _slices(parameters: Mapping[str, Any]) -> SliceParams:
    return SliceParams.parse(str(parameters["slicing"]), value_bits=parameters["value_bits"])


def _config(parameters: Mapping[str, Any]) -> NormalisedConfig | TrainConfig:
    """What the point trains with."""
    accounting, period, batch = (parameters[n] for n in ("accounting", "crs_period", "batch"))
    check_range("Epochs", parameters["epochs"], 1, 2**31 - 1)
    check_range("Batch", batch, 1, 2**31 - 1)
    check_range("CRS period", period, 1, 2**31 - 1)
    alone = parameters["slicing"] == NONE
    lr, epochs, seed = parameters["lr"], parameters["epochs"], parameters["seed"]
    if accounting == NORMALISED:
        if period % batch:
            raise ValueError(
                f"CRS period must be a multiple of the batch of {batch} examples, not {period}"
            )
        return NormalisedConfig(
            slices=None if alone else _slices(parameters), crs_period=period // batch,
            layers=LAYERS, optimiser=parameters["optimiser"], lr=lr, batch=batch, epochs=epochs,
            seed=seed,
        )  # fmt: skip
    if accounting != HARDWARE:
        raise ValueError(f"Accounting must be one of {', '.join(ACCOUNTINGS)}, not {accounting!r}")
    if (batch, parameters["optimiser"]) != (1, "sgd"):
        raise ValueError("Accounting hardware must have batch 1 and the optimiser sgd")
    mcu = McuParams() if alone else McuParams(slices=_slices(parameters))
    return TrainConfig(
        layers=LAYERS, lr=lr, epochs=epochs, crs_period=period, formats=TrainFormats(), params=mcu,
        seed=seed,
    )  # fmt: skip


def _mean(trainer: Trainer, counter: str, events: int) -> tuple[float, ...]:
    """A counter of the slices as a fraction of cells and events, the mean over the layers."""
    parts = [
        np.array(getattr(matrix.counters, counter)) / (np.prod(matrix.shape) * max(events, 1))
        for matrix in trainer.matrices
    ]
    return tuple(float(part) for part in np.mean(parts, axis=0))
