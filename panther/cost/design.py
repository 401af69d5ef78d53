"""The study task ``design``: how well a machine trains digits, and what an example costs on it.

A point is a network of linear layers on crossbars of one design. Accuracy is that of golden
training, as in the task ``train``. Time, energy and area are counted on a node at transaction level
that has the weights golden ended with: on the first training examples, as many as are whole batches
and whole periods of CRS, so that a resolution costs every example its share.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from panther.arch.checks import check_range, shown
from panther.arch.network import TrainPlan
from panther.arch.overrides import OVERRIDES
from panther.cost.pricing import price_files, unit_of
from panther.energy import Bill, Interval, load_prices
from panther.study import train
from panther.study.errors import unknown
from panther.study.tasks import Report
from panther.yaml_lines import YamlLines

if TYPE_CHECKING:
    from panther.compiler.builder import Model
    from panther.cost.layers import Account

SOURCES = (
    *train.SOURCES, "models.system", "panther.asm", "panther.compiler", "panther.cost.layers",
    "panther.cost.measure", "panther.cost.pricing", "panther.energy.activity",
    "panther.energy.bill", "panther.energy.inventory", "panther.energy.prices", "panther.host",
    "panther.study.train", "panther.train.machine", "panther.train.nodes", "panther.train.twin",
)  # fmt: skip
SHOWN = ("accuracy", "energy_j", "time_s", "area_m2")
PARAMETERS = (
    "hidden", "design", "prices", "variant", "lr", "epochs", "batch", "crs_period", "seed",
    "schedule", "formats", "examples", "weights_seed", "mcu",
    *(name for name in OVERRIDES if not name.startswith("device")),
)  # fmt: skip
"""``hidden``: sizes of the hidden layers, ``128-64``. ``design``: ``NAME=VALUE`` of the others,
more behind a space, in place of what they are else; or ``paper``. ``prices``: a price set, by name
or file, ``parts`` if not given, in which converters have prices of their own; with those of another
machine come its cycles. The rest as of the task ``train``, but for devices, which are ideal."""

DEFAULT_HIDDEN, DEFAULT_PRICES = 32, "parts"
PAPER = "paper"
MOST_HIDDEN, MOST_FEATURES = 4, 1024
LEAST_EXAMPLES, MOST_EXAMPLES = 32, 128
"""Of those that are counted."""


def check(parameters: Mapping[str, Any]) -> None:
    """Refuse parameters no point can have.

    Raises
    ------
    ValueError
        If so.
    """
    parameters = whole(parameters)
    hidden_of(parameters)
    train.check(_of_training(parameters))
    plan = train.plan_of(_of_training(parameters))
    unit_of(plan.mcu, load_prices(_prices(parameters)))
    examples_of(plan)


def files(parameters: Mapping[str, Any]) -> list[Path]:
    """The price set's file, and those it extends."""
    return price_files(_prices(whole(parameters)))


def run(parameters: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Train with golden, and measure what an example costs.

    Returns
    -------
    dict
        ``accuracy`` and ``loss`` on the test examples, as the task ``train`` has them, and
        ``accuracies`` after each epoch. Of an example ``energy_j``, ``time_s``, ``edp_js``; their
        mean ``power_w``; ``area_m2`` of the matrix units, cores and tiles in use. With ``_low`` and
        ``_high`` before the unit: with all prices at their least, at their greatest.
        ``utilisation``: share of the time in which matrix units in use are busy; ``cells_used``:
        share of their cells that hold weights. ``crossbars``, ``cores``, ``tiles``: how many are in
        use. ``converters``, ``leakage``: their shares of the energy. ``network``, ``lines``,
        ``slicing``, ``adc``, ``mode`` and ``resolved`` say what the point is, ``label`` all of it.
    """
    import numpy as np

    from panther.cost.layers import account
    from panther.cost.measure import measure, on_machine
    from panther.train.nodes import fit
    from panther.train.problem import prepare

    parameters = whole(parameters)
    plan = train.plan_of(_of_training(parameters))
    problem = prepare(
        network(parameters), "digits", plan=plan, formats=parameters.get("formats", "default"),
        examples=parameters.get("examples"),
    )  # fmt: skip
    plan, data = problem.plan, problem.data
    result, trainer = train.trained(problem, report)
    prices = load_prices(_prices(parameters))
    compiled = on_machine(fit(problem.network, plan, least=True).compiled, prices)
    count = examples_of(plan)
    cells = {
        name.removeprefix("cells/"): np.asarray(array, np.int16)
        for name, array in trainer.state().items()
        if name.startswith("cells/")
    }
    counted = measure(compiled, cells=cells, data=(data.train_x[:count], data.train_y[:count]))
    costs = account(counted, prices)
    energy, used = costs.energy, area(costs)
    total = costs.bill.total
    said = words_of(parameters)
    return {
        "label": ", ".join(word for word in said.values() if word), **said,
        **{name: result[name] for name in ("accuracy", "loss", "accuracies")},
        **_ranged("energy_j", costs.bill.interval), "time_s": costs.time_s,
        **_ranged("area_m2", used.bill.interval), **_ranged("power_w", costs.power_w),
        **_ranged("edp_js", costs.edp_js),
        "utilisation": used.utilisation, "cells_used": used.cells,
        "crossbars": used.crossbars, "cores": used.cores, "tiles": used.tiles,
        "converters": energy["converters"].total / total,
        "leakage": energy["leakage"].total / total,
        "examples_counted": count,
    }  # fmt: skip


def _ranged(name: str, interval: Interval) -> dict[str, float]:
    what, _, unit = name.rpartition("_")
    return {
        name: interval.value, f"{what}_low_{unit}": interval.low,
        f"{what}_high_{unit}": interval.high,
    }  # fmt: skip


# ---- what a point is


def hidden_of(parameters: Mapping[str, Any]) -> tuple[int, ...]:
    """Sizes of the hidden layers.

    Raises
    ------
    ValueError
        If they are no sizes.
    """
    text = str(parameters.get("hidden", DEFAULT_HIDDEN))
    if not re.fullmatch(r"[0-9]{1,5}(-[0-9]{1,5})*", text):
        raise ValueError(f"hidden must be sizes of layers, such as 128-64, not {shown(text)}")
    sizes = tuple(int(part) for part in text.split("-"))
    check_range("Hidden layers", len(sizes), 1, MOST_HIDDEN)
    for size in sizes:
        check_range("Size of a hidden layer", size, 1, MOST_FEATURES)
    return sizes


def network(parameters: Mapping[str, Any]) -> "Model":
    """Linear layers with ReLU between, from 64 pixels to 10 digits."""
    from panther.compiler.builder import Model

    model = Model((64,), name="mlp", seed=parameters.get("weights_seed", 1))
    x = model.input
    for features in hidden_of(parameters):
        x = x.linear(features).relu()
    x.linear(10).softmax_cross_entropy()
    return model


def examples_of(plan: TrainPlan) -> int:
    """How many examples are counted: whole batches, and whole periods of CRS.

    A linear layer has an OPA an example, so a period has as many examples as OPAs; with variant V3
    every batch ends with a CRS.

    Raises
    ------
    ValueError
        If that is too many.
    """
    period = 1 if plan.variant == "V3" or plan.crs_period is None else plan.crs_period
    whole = math.lcm(plan.batch, period)
    if whole > MOST_EXAMPLES:
        raise ValueError(
            f"batch and crs_period must have a common multiple of at most {MOST_EXAMPLES}, not "
            f"{whole}: so many examples are counted"
        )
    return whole * -(-LEAST_EXAMPLES // whole)


def words_of(parameters: Mapping[str, Any]) -> dict[str, str]:
    """A point in words, part by part."""
    plan = train.plan_of(_of_training(parameters))
    mcu = plan.mcu
    cells = set(mcu.slices.cell_bits)
    bits = sorted(set(mcu.adc_bits))
    wide = str(bits[0]) if len(bits) == 1 else f"{bits[0]}-{bits[-1]}"
    when = "never" if plan.crs_period is None else f"every {plan.crs_period}"
    if mcu.headroom:
        when = f"by {mcu.headroom} groups"
    return {
        "network": str(parameters.get("hidden", DEFAULT_HIDDEN)),
        "lines": f"{mcu.rows}x{mcu.columns}",
        "slicing": f"{min(cells)}x{mcu.slices.count}" if len(cells) == 1 else mcu.slices.name,
        "adc": f"{mcu.adc.per_slice} ADC{'s' * (mcu.adc.per_slice > 1)} of {wide} b",
        "mode": plan.variant if plan.variant == "V1" else f"{plan.variant}/{plan.batch}",
        "resolved": "" if plan.variant == "V3" else f"CRS {when}",
    }  # fmt: skip


def whole(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with those of ``design`` among them.

    Raises
    ------
    ValueError
        If that is nothing, or names what it cannot.
    """
    found = {name: value for name, value in parameters.items() if name != "design"}
    text = str(parameters.get("design", PAPER))
    for part in text.split() if text != PAPER else ():
        name, equals, value = part.partition("=")
        if not (name and equals and value):
            raise ValueError(f"design must be {PAPER} or NAME=VALUE, not {shown(text)}")
        if name not in PARAMETERS or name == "design":
            known = [known for known in PARAMETERS if known != "design"]
            raise ValueError(unknown("design", known, name))
        found[name] = _read(value)
    return found


def _read(text: str) -> Any:
    """A value as YAML has it."""
    return YamlLines().read(text)


def _of_training(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of the task ``train``."""
    return {"model": "mlp"} | {
        name: value for name, value in parameters.items() if name not in ("hidden", "prices")
    }


def _prices(parameters: Mapping[str, Any]) -> str:
    return str(parameters.get("prices", DEFAULT_PRICES))


# ---- what is in use


@dataclass(frozen=True)
class Used:
    """The part of a node that a network is on."""

    bill: Bill
    """Area in m2: of matrix units with weights, of their cores, and of these cores' tiles without
    what nobody uses there."""
    crossbars: int
    cores: int
    tiles: int
    utilisation: float
    """Share of the time in which matrix units are busy, their mean."""
    cells: float
    """Share of the cells that hold weights."""


def area(costs: "Account") -> Used:
    """What is in use of a node."""
    from panther.energy.inventory import Inventory, copies_of

    counted = costs.run
    compiled = counted.compiled
    copies = copies_of(compiled.plan.variant)
    inventory = Inventory(node=compiled.node, prices=costs.prices, copies=copies)
    places = compiled.placed
    cores = {placed.core for placed in places}
    tiles = {tile for tile, _ in cores}
    busy = [
        counted.counters[placed.core[0]][f"core{placed.core[1]}.m{placed.unit}.busy"]
        for placed in places
    ]
    mcu = compiled.node.tile.core.mcu
    cells = sum(len(placed.crossbar.rows) * len(placed.crossbar.columns) for placed in places)
    return Used(
        bill=inventory.area(inventory.mcu) * len(places)
        + inventory.area(inventory.core) * len(cores)
        + inventory.area(inventory.tile) * len(tiles),
        crossbars=len(places), cores=len(cores), tiles=len(tiles),
        utilisation=sum(busy) / len(busy) / counted.cycles,
        cells=cells / (len(places) * mcu.rows * mcu.columns),
    )  # fmt: skip
