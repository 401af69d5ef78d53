"""A compiled network is run for some examples, and all that is counted is read.

Weights and inputs are random: counts depend on them only where work on zeros is left out
(``skip_steps``), and where headroom is tracked. Counters come from the host, so that those of RTL
are had in the same way; the profile of the programs is the twin's alone.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.system.node import Node
from panther.arch.params import McuParams, OperationCycles
from panther.compiler.compile import Compiled
from panther.compiler.loops import Core
from panther.cost.pricing import AUTO, CostError, unit_of
from panther.energy import PriceSet
from panther.host import Host, LimitError, TransactionTransport, now
from panther.train.machine import Cells, Ints, Machine
from panther.train.twin import Twin, random_cells, random_examples, ready

MOST_CYCLES = 1 << 28
"""Of a run: counters have 32 bits, and none that is priced counts more than 16 a cycle."""
ENGINES = ("transaction", "rtl")

Counts = Mapping[str, int]
Look = Callable[[Node], int]
"""Is shown the node, and says after how many cycles again."""
FIRST_LOOK = 1 << 12
"""Cycles until then for the first time."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What was counted from the start of all units to the end of the last one."""

    compiled: Compiled
    engine: str
    """One of ``ENGINES``."""
    examples: int
    cycles: int
    counters: tuple[Counts, ...]
    """Of every tile, by :func:`panther.arch.tile.counter_names`."""
    routers: tuple[Counts, ...]
    """Of every tile's router, by :func:`panther.arch.node.counter_names`."""
    profiles: Mapping[Core, NDArray[np.int64]]
    """Of every instruction of a unit's program the times it retired and the cycles from its D to
    there, shape (instructions, 2); none of RTL.
    """
    opas: Mapping[str, int]
    """Of every matrix those since its last CRS, at the end."""
    seconds: float
    """The run took on this machine, without building and loading."""


class _Watched(TransactionTransport):
    """Shows somebody the node now and then."""

    def __init__(self, node: Node, look: Look, first: int) -> None:
        super().__init__(node)
        self._look, self._next = look, first

    async def wait(self, limit_cycles: int) -> bool:
        left = limit_cycles
        while left > 0:
            step = min(self._next, left)
            ended = await super().wait(step)
            self._next = self._look(self.node)
            if ended or self.node.quiet:
                return ended
            left -= step
        return False


def on_machine(compiled: Compiled, prices: PriceSet, timing: str = AUTO) -> Compiled:
    """The same programs on a node whose operations take the cycles that go with a price set; see
    :func:`panther.cost.pricing.unit_of`.

    Raises
    ------
    CostError
        If that cannot be.
    """
    return _with_unit(compiled, unit_of(compiled.node.tile.core.mcu, prices, timing))


def with_cycles(compiled: Compiled, cycles: OperationCycles) -> Compiled:
    """The same programs on a node whose matrix units take so many cycles; results stay the same,
    and there is no such RTL.
    """
    return _with_unit(compiled, replace(compiled.node.tile.core.mcu, cycles=cycles))


def _with_unit(compiled: Compiled, mcu: McuParams) -> Compiled:
    plan, node = compiled.plan, compiled.node
    tile, core = node.tile, node.tile.core
    node = replace(node, tile=replace(tile, core=replace(core, mcu=mcu)))
    return replace(compiled, plan=replace(plan, mcu=mcu), node=node)


def prepared(
    compiled: Compiled, *, seed: int = 1, cells: Mapping[str, Cells] | None = None,
    trace: bool = False, look: Look | None = None, first_look: int = FIRST_LOOK,
) -> Twin:  # fmt: skip
    """A twin with weights, that has not run yet.

    Parameters
    ----------
    compiled, seed, cells
        As :func:`panther.train.twin.ready` takes them.
    trace
        Whether events of the cores are recorded.
    look, first_look
        Is shown the node, for the first time after so many cycles.
    """

    def transport(node: Node) -> TransactionTransport:
        return TransactionTransport(node) if look is None else _Watched(node, look, first_look)

    return ready(compiled, seed, cells=cells, trace=trace, transport=transport)


def measure(
    compiled: Compiled, *, examples: int | None = None, seed: int = 1,
    cells: Mapping[str, Cells] | None = None, data: tuple[Ints, Ints] | None = None,
    simulator: str | None = None, look: Look | None = None,
) -> Run:  # fmt: skip
    """Train on some examples and count.

    Parameters
    ----------
    compiled : Compiled
    examples : int, optional
        Whole batches of the plan; one if not given.
    seed : int
        Of random weights and examples.
    cells : mapping of str to ndarray, optional
        Weights instead, shape (slices, rows, columns) of every matrix.
    data : (ndarray, ndarray), optional
        Examples instead, shape (examples, height, width, channels), and labels.
    simulator : str, optional
        "verilator" or "icarus": run RTL; the twin if not given.
    look : callable, optional
        Is shown the twin now and then.

    Raises
    ------
    CostError
        If the examples are no whole batches, do not fit the tiles' memories, or take so long that
        counters may wrap.
    HostError
        If a unit stops for a fault.
    """
    plan = compiled.plan
    if data is None:
        count = plan.batch if examples is None else examples
    else:
        count = len(data[0])
    room = compiled.layout.room
    if count < 1 or count % plan.batch or count > room:
        raise CostError(
            f"Examples must be whole batches of {plan.batch}, at most the {room} that fit the "
            f"tiles' memories, not {count}"
        )
    if simulator is not None:
        return _in_rtl(compiled, count, seed, cells, data, simulator)
    twin = prepared(compiled, seed=seed, cells=cells, look=look)
    x, labels = twin.examples(count, seed) if data is None else data
    found = _run(twin.machine, x, labels, "transaction")
    return replace(found, profiles={unit: twin.node.profile(*unit) for unit in compiled.emitted})


def _in_rtl(
    compiled: Compiled, count: int, seed: int, cells: Mapping[str, Cells] | None,
    data: tuple[Ints, Ints] | None, simulator: str,
) -> Run:  # fmt: skip
    from panther.train.rtl import RtlTransport

    with RtlTransport(compiled.node, simulator, crossbars=compiled.crossbars) as transport:
        machine = Machine(Host(transport), compiled)
        now(machine.load_cells(random_cells(compiled, seed) if cells is None else cells))
        x, labels = random_examples(compiled, count, seed) if data is None else data
        return _run(machine, x, labels, "rtl")


def _run(machine: Machine, x: Ints, labels: Ints, engine: str) -> Run:
    compiled, host = machine.compiled, machine.host
    began = time.monotonic()
    try:
        now(
            machine.run(
                x, labels, batch=compiled.plan.batch, limit_cycles=MOST_CYCLES,
                clear_counters=True,
            )
        )  # fmt: skip
    except LimitError as error:
        raise CostError(_TOO_LONG) from error
    seconds = time.monotonic() - began
    cycles = max(now(host.status(*unit)).cycle for unit in compiled.emitted)
    if cycles >= MOST_CYCLES:
        raise CostError(_TOO_LONG)
    tiles = range(compiled.node.tiles)
    return Run(
        compiled=compiled, engine=engine, examples=len(x), cycles=cycles, seconds=seconds,
        counters=tuple(now(host.read_counters(tile)) for tile in tiles),
        routers=tuple(now(host.read_router_counters(tile)) for tile in tiles),
        profiles={}, opas=dict(machine.opas),
    )  # fmt: skip


def unequal(run: Run, other: Run) -> list[str]:
    """Where two runs have counted differently: a line for each count."""
    found = [] if run.cycles == other.cycles else [f"cycles {run.cycles}, not {other.cycles}"]
    for what, these, those in (
        ("tile", run.counters, other.counters), ("router", run.routers, other.routers),
    ):  # fmt: skip
        for n, (one, another) in enumerate(zip(these, those, strict=True)):
            found += [
                f"{what} {n}: {name} {count}, not {another[name]}"
                for name, count in one.items()
                if count != another[name]
            ]
    return found


_TOO_LONG = (
    f"Run must take fewer than {MOST_CYCLES:,} cycles, for counters wrap: take fewer examples"
)
