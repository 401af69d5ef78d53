"""The task ``cost`` of ``panther study``: one network trained on one machine, and what it costs.

Parameters; all but ``model`` have defaults:

``model``
    As ``panther train`` takes it.
``node``, ``set``
    ``auto`` or what ``--node`` takes; a list of ``NAME=VALUE`` as ``--set`` takes them.
``prices``, ``timing``
    A price set's name or file; ``ours``: cycles of our RTL, ``source``: those the set gives for
    whole matrix operations, ``auto``: ours, but for sets of other machines.
``memory``
    ``node``: a tile's memory is priced as large as it is; ``paper``: as the paper's 64 KiB, however
    much the network needs. It decides area and leakage alone.
``variant``, ``batch``, ``crs_period``, ``examples``, ``seed``
    As in :class:`panther.arch.network.TrainPlan`, ``crs_period`` in OPAs or ``none``; examples are
    whole batches. Weights and examples are random.

Results are of one example, but for areas and what is said otherwise; see :func:`run`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from panther.arch.checks import check_range, shown
from panther.arch.mcu import Operation
from panther.arch.params import McuParams
from panther.cost.pricing import AUTO, price_files, unit_of
from panther.energy import load_prices

if TYPE_CHECKING:
    from panther.cost.layers import Account
    from panther.cost.measure import Run

DEFAULTS: Mapping[str, Any] = {
    "node": "auto", "set": (), "prices": "panther", "timing": AUTO, "memory": "node",
    "variant": "V1", "batch": 1, "crs_period": 16, "examples": 1, "seed": 1,
}  # fmt: skip
PARAMETERS = ("model", *DEFAULTS)
MEMORIES = ("node", "paper")
SOURCES = (
    "models", "panther.arch", "panther.asm", "panther.compiler", "panther.cost.case",
    "panther.cost.layers", "panther.cost.measure", "panther.cost.pricing", "panther.energy",
    "panther.frontends", "panther.host", "panther.train.machine", "panther.train.nodes",
    "panther.train.twin",
)  # fmt: skip
SHOWN = ("energy_j", "time_s", "area_m2", "edp_js")


def files(parameters: Mapping[str, Any]) -> list[Path]:
    """Prices, with those they extend, and the file of a model."""
    model = str(parameters.get("model", ""))
    named = [Path(name) for name in (model, model.rpartition(":")[0]) if Path(name).is_file()]
    return [*named, *price_files(parameters.get("prices", DEFAULTS["prices"]))]


def check(parameters: Mapping[str, Any]) -> None:
    """Refuse parameters of a point.

    Raises
    ------
    ValueError
        If one is missing or impossible, or prices of another machine are to go with our cycles.
    """
    from panther.train.nodes import parse_node

    if not isinstance(parameters.get("model"), str):
        raise ValueError("model must be given: mlp-l4, vgg16, or another of ours, or a file")
    given = {**DEFAULTS, **parameters}
    for name, known in (("memory", MEMORIES), ("variant", ("V1", "V2", "V3"))):
        if given[name] not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, not {shown(given[name])}")
    for name in ("batch", "examples"):
        check_range(name.capitalize(), given[name], 1, 1 << 20)
    if given["crs_period"] != "none":
        check_range("crs_period", given["crs_period"], 1, (1 << 31) - 1)
    prices = load_prices(given["prices"])
    _, mcu = parse_node(given["node"], given["set"])
    unit_of(mcu, prices, given["timing"])


def run(parameters: Mapping[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Compile, run at transaction level, and price.

    Returns
    -------
    dict
        ``cycles``, ``time_s``, ``energy_j`` with ``energy_low_j`` and ``energy_high_j`` (all prices
        at an end of their ranges), ``edp_js``, ``power_w``; ``area_m2`` of the tiles in use,
        ``area_node_m2``; ``crossbars``; ``utilisation``, the mean share of the time their units are
        busy; ``crs_cycles`` of one CRS of a whole unit. By group of components: ``groups``,
        ``group_energy_j``. By layer, in the network's order, the last one, without a name, for what
        belongs to none: ``layers``, ``layer_energy_j``, ``layer_crossbars``, ``layer_convolution``,
        ``layer_busy_cycles`` of its busiest unit, ``layer_opas`` of a unit, on the average. Every
        item of the bill: ``item_layer`` (place in ``layers``), ``item_price``, ``item_count``.
    """
    from panther.cost.layers import account

    found = measured(parameters)
    report(0.9)
    prices = load_prices({**DEFAULTS, **parameters}["prices"])
    return results(account(found, prices))


def measured(parameters: Mapping[str, Any]) -> "Run":
    """The run of a point; its node has the memory that is priced.

    Raises
    ------
    TrainError
        If the network does not fit.
    CostError
        If the run cannot be made.
    """
    from panther.cost.case import build, with_memory
    from panther.cost.measure import measure, on_machine

    given = {**DEFAULTS, **parameters}
    compiled = build(
        given["model"], variant=given["variant"], batch=given["batch"],
        crs_period=None if given["crs_period"] == "none" else given["crs_period"],
        node=given["node"], node_parameters=given["set"],
    ).compiled  # fmt: skip
    compiled = on_machine(compiled, load_prices(given["prices"]), given["timing"])
    found = measure(compiled, examples=given["examples"], seed=given["seed"])
    return with_memory(found, given["memory"])


def results(found: "Account") -> dict[str, Any]:
    """What :func:`run` returns of an account."""
    run = found.run
    mcu = run.compiled.node.tile.core.mcu
    layers = {layer.name: layer for layer in found.layers}
    energy = found.bill.interval
    busy, opas = _units(run)
    used = sum(len(cycles) for cycles in busy.values())
    each = 1 / run.examples
    items = [
        (n, price.name, count * each)
        for n, layer in enumerate(layers.values())
        for price, count in sorted(layer.bill.counts.items(), key=lambda item: item[0].name)
    ]
    network = run.compiled.network
    pixels = {node.name: node.shape[0] * node.shape[1] for node in network.matrices}
    return {
        "cycles": run.cycles * each, "time_s": found.time_s,
        "energy_j": energy.value, "energy_low_j": energy.low, "energy_high_j": energy.high,
        "edp_js": found.edp_js.value, "power_w": found.power_w.value,
        "area_m2": found.area.total, "area_node_m2": found.area_of_node.total,
        "crossbars": used,
        "utilisation": sum(map(sum, busy.values())) / (used * run.cycles),
        "crs_cycles": operation_cycles(mcu)["crs"],
        "groups": list(found.energy),
        "group_energy_j": [bill.total for bill in found.energy.values()],
        "layers": list(layers),
        "layer_energy_j": [layer.bill.total * each for layer in layers.values()],
        "layer_crossbars": [layer.crossbars for layer in layers.values()],
        "layer_convolution": [pixels.get(name, 1) > 1 for name in layers],
        "layer_busy_cycles": [max(busy.get(name, [0])) * each for name in layers],
        "layer_opas": [
            sum(opas.get(name, ())) / max(len(opas.get(name, ())), 1) * each for name in layers
        ],
        "item_layer": [n for n, _, _ in items],
        "item_price": [name for _, name, _ in items],
        "item_count": [count for _, _, count in items],
    }  # fmt: skip


def _units(run: "Run") -> tuple[dict[str, list[int]], dict[str, list[float]]]:
    """Busy cycles and OPAs of every matrix unit, by layer."""
    from panther.cost.layers import layer_of

    mcu = run.compiled.node.tile.core.mcu
    busy: dict[str, list[int]] = {}
    opas: dict[str, list[float]] = {}
    for placed in run.compiled.placed:
        tile, core = placed.core
        counters = run.counters[tile]
        prefix = f"core{core}.m{placed.unit}."
        layer = layer_of(placed.crossbar.matrix)
        busy.setdefault(layer, []).append(counters[f"{prefix}busy"])
        opas.setdefault(layer, []).append(counters[f"{prefix}pulses"] / (4 * mcu.operand_bits))
    return busy, opas


def operation_cycles(mcu: McuParams) -> dict[str, int]:
    """Cycles of whole operations of a unit, all rows and columns in use, by the twin's formulas."""
    from models.analog.array import IdealArray
    from models.system.mcu import duration, make_units

    unit = make_units(mcu, [IdealArray(mcu)])
    return {
        operation.name.lower(): int(duration(unit, 0, operation))
        for operation in (Operation.MVM, Operation.MTVM, Operation.OPA, Operation.CRS)
    }
