"""Pass: fraction bits of every tensor, error and matrix, from the ranges of a calibration run.

Every word gets as many integer bits as the greatest value seen needs, and one to spare. Tensors of
one class share a format, and so do errors, which also keep theirs across functions. A weight's
fraction is at most what lets the column operand of an OPA, an error times the learning rate, keep a
spare bit, too. And it is at most one less than fits a weight, so that updates seldom reach the top
slices, which have no room for carries.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from panther.arch.core import WORD_BITS
from panther.arch.network import FUNCTION_FRACTION, FUNCTIONS, Kind, Network, TrainPlan

SPARE = 1
MOST_ERROR = 14
"""Fraction bits of an error that a softmax may have."""
MOST_WEIGHT = 27
"""Fraction bits of a weight of 32 bits."""


@dataclass(frozen=True)
class Ranges:
    """Greatest absolute values of a calibration run, by names of nodes."""

    tensors: Mapping[str, float]
    errors: Mapping[str, float]
    """Of the tensors that have one."""
    weights: Mapping[str, float]


def fraction(greatest: float, bits: int) -> int:
    """Fraction bits of a word that holds ``greatest`` with ``SPARE`` bits to spare."""
    integer = math.floor(math.log2(greatest)) + 1 if greatest > 0 else -bits
    return bits - 1 - SPARE - integer


def default_formats(network: Network, plan: TrainPlan) -> TrainPlan:
    """The plan with fraction bits that need no calibration run.

    Errors have 14, all that a softmax can use, and weights 27: one less than fits, so that updates
    seldom reach the slices without room for carries. What shares a format with the result of a
    function table has that one's 14, everything else keeps 10.
    """
    activation: dict[str, int] = {}
    for names in network.classes():
        if any(network[name].kind in FUNCTIONS for name in names):
            activation.update(dict.fromkeys(names, FUNCTION_FRACTION))
    return replace(
        plan,
        activation=activation,
        error={node.name: MOST_ERROR for node in network.nodes},
        weight={node.name: MOST_WEIGHT for node in network.matrices},
    )


def choose_formats(network: Network, plan: TrainPlan, ranges: Ranges) -> TrainPlan:
    """The plan with fraction bits for everything.

    Raises
    ------
    ValueError
        If a range is missing or not finite.
    """
    for name, value in (*ranges.tensors.items(), *ranges.errors.items(), *ranges.weights.items()):
        if not math.isfinite(value):
            raise ValueError(f"Range of {name} must be finite, not {value}")
    activation: dict[str, int] = {}
    for names in network.classes():
        greatest = max(ranges.tensors.get(name, 0.0) for name in names)
        bits = min(max(fraction(greatest, WORD_BITS), 0), 15)
        if any(network[name].kind in FUNCTIONS for name in names):
            bits = FUNCTION_FRACTION
        activation.update(dict.fromkeys(names, bits))
    error: dict[str, int] = {}
    for names in _error_classes(network):
        greatest = max(ranges.errors.get(name, 0.0) for name in names)
        bits = min(max(fraction(greatest, WORD_BITS), 0), MOST_ERROR)
        error.update(dict.fromkeys(names, bits))
    weight: dict[str, int] = {}
    rate = max(plan.rate_of(epoch) for epoch in {0, *(start for start, _ in plan.schedule)})
    for node in network.matrices:
        bits = fraction(ranges.weights[node.name], plan.mcu.slices.weight_bits)
        bits = min(bits, MOST_WEIGHT - 32 + plan.mcu.slices.weight_bits)
        update = rate / plan.batch * ranges.errors.get(node.name, 0.0)
        bits = min(bits, activation[node.inputs[0]] + fraction(update, WORD_BITS))
        weight[node.name] = max(bits, 1)
    return replace(plan, activation=activation, error=error, weight=weight)


def _error_classes(network: Network) -> list[frozenset[str]]:
    """Tensors whose errors share a format: those that share a tensor's, and across functions."""
    groups: dict[str, frozenset[str]] = {}
    for names in network.classes():
        groups.update(dict.fromkeys(names, names))
    for node in network.nodes:
        if node.kind in FUNCTIONS:
            both = groups[node.name] | groups[node.inputs[0]]
            groups.update(dict.fromkeys(both, both))
    found: list[frozenset[str]] = []
    for node in network.nodes:
        if groups[node.name] not in found:
            found.append(groups[node.name])
    return found


def table(network: Network, plan: TrainPlan) -> str:
    """The formats of a plan, a line a node."""
    lines = []
    for node in network.nodes:
        parts = [f"F {plan.fraction(network, node.name)}", f"Fe {plan.error_fraction(node.name)}"]
        if node.kind == Kind.MATRIX:
            parts.append(f"Fw {plan.weight_fraction(node.name)}")
        lines.append(f"{node.name:20} {', '.join(parts)}")
    return "\n".join(lines) + "\n"
