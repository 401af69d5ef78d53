"""When which unit worked: spans of cycles from the twin's trace, and shares of cycles by layer.

Spans of matrix units and vector units, and of the memories, are exact. Rows that leave a tile are
counted, not recorded: theirs are the slices of cycles in which the count grew. Where a trace would
be too long there are samples instead: how busy each layer's units were from one look to the next.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.system.node import Node
from models.system.trace import Event, stream
from panther.arch.isa import INSTRUCTION_BITS, Unit, decode, groups
from panther.arch.mcu import Operation
from panther.compiler.compile import Compiled
from panther.compiler.loops import Core
from panther.cost.layers import places
from panther.cost.measure import FIRST_LOOK, Run, prepared
from panther.energy import CYCLE_S
from panther.host import now
from panther.train.machine import Cells

MOST_INSTRUCTIONS = 1_000_000
"""Of a batch, all cores together, that are traced."""
MEMORY, NETWORK = "memory", "network"
VECTOR = "vector unit"
_SLICES = 400
_MOST_SAMPLES = 256


@dataclass(frozen=True)
class Span:
    """A unit is busy with something."""

    tile: int
    unit: str
    """``core0.m1``, ``core0 vector unit``, ``memory`` or ``network``."""
    name: str
    """An operation, a vector instruction, groups or rows."""
    start: int
    end: int
    """Cycles, the last one not included."""
    layer: str = ""


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """A batch, from the start of all units to the end of the last one."""

    compiled: Compiled
    cycles: int
    spans: tuple[Span, ...]
    """By their start."""

    def units(self) -> list[tuple[int, str]]:
        """All units of the tiles in use, tile by tile, with a span or not."""
        found = []
        node = self.compiled.node
        cores = sorted({unit for unit in self.compiled.emitted if unit[1] < node.tile.cores})
        used = places(self.compiled)
        for tile in sorted({core[0] for core in cores}):
            for _, core in (c for c in cores if c[0] == tile):
                found += [(tile, f"core{core}.m{m}") for m in sorted(used.get((tile, core), ()))]
                found.append((tile, f"core{core} {VECTOR}"))
            found += [(tile, MEMORY), (tile, NETWORK)]
        return found


def timeline(
    compiled: Compiled, run: Run, *, seed: int = 1, cells: Mapping[str, Cells] | None = None
) -> Timeline | None:
    """Train on a batch whose outer products end the period of a CRS, and record it.

    Parameters
    ----------
    compiled : Compiled
    run : Run
        Of the same programs: says how long it will take.
    seed, cells
        As :func:`panther.cost.measure.measure` takes them.

    Returns
    -------
    Timeline or None
        None if the trace would have more than ``MOST_INSTRUCTIONS``.
    """
    batch = compiled.plan.batch
    share = batch / run.examples
    retired = sum(int(profile[:, 0].sum()) for profile in run.profiles.values())
    if retired * share > MOST_INSTRUCTIONS:
        return None
    slice_cycles = max(16, int(run.cycles * share) // _SLICES)
    sent: list[tuple[int, list[int]]] = []

    def look(node: Node) -> int:
        sent.append((node.clock, node.units.sender.sent.tolist()))
        return slice_cycles

    twin = prepared(
        compiled, seed=seed, cells=cells, trace=True, look=look, first_look=slice_cycles
    )
    machine = twin.machine
    if compiled.plan.variant != "V3" and compiled.plan.crs_period is not None:
        machine.opas = dict.fromkeys(machine.opas, compiled.plan.crs_period - 1)
    twin.train(*twin.examples(batch, seed))
    origins = [int(n) for n in twin.node.units.origin]
    used = [origins[t * compiled.node.tile.cores + c] for t, c in _cores(compiled)]
    begin = min(used)
    spans: list[Span] = []
    for tile, core in _cores(compiled):
        n = tile * compiled.node.tile.cores + core
        spans += _spans_of_core(compiled, twin.node, (tile, core), origins[n] - begin)
    for tile in {tile for tile, _ in _cores(compiled)}:
        spans += _memory(compiled, twin.node, tile, begin)
    spans += _network(sent, begin)
    cycles = max(now(machine.host.status(*unit)).cycle for unit in compiled.emitted)
    spans.sort(key=lambda span: (span.start, span.tile, span.unit))
    return Timeline(compiled=compiled, cycles=cycles, spans=tuple(spans))


def _cores(compiled: Compiled) -> list[Core]:
    return sorted(unit for unit in compiled.emitted if unit[1] < compiled.node.tile.cores)


def _spans_of_core(compiled: Compiled, node: Node, unit: Core, offset: int) -> Iterator[Span]:
    trace = node.core(*unit).machine.trace
    layers = places(compiled).get(unit, {})
    for row in stream(trace, Event.OPERATION).tolist():
        _, m, operation, handed, done = row
        yield Span(
            unit[0], f"core{unit[1]}.m{m}", Operation(operation).name, handed + offset,
            done + offset, layers.get(m, ""),
        )  # fmt: skip
    origins = compiled.origin(unit)
    before = 0
    for cycle, pc, low, high in stream(trace, Event.RETIRE).tolist():
        decoded = decode(high << INSTRUCTION_BITS // 2 | low)
        assert decoded is not None
        instruction, values = decoded
        if instruction.unit is Unit.VECTOR:
            takes = instruction.cycles.fixed + instruction.cycles.per_group * groups(values["len"])
            yield Span(
                unit[0], f"core{unit[1]} {VECTOR}", instruction.mnemonic,
                max(before, cycle + 1 - takes) + offset, cycle + 1 + offset, origins[pc].layer,
            )  # fmt: skip
        before = cycle + 1


def _memory(compiled: Compiled, node: Node, tile: int, begin: int) -> Iterator[Span]:
    """Cycles in which the memory takes requests of cores."""
    found: dict[int, int] = {}
    for t, core in _cores(compiled):
        if t == tile:
            offset = int(node.units.origin[t * compiled.node.tile.cores + core]) - begin
            for row in stream(node.core(t, core).machine.trace, Event.REQUEST).tolist():
                found[row[0] + offset] = found.get(row[0] + offset, 0) + 1
    cycles = np.array(sorted(found), np.int64)
    for part in np.split(cycles, np.flatnonzero(np.diff(cycles) > 1) + 1):
        if len(part):
            groups_ = sum(found[cycle] for cycle in part.tolist())
            yield Span(tile, MEMORY, _many(groups_, "group"), int(part[0]), int(part[-1]) + 1)


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _network(sent: Sequence[tuple[int, list[int]]], begin: int) -> Iterator[Span]:
    """Slices in which tiles have sent rows; neighbours are one."""
    open_: dict[int, tuple[int, int, int]] = {}
    clock, counts = begin, [0] * len(sent[0][1]) if sent else []
    for end, after in sent:
        for tile, (a, b) in enumerate(zip(counts, after, strict=True)):
            if b > a:
                start, _, rows = open_.get(tile, (clock, 0, 0))
                open_[tile] = (start, end, rows + b - a)
            elif tile in open_:
                start, last, rows = open_.pop(tile)
                yield Span(tile, NETWORK, _many(rows, "row"), start - begin, last - begin)
        clock, counts = end, after
    for tile, (start, last, rows) in open_.items():
        yield Span(tile, NETWORK, _many(rows, "row"), start - begin, last - begin)


# ---- for Perfetto


def events(timeline: Timeline) -> dict[str, Any]:
    """A trace as Chrome and Perfetto read it: a process for every tile, a thread for every unit;
    times in us, a cycle being 1 ns.
    """
    found: list[dict[str, Any]] = []
    threads: dict[tuple[int, str], int] = {}
    for tile, unit in timeline.units():
        if tile not in {t for t, _ in threads}:
            name = {"name": f"tile {tile}"}
            found.append({"ph": "M", "name": "process_name", "pid": tile, "tid": 0, "args": name})
        number = threads[tile, unit] = len(threads) + 1
        for key, value in (
            ("thread_name", {"name": unit}),
            ("thread_sort_index", {"sort_index": number}),
        ):
            found.append({"ph": "M", "name": key, "pid": tile, "tid": number, "args": value})
    us = CYCLE_S * 1e6
    for span in timeline.spans:
        event = {
            "ph": "X", "name": span.name, "pid": span.tile, "tid": threads[span.tile, span.unit],
            "ts": span.start * us, "dur": (span.end - span.start) * us,
            "args": {"start_cycle": span.start, "end_cycle": span.end},
        }  # fmt: skip
        if span.layer:
            event["cat"] = span.layer
        found.append(event)
    return {"displayTimeUnit": "ns", "traceEvents": found}


# ---- samples


@dataclass(frozen=True, kw_only=True)
class Shares:
    """How busy layers' matrix units were, slice by slice."""

    layers: tuple[str, ...]
    ends: NDArray[np.int64]
    """Cycle behind each slice."""
    busy: NDArray[np.float64]
    """Share of cycles, shape (layers, slices)."""


class Sampler:
    """Looks at the twin now and then, less often the longer a run is."""

    def __init__(self, compiled: Compiled) -> None:
        node = compiled.node
        self._units: dict[str, list[tuple[int, int]]] = {}
        for (tile, core), layers in places(compiled).items():
            for m, layer in layers.items():
                self._units.setdefault(layer, []).append((tile * node.tile.cores + core, m))
        self._samples: list[tuple[int, list[int]]] = []
        self._slice = FIRST_LOOK

    def look(self, node: Node) -> int:
        """Note how long each layer's units have been busy."""
        busy = [
            sum(int(node.cores[core].machine.mcus.busy[m]) for core, m in units)
            for units in self._units.values()
        ]
        self._samples.append((node.clock, busy))
        if len(self._samples) == _MOST_SAMPLES:
            del self._samples[::2]
            self._slice *= 2
        return self._slice

    @property
    def shares(self) -> Shares:
        """From the beginning to the last look.

        An operation counts when it begins, so a slice may have more than there is time for; what is
        too much belongs to the next one.
        """
        clocks = np.array([clock for clock, _ in self._samples], np.int64)
        counts = np.array([busy for _, busy in self._samples], np.float64)
        counts = counts.reshape(len(clocks), len(self._units)).T
        spent = np.diff(counts, prepend=0.0)
        room = np.diff(clocks, prepend=0) * np.array([[len(u)] for u in self._units.values()])
        left = np.zeros(len(self._units))
        for n in range(len(clocks)):
            left += spent[:, n]
            spent[:, n] = np.minimum(left, room[:, n])
            left -= spent[:, n]
        busy = np.divide(spent, room, out=np.zeros_like(spent), where=room > 0)
        return Shares(layers=tuple(self._units), ends=clocks, busy=busy)
