"""Which layer did it: counters of units, and profiles of programs, priced layer by layer.

Matrix units belong to the layer of their crossbar. What a core did is what its instructions did:
times each of them retired, by what it reads, writes and computes, belongs to the layer it was
emitted for; it adds up to the core's counters exactly. So do groups of the memory that loads,
stores and messages touch. What no instruction says is *shared*: routers, leakage of tiles, lookups
of the memory in vain. Cores leak for the layers of their crossbars, in equal parts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from panther.arch.core import LANES
from panther.arch.isa import WORK, Kind, decode, groups, work
from panther.arch.node import Port
from panther.arch.tile import BANKS, SEQUENCER
from panther.compiler.compile import Compiled
from panther.compiler.loops import PHASES, Core
from panther.compiler.tiling import FEEDBACK
from panther.cost.measure import Counts, Run
from panther.energy import Bill, Energy, Interval, Meter, PriceSet, copies_of
from panther.energy.activity import CYCLE_S, core_actions, priced, tile_actions, unit_counts

SHARED = ""
"""Name of the layer of what belongs to none."""
GROUPS = (
    "MVM", "MTVM", "OPA", "CRS", "converters", "XbarIn/Out", "vector unit", "control",
    "tile memory", "network", "leakage",
)  # fmt: skip
"""Kinds of components energy is added up by: what crossbars do, their periphery, and so on;
``control`` has registers, instruction memories and pipelines of cores and sequencers."""
_OF_ACTION = {
    "crossbar.mvm_step": "MVM", "crossbar.mtvm_step": "MTVM", "crossbar.pulse": "OPA",
    "crossbar.row_read": "CRS", "crossbar.row_write": "CRS",
}  # fmt: skip
_OF_COMPONENT = {
    "slice_carry": "CRS", "dac": "converters", "sample_hold": "converters", "adc": "converters",
    "shift_add": "converters", "xbar_in": "XbarIn/Out", "xbar_out": "XbarIn/Out",
    "alu": "vector unit", "activation": "vector unit", "core_memory": "control",
    "instruction_memory": "control", "core_control": "control",
    "tile_instruction_memory": "control", "tile_control": "control",
    "tile_memory": "tile memory", "tile_bus": "tile memory",
    "tile_memory_controller": "tile memory", "counter_buffer": "tile memory",
    "receive_buffer": "network", "router": "network", "link": "network",
}  # fmt: skip

COUNTED = (
    "instructions", "words_read", "words_written", *WORK, "accesses", "received",
)  # fmt: skip
"""What one instruction adds to counters when it retires: of its core or sequencer, and of its tile
the groups of the memory and the rows received."""
_OF_TILE = ("accesses", "received")


def group_of(name: str) -> str:
    """Which of ``GROUPS`` a price belongs to, by its name: ``adc.convert``."""
    component, _, action = name.partition(".")
    if action == "leakage":
        return "leakage"
    return _OF_ACTION.get(name) or _OF_COMPONENT[component]


def by_group(bill: Bill) -> dict[str, Bill]:
    """A bill's parts, by all of ``GROUPS``."""
    found = {name: Bill() for name in GROUPS}
    for price, count in bill.counts.items():
        found[group_of(price.name)].add(price, count)
    return found


# ---- what programs did


@dataclass(frozen=True)
class Done:
    """What instructions did for a layer, in one phase."""

    counts: Counts
    """By ``COUNTED``."""
    cycles: int
    """From their D to their retirement, waiting included, of all units."""

    def __add__(self, other: "Done") -> "Done":
        counts = {name: n + other.counts[name] for name, n in self.counts.items()}
        return Done(counts, self.cycles + other.cycles)


NOTHING_DONE = Done(dict.fromkeys(COUNTED, 0), 0)
Programs = Mapping[Core, Mapping[tuple[str, str], Done]]
"""By unit, and by layer and phase."""


def programs_did(run: Run) -> Programs:
    """What every core's and sequencer's program did, from its profile."""
    compiled, batch = run.compiled, run.compiled.plan.batch
    programs = compiled.programs(1, run.examples // batch, batch)
    return {
        unit: _did(program.words, compiled, unit, run.profiles[unit])
        for unit, program in programs.items()
    }


def _did(
    words: Sequence[int], compiled: Compiled, unit: Core, profile: NDArray[np.int64]
) -> dict[tuple[str, str], Done]:
    origins = compiled.origin(unit)
    found: dict[tuple[str, str], NDArray[np.int64]] = {}
    each = np.array(
        [_counts_of(word, origin.lane) for word, origin in zip(words, origins, strict=True)],
        np.int64,
    )  # fmt: skip
    times, cycles = profile[: len(words)].T
    numbers = np.column_stack([each * times[:, np.newaxis], cycles])
    for origin, row in zip(origins, numbers, strict=True):
        key = (origin.layer, origin.phase)
        if key in found:
            found[key] += row
        else:
            found[key] = row.copy()
    return {
        key: Done(dict(zip(COUNTED, row.tolist()[:-1], strict=True)), int(row[-1]))
        for key, row in found.items()
    }


@cache
def _counts_of(word: int, lane: int) -> tuple[int, ...]:
    """By ``COUNTED``, of an instruction and the place of its first word in its group."""
    decoded = decode(word)
    assert decoded is not None
    instruction, values = decoded
    rows = values.get("rows", 1)
    words = values.get("len", 0) * rows
    read = sum(words for field in instruction.fields if field.kind is Kind.VECTOR) - (
        words if instruction.field("d") else 0
    )
    written = words if instruction.field("d") else 0
    lanes = dict.fromkeys(WORK, 0)
    if instruction.lane is not None:
        lanes[work(instruction.lane)] = words
    touched = received = 0
    if instruction.field("offset"):
        stride = values.get("stride", 0)
        touched = sum(groups(values["len"], lane + row * stride) for row in range(rows))
    if instruction.mnemonic == "recv":
        received = -(-words // (BANKS * LANES))
    return (1, read, written, *lanes.values(), touched, received)


def differences(run: Run, programs: Programs) -> list[str]:
    """Where what programs did, by their profiles, is not what their units' counters say: a line
    for each; nothing if all is equal.
    """
    found: list[str] = []
    tiles = {tile: NOTHING_DONE for tile in range(len(run.counters))}
    for (tile, unit), program in programs.items():
        done = sum(program.values(), NOTHING_DONE)
        tiles[tile] += done
        counts = {name: done.counts[name] for name in COUNTED if name not in _OF_TILE}
        if unit == SEQUENCER:
            found += _unequal(run, tile, "", {"instructions": counts["instructions"]})
        else:
            found += _unequal(run, tile, f"core{unit}.", counts | {"running": done.cycles})
    for tile, done in tiles.items():
        found += _unequal(run, tile, "", {name: done.counts[name] for name in _OF_TILE})
    return found


def _unequal(run: Run, tile: int, prefix: str, counts: Counts) -> Iterator[str]:
    for name, count in counts.items():
        counted = run.counters[tile][prefix + name]
        if counted != count:
            yield f"tile {tile}: {prefix}{name} {counted}, its program's instructions {count}"


# ---- what it cost


@dataclass(frozen=True, kw_only=True)
class Layer:
    """What a layer did and cost in a run; SHARED: what belongs to none."""

    name: str
    crossbars: int
    used: float
    """Share of its crossbars' cells that hold weights."""
    busy: float
    """Cycles its matrix units were busy, on the average."""
    cores: int
    """Those that have carried out instructions for it."""
    phases: Mapping[str, Done]
    """What programs did for it."""
    energy: Mapping[str, Bill]
    """In J, by ``GROUPS``."""
    area: Bill
    """In m2: tiles, by their crossbars."""

    @property
    def bill(self) -> Bill:
        """Energy of all groups, in J."""
        return Bill.sum(self.energy.values())


@dataclass(frozen=True, kw_only=True)
class Account:
    """A run and what it costs by a price set."""

    run: Run
    prices: PriceSet
    layers: tuple[Layer, ...]
    """In the network's order, SHARED last."""
    area: Bill
    """Of the tiles used, in m2."""
    area_of_node: Bill

    @property
    def bill(self) -> Bill:
        """Energy of an example, in J."""
        return Bill.sum(layer.bill for layer in self.layers) * (1 / self.run.examples)

    @property
    def energy(self) -> Mapping[str, Bill]:
        """Energy of an example by ``GROUPS``, in J."""
        return by_group(self.bill)

    @property
    def time_s(self) -> float:
        """Time of an example, in s."""
        return self.run.cycles / self.run.examples * CYCLE_S

    @property
    def power_w(self) -> Interval:
        """Average power, in W."""
        return scaled(self.bill.interval, 1 / self.time_s)

    @property
    def edp_js(self) -> Interval:
        """Energy of an example times its time, in J s."""
        return scaled(self.bill.interval, self.time_s)


def scaled(interval: Interval, factor: float) -> Interval:
    """An interval times a number that is not negative."""
    return Interval(interval.value * factor, interval.low * factor, interval.high * factor)


def account(run: Run, prices: PriceSet, programs: Programs | None = None) -> Account:
    """What a run costs, layer by layer.

    Parameters
    ----------
    run : Run
        With profiles: of the twin.
    prices : PriceSet
    programs : Programs, optional
        What :func:`programs_did` has found.

    Raises
    ------
    PriceError
        If something happened that has no price; the message names the file to edit.
    """
    compiled = run.compiled
    node = compiled.node
    meter = Meter(node, prices, copies=copies_of(compiled.plan.variant))
    did: dict[str, dict[str, Done]] = {}
    cores: dict[str, set[Core]] = {}
    of_cores: dict[str, Done] = {}
    of_tiles: dict[str, Done] = {}
    for unit, program in (programs_did(run) if programs is None else programs).items():
        for (layer, phase), done in program.items():
            phases = did.setdefault(layer, {})
            phases[phase] = phases.get(phase, NOTHING_DONE) + done
            if unit[1] != SEQUENCER:
                cores.setdefault(layer, set()).add(unit)
            part = of_tiles if unit[1] == SEQUENCER else of_cores
            part[layer] = part.get(layer, NOTHING_DONE) + done
    where = places(compiled)
    energy: dict[str, Bill] = {}

    def charge(layer: str, bill: Bill) -> None:
        energy[layer] = energy.get(layer, Bill()) + bill

    for layer, done in of_cores.items():
        charge(layer, priced(core_actions(node, {**done.counts, "running": done.cycles}), prices))
    quiet = {f"{port.name.lower()}.flits": 0 for port in Port}
    idle = {"misses": 0, "active": 0}
    left = [dict(unit_counts(counters)) for counters in run.counters]
    rest = {name: sum(counts[name] for counts in left) for name in left[0]}
    for layer in did:
        on_cores = of_cores.get(layer, NOTHING_DONE).counts
        on_tiles = of_tiles.get(layer, NOTHING_DONE).counts
        counts = {
            "accesses": on_cores["accesses"] + on_tiles["accesses"],
            "received": on_tiles["received"], "instructions": on_tiles["instructions"], **idle,
        }  # fmt: skip
        for name, count in counts.items():
            rest[name] -= count
        charge(layer, priced(tile_actions(node, counts, quiet), prices))
    flits = {name: sum(router[name] for router in run.routers) for name in quiet}
    charge(SHARED, priced(tile_actions(node, rest, flits), prices))
    busy: dict[str, list[int]] = {}
    units: dict[str, dict[str, int]] = {}
    for (tile, core), layers in where.items():
        counters = run.counters[tile]
        for m, layer in layers.items():
            counts = unit_counts(counters, f"core{core}.m{m}.")
            busy.setdefault(layer, []).append(counts["busy"])
            known = units.setdefault(layer, dict.fromkeys(counts, 0))
            for name, count in counts.items():
                known[name] += count
    for layer, counts in units.items():
        charge(layer, meter.of_mcu(counts))
    for tile, counters in enumerate(run.counters):
        charge(SHARED, meter.tile(counters, run.routers[tile], run.cycles).leakage)
        for core in range(node.tile.cores):
            leakage = meter.core(counters, core).leakage
            for m in range(node.tile.core.mcus):
                leakage += meter.mcu(counters, core, m).leakage
            here = list(where.get((tile, core), {}).values())
            for layer in here or [SHARED]:
                charge(layer, leakage * (1 / max(len(here), 1)))
    area = _areas(meter, where)
    used = _used(compiled)
    order = [node.name for node in compiled.network.nodes]
    return Account(
        run=run, prices=prices, area=Bill.sum(area.values()),
        area_of_node=meter.inventory.area(meter.inventory.whole),
        layers=tuple(
            Layer(
                name=name, crossbars=len(busy.get(name, ())), used=used.get(name, 0.0),
                busy=sum(busy.get(name, ())) / max(len(busy.get(name, ())), 1),
                cores=len(cores.get(name, ())),
                phases={phase: did[name][phase] for phase in PHASES if phase in did.get(name, {})},
                energy=by_group(energy.get(name, Bill())), area=area.get(name, Bill()),
            )
            for name in (*order, SHARED)
            if name in did or name in energy
        ),
    )  # fmt: skip


def whole(account: Account) -> Energy:
    """The same run's energy unit by unit, in J, without asking who did it: a check."""
    run = account.run
    copies = copies_of(run.compiled.plan.variant)
    meter = Meter(run.compiled.node, account.prices, copies=copies)
    return meter.whole(list(run.counters), list(run.routers), run.cycles)


def layer_of(matrix: str) -> str:
    """The layer of a crossbar: its matrix, or that whose transposed it is."""
    return matrix.removesuffix(FEEDBACK)


def places(compiled: Compiled) -> dict[Core, dict[int, str]]:
    """Layer of every matrix unit in use, by core."""
    found: dict[Core, dict[int, str]] = {}
    for placed in compiled.placed:
        found.setdefault(placed.core, {})[placed.unit] = layer_of(placed.crossbar.matrix)
    return found


def _areas(meter: Meter, places: Mapping[Core, Mapping[int, str]]) -> dict[str, Bill]:
    inventory, tile = meter.inventory, meter.node.tile
    core = inventory.area(inventory.core) + inventory.area(inventory.mcu) * tile.core.mcus
    one = inventory.area(inventory.tile) + core * tile.cores
    found: dict[str, Bill] = {}
    for number in {place[0] for place in places}:
        here = [
            layer for (t, _), layers in places.items() if t == number for layer in layers.values()
        ]
        for layer in set(here):
            share = one * (here.count(layer) / len(here))
            found[layer] = found.get(layer, Bill()) + share
    return found


def _used(compiled: Compiled) -> dict[str, float]:
    mcu = compiled.node.tile.core.mcu
    cells: dict[str, list[float]] = {}
    for placed in compiled.placed:
        c = placed.crossbar
        share = len(c.rows) * len(c.columns) / (mcu.rows * mcu.columns)
        cells.setdefault(layer_of(c.matrix), []).append(share)
    return {name: sum(shares) / len(shares) for name, shares in cells.items()}
