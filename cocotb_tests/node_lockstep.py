"""Lockstep of a node: RTL and transaction level run the same programs in the same cycles.

Compared are, each with its cycle since the reset of the bench: all that every core retires, writes
and asks of its memory. Whenever all is quiet: all memories with their states, the cells, the state
of every unit with what it waits for or why, where and when it stopped, the scalar registers of the
sequencers, and all performance counters.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from string import digits
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cocotb_tests.compare import Divergence, compare
from cocotb_tests.host import reset
from cocotb_tests.lockstep import END, event_text
from cocotb_tests.node_driver import NodeDriver, run
from cocotb_tests.node_programs import NodeCase, Unit, unit_name
from cocotb_tests.program_trace import STREAMS, Tracer
from models.analog.array import Array
from models.system.core import Core
from models.system.node import Node, UnitStatus
from models.system.trace import WIDTHS, Event
from panther.arch.core import CoreParams
from panther.arch.node import NodeParams
from panther.arch.node_registers import units
from panther.arch.tile import SEQUENCER
from panther.asm import Program, instruction_text

LIMIT = 1 << 17
"""Cycles in which every case has come to its end."""
_NO_DIGITS = str.maketrans("", "", digits)
_MARGIN = 2
"""Last cycles that a trace may not have yet."""


class CoreStreams:
    """The events of one core on both sides, as far as the other has not come to them.

    Parameters
    ----------
    name
        The core, for the report.
    params
        Its parameters.
    program
        What it runs, for the report.
    """

    def __init__(self, name: str, params: CoreParams, program: Program | None) -> None:
        self.name, self._params, self._program = name, params, program
        nothing = {event: np.zeros((0, WIDTHS[event]), np.int64) for event in STREAMS}
        self._kept = {event: (rows, rows) for event, rows in nothing.items()}
        self._history: list[tuple[int, int, int]] = []
        self.retired = 0
        """Instructions compared."""
        self.compared = 0
        """Events compared."""

    def add(self, event: Event, twin: NDArray[np.int64], rtl: NDArray[np.int64]) -> None:
        """Add the rows either side has brought since."""
        before = self._kept[event]
        self._kept[event] = tuple(  # type: ignore[assignment]
            np.concatenate(rows) for rows in zip(before, (twin, rtl), strict=True)
        )

    def difference(self, until: int) -> tuple[int, str] | None:
        """The first difference, if there is one, with its cycle; before cycle ``until`` neither
        side may have more than the other.
        """
        first: tuple[int, str] | None = None
        names = Tracer(self._params, self._program)
        for event in STREAMS:
            twin, rtl = self._kept[event]
            both = min(len(twin), len(rtl))
            unequal = np.flatnonzero((twin[:both] != rtl[:both]).any(axis=1))
            at = int(unequal[0]) if len(unequal) else both
            missing = any((side[both:, 0] < until).any() for side in (twin, rtl))
            if len(unequal) or missing:
                sides = [side[at] if at < len(side) else None for side in (twin, rtl)]
                cycle = min(int(side[0]) for side in sides if side is not None)
                texts = [
                    "nothing" if side is None else event_text(event, side, names) for side in sides
                ]
                if first is None or cycle < first[0]:
                    first = cycle, f"twin {texts[0]}, rtl {texts[1]}"
            self._kept[event] = twin[both:], rtl[both:]
            self.compared += both
            if event is Event.RETIRE:
                self.retired += at
                self._history += [
                    (int(row[0]), int(row[1]), int(row[2]) | int(row[3]) << 32) for row in rtl[:at]
                ]
                self._history = self._history[-64:]
        return first

    def lines(self, cycle: int) -> list[str]:
        """The last instructions before a cycle."""
        done = [entry for entry in self._history if entry[0] <= cycle][-8:]
        found = []
        for at, pc, word in done:
            text = f"  cycle {at:8}  pc {pc:4}  {instruction_text(word, self._params)}"
            if self._program is not None and pc in self._program.source:
                text = f"{text:76} {self._program.where(pc)}"
            found.append(text)
        return found


def report(streams: Sequence[CoreStreams], until: int, time_of: Callable[[int], float]) -> None:
    """Raise if the cores' events differ before a cycle.

    Raises
    ------
    Divergence
        With tile, core and cycle of the first one, both sides, and the last instructions.
    """
    found = [(*difference, core) for core in streams if (difference := core.difference(until))]
    if found:
        cycle, what, core = min(found, key=lambda item: item[0])
        lines = [
            f"first divergence: {core.name}, cycle {cycle}: {what}, at {time_of(cycle):.0f} ns"
        ]
        raise Divergence("\n".join(lines + core.lines(cycle)))


def shifted(core: Core, event: Event, origin: int) -> NDArray[np.int64]:
    """Events of a twin with the node's cycles instead of the core's."""
    rows = core.events(event).copy()
    rows[:, 0] += origin
    return rows


def core_streams(params: NodeParams, programs: Mapping[Unit, Program]) -> list[CoreStreams]:
    """One for each core of a node."""
    cores = params.tile.cores
    return [
        CoreStreams(
            f"tile {n // cores}, core {n % cores}", params.tile.core,
            programs.get((n // cores, n % cores)),
        )
        for n in range(params.tiles * cores)
    ]  # fmt: skip


def compare_memory(tile: int, twin: Node, words: NDArray[Any], state: NDArray[Any]) -> int:
    """Compare a tile's memory with the twin's; how many numbers that were."""
    memory = twin.memory(tile)
    where = f"tile {tile}, memory"
    compare(where, "words", memory.groups.view(np.int16), words, ("address",))
    compare(where, "valid", memory.valid, state & 1, ("group",))
    compare(where, "readers", memory.readers, state >> 1, ("group",))
    return int(words.size + 2 * state.size)


def compare_status(place: Unit, twin: UnitStatus, rtl: UnitStatus) -> int:
    """Compare what a unit does with what the twin's does; how many numbers that were."""
    for field, theirs, mine in zip(UnitStatus._fields, twin, rtl, strict=True):
        if theirs != mine:
            raise Divergence(
                f"first divergence: tile {place[0]}, {unit_name(place[1])}, status, {field}: "
                f"twin {twin}, rtl {rtl}"
            )
    return len(twin)


class NodeRig:
    """A node on its bench, and a twin made anew for every case; the simulation goes on.

    Parameters
    ----------
    dut
        The bench.
    params
        The node.
    driver
        What drives it.
    """

    def __init__(self, dut: Any, params: NodeParams, driver: type[NodeDriver] = NodeDriver) -> None:
        self.dut, self.params = dut, params
        self._make = driver
        self.driver: NodeDriver | None = None
        self.twin: Node | None = None
        self.instructions = 0
        self.cycles = 0
        self.compared = 0
        self.faults: dict[str, int] = {}
        """Units that stopped, by cause."""
        self.counted: Counter[str] = Counter()
        """Performance counters compared, summed up over all that are called alike but for
        numbers."""
        self.stops: list[dict[str, tuple[str, int, str, int]]] = []
        """Of each case the units that stopped for a fault: cause, pc, and what they waited for."""

    async def prepare(self, case: NodeCase) -> "NodeLockstep":
        """Bring bench and twin into the state a case starts from."""
        await reset(self.dut)
        self.twin = case.twin(self.params, self.twin)
        arrays: list[Array] = list(case.arrays(self.params))
        if self.driver is None:
            self.driver = self._make(self.dut.node0, self.params, arrays)
        self.driver.use(arrays)
        for trace in self.driver.traces:
            trace.forget()
        await self.driver.load(case)
        return NodeLockstep(self.driver, self.twin, arrays, case.assembled(self.params))

    async def run(self, case: NodeCase) -> Node:
        """Run a case to its end; the twin afterwards.

        Raises
        ------
        Divergence
            At the first difference.
        """
        lockstep = await self.prepare(case)
        starts = case.all_starts()
        for n, (_, started) in enumerate(starts):
            await lockstep.start(started)
            wait = starts[n + 1][0] if n + 1 < len(starts) else 0
            await lockstep.run(wait)
        self.instructions += sum(core.retired for core in lockstep.streams)
        self.compared += lockstep.compared + sum(core.compared for core in lockstep.streams)
        self.cycles += lockstep.cycles
        self.counted += lockstep.counted
        stops = {
            f"{tile}.{unit_name(unit)}": (
                status.fault.name, status.pc, status.wait.name, status.group
            )
            for (tile, unit), status in lockstep.statuses.items()
            if status.fault
        }  # fmt: skip
        self.stops.append(stops)
        for cause, *_ in stops.values():
            self.faults[cause] = self.faults.get(cause, 0) + 1
        assert self.twin is not None
        return self.twin


class NodeLockstep:
    """Runs programs on both and compares.

    Parameters
    ----------
    rtl
        The node on its bench.
    twin
        The node at transaction level, loaded alike, with a trace.
    arrays
        What is behind the matrix units in RTL.
    programs
        What runs, for the report.
    """

    def __init__(
        self, rtl: NodeDriver, twin: Node, arrays: Sequence[Array],
        programs: Mapping[Unit, Program],
    ) -> None:  # fmt: skip
        self.rtl, self.twin, self.arrays = rtl, twin, arrays
        self.params = rtl.params
        self.streams = core_streams(rtl.params, programs)
        self.compared = 0
        """Words, states, counts and cells compared."""
        self.cycles = 0
        self.counted: Counter[str] = Counter()
        self.statuses: Mapping[Unit, UnitStatus] = {}
        """Those at the end."""
        self._counted = self._counts()
        self._ended = True

    def _counts(self) -> list[dict[str, int]]:
        tiles = range(self.params.tiles)
        return [self.twin.counters(t) | self.twin.router_counters(t) for t in tiles]

    async def start(self, started: Mapping[Unit, int]) -> None:
        """Start units of both in the same cycle."""
        if self._ended:
            await self.rtl.clear_counters()
            self._counted = self._counts()
        await self.rtl.play(self.rtl.start(started.items()))
        begun = self.rtl.begun
        # what is traced up to here counts from the starts before
        self._compare(begun)
        if self.twin.clock < begun:
            # nothing was left to do until then
            self.twin.units.clock[0] = begun
        if self._ended:
            # the host was the last one at every bank
            self.twin.units.memory.last[:] = self.params.tile.requesters - 1
        self.twin.start(started)
        self._ended = False

    async def run(self, cycles: int = 0, *, limit: int = LIMIT) -> None:
        """Go on until all is quiet, in ``limit`` cycles, or for so many cycles, and compare.

        Raises
        ------
        Divergence
            With tile, core, cycle, both sides and the last instructions, or what else differs.
        """
        first = self.rtl.cycle
        self.rtl.on_block = self._compare
        try:
            await self.rtl.play([run(cycles or limit)])
        finally:
            self.rtl.on_block = lambda: None
        self._compare()
        self.cycles += self.rtl.cycle - first
        if cycles:
            return
        quiet = self.twin.run(limit_cycles=limit)
        self._compare_until(END)
        if not (quiet and self.rtl.ran):
            raise Divergence(
                f"first divergence: at the end, twin {'quiet' if quiet else 'goes on'}, rtl "
                f"{'quiet' if self.rtl.ran else 'goes on'} after {limit} cycles"
            )
        await self._end()
        self._ended = True

    def _go_on(self, until: int) -> None:
        if until > self.twin.clock:
            self.twin.run(limit_cycles=until - self.twin.clock)

    def _compare(self, now: int = 0) -> None:
        """Let the twin go on up to a cycle, RTL's present one if left out, and compare."""
        now = now or self.rtl.cycle
        self._go_on(now)
        self._compare_until(now - _MARGIN)

    def _compare_until(self, until: int) -> None:
        for n, (core, streams) in enumerate(zip(self.twin.cores, self.streams, strict=True)):
            origin = int(self.twin.units.origin[n])
            for event in STREAMS:
                streams.add(event, shifted(core, event, origin), self.rtl.traces[n].take(event))
            core.forget_events()
        report(self.streams, until, self.rtl.time_of)

    async def _end(self) -> None:
        counters, routers = await self.rtl.counters(), await self.rtl.router_counters()
        self.statuses = await self.rtl.statuses()
        memories = await self.rtl.memories()
        for tile in range(self.params.tiles):
            for unit in units(self.params):
                place = tile, unit
                self.compared += compare_status(
                    place, self.twin.status(*place), self.statuses[place]
                )
            scalars = self.rtl.scalars(tile)
            compare(
                f"tile {tile}, {unit_name(SEQUENCER)}", "scalar registers",
                self.twin.scalars(tile), scalars, ("register",),
            )  # fmt: skip
            self.compared += compare_memory(tile, self.twin, *memories[tile]) + scalars.size
            now = self.twin.counters(tile) | self.twin.router_counters(tile)
            for name, count in (counters[tile] | routers[tile]).items():
                counted = now[name] - self._counted[tile][name] & 0xFFFFFFFF
                compare(f"tile {tile}", f"counter {name}", counted, count)
                self.counted[name.translate(_NO_DIGITS)] += count
                self.compared += 1
        mcus = self.params.tile.core.mcus
        for n, array in enumerate(self.arrays):
            core = self.twin.cores[n // mcus]
            where = self.streams[n // mcus].name
            axes = ("slice", "row", "column")
            compare(f"{where}, m{n % mcus}", "cells", core.cells(n % mcus), array.cells, axes)
            self.compared += array.cells.size
