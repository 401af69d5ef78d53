"""PANTHER and its baselines: one training step of a network on each of them, and their accounting.

All machines run the same compiled programs, without a CRS, each with its own cycles of matrix
operations and at its own prices (:mod:`panther.cost.point`). What keeps the weights up to date
comes on top, as ``Accounting`` says, so that it can be asked for any batch.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from panther.arch.checks import check_range
from panther.arch.network import Network
from panther.cost.layers import by_group
from panther.energy import CYCLE_S, RTX_2080_TI, Bill, Interval, Price, gpu_layers, load_prices
from panther.energy.gpu import GpuLayer
from panther.energy.inventory import LINES
from panther.study import Study

SLICES = 8
"""Arrays of a matrix unit, of every machine."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One of those that are compared."""

    key: str
    name: str
    prices: str
    timing: str
    """``ours`` or ``source``, see :mod:`panther.cost.point`."""
    resolves: bool
    """Whether weights are read and written row by row now and then: PANTHER's CRS, the serial
    read and write of Base_mvm. Base_opa/mvm has them in the price of its outer product."""
    colour: str
    runs_as: str = ""
    """Prices of the machine whose run this one shares, for it takes the same cycles; if empty, it
    has a run of its own."""

    @property
    def is_ours(self) -> bool:
        """Whether its CRS is that of our RTL: its cycles, and a slice-carry unit."""
        return self.timing == "ours"


OURS = Machine(
    key="panther", name="PANTHER", prices="panther", timing="ours", resolves=True,
    colour="#1e8449",
)  # fmt: skip
SOURCE = Machine(
    key="panther_source", name="PANTHER, source's cycles", prices="panther", timing="source",
    resolves=True, colour="#7dcea0",
)  # fmt: skip
DIGITAL = Machine(
    key="digital", name="Base_digital", prices="digital", timing="source", resolves=False,
    colour="#7f8c8d",
)  # fmt: skip
DIGITAL_MAC = Machine(
    key="digital_mac", name="Base_digital without converters", prices="digital_mac",
    timing="source", resolves=False, colour="#bfc9ca", runs_as=DIGITAL.prices,
)  # fmt: skip
"""The source lets Base_digital leak through converters and drivers that it has not."""
BASE_MVM = Machine(
    key="base_mvm", name="Base_mvm", prices="cmos_opa", timing="source", resolves=True,
    colour="#2471a3",
)  # fmt: skip
BASE_OPA = Machine(
    key="base_opa_mvm", name="Base_opa/mvm", prices="opa_by_mvm", timing="source",
    resolves=False, colour="#c0392b",
)  # fmt: skip
MACHINES = (OURS, SOURCE, DIGITAL, DIGITAL_MAC, BASE_MVM, BASE_OPA)
RUNS = tuple(machine for machine in MACHINES if not machine.runs_as)
"""Those with runs of their own."""
GPU = "GPU (roofline)"
GPU_COLOUR = "#7d3c98"

NETWORKS = {"mlp-l4": "MLP-L4", "vgg16": "VGG-16"}
"""The paper's, and what they are called."""
QUICK_NETWORKS = {"mlp": "MLP 64-32-10"}


def networks(*, quick: bool = False) -> Mapping[str, str]:
    """Names of what is run, and what they are called."""
    return QUICK_NETWORKS if quick else NETWORKS


def study(*, quick: bool = False) -> Study:
    """Every network on every machine."""
    return Study(
        name="paper-cost-quick" if quick else "paper-cost", task="cost",
        fixed={"crs_period": "none", "memory": "paper"},
        grid={"model": tuple(networks(quick=quick))},
        zip=[{
            "prices": tuple(machine.prices for machine in RUNS),
            "timing": tuple(machine.timing for machine in RUNS),
        }],
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Layer:
    """What a layer with weights, and what follows it without, takes in one example."""

    name: str
    convolution: bool
    crossbars: int
    busy_cycles: float
    """Of its busiest matrix unit."""
    opas: float
    """Of one matrix unit."""
    bill: Bill
    """Energy, in J."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Time and energy of one example."""

    time_s: float
    bill: Bill

    @property
    def interval(self) -> Interval:
        """Energy, in J."""
        return self.bill.interval


@dataclass(frozen=True, kw_only=True)
class Step:
    """A network's training step on a machine, for one example, without what ``Accounting`` adds."""

    model: str
    machine: Machine
    cycles: float
    crs_cycles: float
    """Of one CRS, or serial read and write, of a whole matrix unit."""
    layers: tuple[Layer, ...]
    shared: Bill
    """Energy that belongs to no layer, in J."""

    @property
    def crossbars(self) -> int:
        """Matrix units in use."""
        return sum(layer.crossbars for layer in self.layers)

    @property
    def bill(self) -> Bill:
        """Energy, in J."""
        return Bill.sum([*(layer.bill for layer in self.layers), self.shared])

    def kind(self, *, convolution: bool) -> tuple[Layer, ...]:
        """Convolutions, or all other layers."""
        return tuple(layer for layer in self.layers if layer.convolution == convolution)


@cache
def prices_by_name(prices: str) -> Mapping[str, Price]:
    """Every price of a set, by ``component.action`` or ``component.leakage``."""
    return {price.name: price for price in load_prices(prices).prices()}


def steps(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Step]]:
    """Steps by network and machine, from the rows of :func:`study`'s results."""
    found: dict[str, dict[str, Step]] = {}
    for row in rows:
        for machine in MACHINES:
            run = machine.runs_as or machine.prices
            if (run, machine.timing) == (row["prices"], row["timing"]):
                found.setdefault(row["model"], {})[machine.key] = step_of(row, machine)
    return found


def step_of(row: Mapping[str, Any], machine: Machine) -> Step:
    """A row of the task ``cost`` as a step of a machine, at this machine's prices."""
    prices = prices_by_name(machine.prices)
    bills = [Bill() for _ in row["layers"]]
    for n, name, count in zip(row["item_layer"], row["item_price"], row["item_count"], strict=True):
        bills[n].add(prices[name], count)
    layers: list[Layer] = []
    shared = Bill()
    for n, name in enumerate(row["layers"]):
        bill = bills[n]
        if row["layer_crossbars"][n]:
            layers.append(
                Layer(
                    name=name, convolution=row["layer_convolution"][n],
                    crossbars=row["layer_crossbars"][n], busy_cycles=row["layer_busy_cycles"][n],
                    opas=row["layer_opas"][n], bill=bill,
                )
            )  # fmt: skip
        elif name and layers:
            # functions and pools go with the layer before them
            last = layers.pop()
            layers.append(
                Layer(
                    name=last.name, convolution=last.convolution, crossbars=last.crossbars,
                    busy_cycles=last.busy_cycles, opas=last.opas, bill=last.bill + bill,
                )
            )  # fmt: skip
        else:
            shared += bill
    cycles = row["crs_cycles"] if machine.is_ours else serial_cycles(machine.prices)
    return Step(
        model=row["model"], machine=machine, cycles=row["cycles"], crs_cycles=cycles,
        layers=tuple(layers), shared=shared,
    )  # fmt: skip


# ---- weights that are kept up to date


def serial_cycles(prices: str) -> float:
    """Cycles of one serial read and write of an array, by the source: 10250 and 10968.75 ns."""
    found = load_prices(prices)
    row = found.latency_s("crossbar", "row_read") + found.latency_s("crossbar", "row_write")
    return LINES * row / CYCLE_S


def resolution(prices: str, *, carries: bool) -> Bill:
    """Energy of reading and writing all rows of a matrix unit's arrays once, in J.

    Parameters
    ----------
    prices : str
        A set's name.
    carries : bool
        Whether what is read passes a slice-carry unit, as in a CRS of ours.
    """
    found = load_prices(prices)
    rows = SLICES * LINES
    bill = Bill({
        found.action("crossbar", "row_read"): rows, found.action("crossbar", "row_write"): rows,
    })  # fmt: skip
    if carries:
        bill.add(found.action("slice_carry", "resolve"), rows * LINES)
    return bill


@dataclass(frozen=True, kw_only=True)
class Accounting:
    """What comes on top of a step for weights to be up to date.

    Every ``batch`` examples PANTHER makes one CRS of all units at once, Base_mvm one serial read
    and write, which is as much; Base_digital has no carries, and Base_opa/mvm's are in its outer
    product. Or, with ``opas``, every so many outer products of a unit: in a convolution each pixel
    is one.
    """

    batch: int = 64
    """Examples."""
    opas: int | None = None
    """Outer products of a unit between two CRS instead."""
    gated: bool = False
    """Whether a layer's units are switched off unless it is its turn: leakage and control of its
    cores are charged for the busy cycles of its busiest unit only, as if it ran by itself.
    Otherwise they leak until they halt, as in the source."""

    def __post_init__(self) -> None:
        check_range("Batch", self.batch, 1, 1 << 20)
        if self.opas is not None:
            check_range("Outer products", self.opas, 1, 1 << 20)

    def times(self, layer: Layer) -> float:
        """How often a unit is read and written for one example."""
        return 1 / self.batch if self.opas is None else layer.opas / self.opas

    def layer(self, step: Step, layer: Layer) -> Cost:
        """A layer by itself; its time is that of its busiest matrix unit."""
        bill, cycles = layer.bill, layer.busy_cycles
        if self.gated:
            bill = _switched_off(bill, layer.busy_cycles / step.cycles)
        if step.machine.resolves:
            often = self.times(layer)
            one = resolution(step.machine.prices, carries=step.machine.is_ours)
            bill = bill + one * (layer.crossbars * often)
            cycles += often * step.crs_cycles
        return Cost(time_s=cycles * CYCLE_S, bill=bill)

    def layers(self, step: Step, layers: Sequence[Layer]) -> Cost:
        """Layers one after the other; CRS of all of them go on at once."""
        found = [self.layer(step, layer) for layer in layers]
        cycles = sum(layer.busy_cycles for layer in layers) + self._crs(step, layers)
        return Cost(time_s=cycles * CYCLE_S, bill=Bill.sum(cost.bill for cost in found))

    def whole(self, step: Step) -> Cost:
        """The step."""
        bill = Bill.sum([step.shared, *(self.layer(step, x).bill for x in step.layers)])
        return Cost(time_s=(step.cycles + self._crs(step, step.layers)) * CYCLE_S, bill=bill)

    def _crs(self, step: Step, layers: Sequence[Layer]) -> float:
        """Cycles of an example: of a batch all at once, else layer by layer, for each pixel has an
        outer product when its turn comes.
        """
        if not step.machine.resolves or not layers:
            return 0.0
        each = [self.times(layer) * step.crs_cycles for layer in layers]
        return max(each) if self.opas is None else sum(each)


def _switched_off(bill: Bill, share: float) -> Bill:
    """A layer's bill whose cores are on for a share of the time."""
    return Bill({
        price: count * (share if _idles(price) else 1.0) for price, count in bill.counts.items()
    })  # fmt: skip


def _idles(price: Price) -> bool:
    return price.name.endswith(".leakage") or price.name == "core_control.cycle"


def groups_j(bill: Bill) -> dict[str, float]:
    """Energy by group of components, in J."""
    return {name: part.total for name, part in by_group(bill).items()}


# ---- the GPU


@cache
def network(model: str) -> Network:
    """The layers of a network by name."""
    from panther.compiler.canonicalise import canonicalise
    from panther.compiler.models import MODELS

    return canonicalise(MODELS[model](1))[0]


@cache
def gpu(model: str, batch: int) -> tuple[GpuLayer, ...]:
    """The roofline's layers, of one example."""
    return tuple(gpu_layers(network(model), batch, RTX_2080_TI))
