"""Formats from a calibration run: the network trained in float64 on the first examples."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from golden.data import Dataset
from golden.float_network import FloatTrainer
from panther.arch.network import Network, TrainPlan
from panther.compiler.formats import Ranges, choose_formats

EXAMPLES = 512
"""Examples of a calibration run, at most."""


def calibrate(
    network: Network, weights: Mapping[str, Any], plan: TrainPlan, data: Dataset
) -> TrainPlan:
    """The plan with formats that hold whatever was seen.

    Parameters
    ----------
    data
        Words with the input's fraction bits under ``plan``.
    """
    fraction = plan.fraction(network, network.nodes[0].name)
    x = np.ldexp(data.train_x[:EXAMPLES].astype(np.float64), -fraction)
    labels = data.train_y[:EXAMPLES]
    trainer = FloatTrainer(network, weights, replace(plan, momentum=0.0, history=0))
    tensors: dict[str, float] = {}
    errors: dict[str, float] = {}
    weight: dict[str, float] = {}
    for start in range(0, len(x), plan.batch):
        part = slice(start, start + plan.batch)
        for seen, found in (
            (tensors, trainer.forward(x[part])),
            (errors, trainer.errors(x[part], labels[part])),
        ):
            for name, array in found.items():
                seen[name] = max(seen.get(name, 0.0), float(np.abs(array).max()))
        trainer.batch(x[part], labels[part])
        for name, array in trainer.weights.items():
            weight[name] = max(weight.get(name, 0.0), float(np.abs(array).max()))
    return choose_formats(network, plan, Ranges(tensors, errors, weight))
