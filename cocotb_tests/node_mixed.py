"""Mixed abstraction: one tile, or one core, in RTL among everything else at transaction level.

Python brings both together in every cycle. The run is compared with one that is all at transaction
level: the events of every core, with their cycles, and all that there is at the end.
"""

from collections import deque
from typing import Any

import cocotb
import numpy as np
from amaranth.lib import data
from cocotb.triggers import FallingEdge, Timer
from numpy.typing import NDArray

from cocotb_tests.analog_bridge import AnalogBridge
from cocotb_tests.compare import compare
from cocotb_tests.core_driver import TraceReader
from cocotb_tests.drivers import PERIOD_NS, pack, start, unpack
from cocotb_tests.lockstep import END
from cocotb_tests.node_lockstep import (
    LIMIT,
    compare_memory,
    compare_status,
    core_streams,
    report,
    shifted,
)
from cocotb_tests.node_programs import NodeCase, Unit
from cocotb_tests.pins import read
from cocotb_tests.program_trace import STREAMS
from hdl.core.core import Core
from hdl.flit import flit_layout
from hdl.tile.tile import Tile
from models.system.node import UnitStatus
from models.system.router import FLIT_NUMBERS, Flit
from panther.arch.core import Fault, MemoryOp
from panther.arch.node import NodeParams
from panther.arch.node_registers import units
from panther.arch.tile import SEQUENCER, HostOp, TileFault, TileWait, counter_names

_WORD = (1 << 64) - 1
_FLIT = flit_layout()
QUIET = 16
"""Cycles without anything after which nothing will come: more than a flit between tiles takes."""


def to_pins(numbers: NDArray[np.int64]) -> int:
    """A flit of the twin as the bits of a port."""
    values = {name: int(numbers[Flit[name.upper()]]) for name in _FLIT.members if name != "data"}
    rows = numbers[Flit.DATA :].astype(np.int64).tolist()
    values["data"] = sum((int(row) & _WORD) << 64 * n for n, row in enumerate(rows))
    return pack(_FLIT, values)


def from_pins(bits: int) -> NDArray[np.int64]:
    """The bits of a port as a flit of the twin."""
    flit = _FLIT.from_bits(bits)
    numbers = np.zeros(FLIT_NUMBERS, np.int64)
    for name in _FLIT.members:
        if name != "data":
            numbers[Flit[name.upper()]] = int(flit[name])
    rows = [int(flit["data"]) >> 64 * n & _WORD for n in range(4)]
    numbers[Flit.DATA :] = np.array(rows, np.uint64).view(np.int64)
    return numbers


class _Pins:
    """Input pins that are only set when they change."""

    def __init__(self, dut: Any) -> None:
        self._dut, self._now = dut, dict[str, int]()

    def set(self, **values: int) -> None:
        for name, value in values.items():
            if self._now.get(name) != value:
                self._now[name] = value
                getattr(self._dut, name).value = value


class Mixed:
    """What both have in common.

    Parameters
    ----------
    dut
        The bench.
    params
        The node.
    case
        What runs; everything starts once.
    """

    def __init__(self, dut: Any, params: NodeParams, case: NodeCase) -> None:
        self.dut, self.params, self.case = dut, params, case
        self.twin, self.alone = case.twin(params), case.twin(params)
        self.pins = _Pins(dut)
        self.programs = case.assembled(params)

    def _serve(self, first: int, count: int) -> None:
        """Put array models behind the matrix units: those of the node from ``first`` on."""
        arrays = self.case.arrays(self.params)[first : first + count]
        for n, array in enumerate(arrays):
            unit = getattr(self.dut, f"unit{n}")
            bridge = AnalogBridge(unit, self.params.tile.core.mcu, array)
            cocotb.start_soon(bridge.serve())
        self.arrays = arrays

    def _compare(self, traces: dict[int, TraceReader]) -> int:
        """Compare the events of all cores with those of a run at transaction level alone; how many
        there were. ``traces`` are those of the cores in RTL.
        """
        streams = core_streams(self.params, self.programs)
        for n, core in enumerate(self.alone.cores):
            for event in STREAMS:
                expected = shifted(core, event, int(self.alone.units.origin[n]))
                if n in traces:
                    mine = traces[n].take(event)
                else:
                    mine = shifted(self.twin.cores[n], event, int(self.twin.units.origin[n]))
                streams[n].add(event, expected, mine)
        report(streams, END, lambda cycle: cycle * PERIOD_NS)
        return sum(core.compared for core in streams)

    def _compare_twins(self, tile: int, *, but: int | None = None) -> None:
        """Compare a tile of the mixed run with one of the run at transaction level."""
        for unit in units(self.params):
            if unit != but:
                place = tile, unit
                compare_status(place, self.alone.status(*place), self.twin.status(*place))
        memory = self.twin.memory(tile)
        state = memory.valid | memory.readers << 1
        compare_memory(tile, self.alone, memory.groups.view(np.int16), state)


class MixedTile(Mixed):
    """A tile in RTL: the router gives it flits, and takes its own.

    Parameters
    ----------
    number
        The tile.
    """

    def __init__(self, dut: Any, params: NodeParams, case: NodeCase, number: int) -> None:
        super().__init__(dut, params, case)
        self.number = number
        self._shapes = Tile(params, retire=True)
        self.twin.lend(number)

    async def run(self) -> int:
        """Run to the end and compare; events of cores compared.

        Raises
        ------
        Divergence
            At the first difference.
        """
        dut, tile, number = self.dut, self.params.tile, self.number
        inputs = [
            f"{name}__{part}" for name in ("i_program", "i_memory", "i_execute", "i_flit",
            "i_command", "i_cells", "i_cells_read") for part in ("payload", "valid")
        ]  # fmt: skip
        inputs += [
            "start", "hold", "step", "reset", "host_core", "host_mcu", "clear_counters",
            "counter_select", "o_cells__ready", "o_flit__ready", "o_memory__ready",
            *(f"start_pc__{n}" for n in range(tile.cores + 1)),
        ]  # fmt: skip
        await start(dut, *inputs)
        self.pins.set(number=number, o_memory__ready=1)
        mcus = tile.core.mcus
        self._serve(number * tile.cores * mcus, tile.cores * mcus)
        traces = {
            number * tile.cores + n: TraceReader(getattr(dut, f"trace{n}"))
            for n in range(tile.cores)
        }
        await self._load()
        await self._go()
        self.alone.run(limit_cycles=LIMIT)
        events = self._compare(traces)
        for other in range(self.params.tiles):
            if other != number:
                self._compare_twins(other)
                compare(
                    f"tile {other}", "counters",
                    list(self.alone.counters(other).values()),
                    list(self.twin.counters(other).values()), ("counter",),
                )  # fmt: skip
        await self._end()
        return events

    async def _load(self) -> None:
        program = self._shapes.i_program.p.shape()
        for (tile, unit), text in self.programs.items():
            for n, word in enumerate(text.words if tile == self.number else ()):
                item = {"target": unit, "address": n, "word": int(word), "invert": 0}
                self.pins.set(i_program__payload=pack(program, item), i_program__valid=1)
                await FallingEdge(self.dut.clk)
        self.pins.set(i_program__valid=0)
        content = self.case.memory(self.number, self.params)
        for group, (words, valid, readers) in enumerate(zip(*content, strict=True)):
            lanes = np.array([words]).view(np.uint16).tolist()
            fields = {"group": group, "mask": 15, "data": lanes}
            await self._memory(op=HostOp.WRITE, **fields)
            await self._memory(op=HostOp.STATE, **fields, valid=int(valid), readers=int(readers))
        self.pins.set(clear_counters=1)
        await FallingEdge(self.dut.clk)
        self.pins.set(clear_counters=0)
        for _ in range(QUIET):
            await FallingEdge(self.dut.clk)

    async def _memory(self, **fields: Any) -> None:
        layout = self._shapes.i_memory.p.shape()
        self.pins.set(i_memory__payload=pack(layout, fields), i_memory__valid=1)
        taken = False
        while not taken:
            await Timer(1, "ns")
            taken = bool(read(self.dut.i_memory__ready))
            await FallingEdge(self.dut.clk)
        self.pins.set(i_memory__valid=0)

    async def _go(self) -> None:
        """Start everything, and bring both together until nothing happens any more."""
        dut, number, twin = self.dut, self.number, self.twin
        (_, started), *more = self.case.all_starts()
        assert not more, "everything must start at once"
        now = read(dut.now)
        for node in (twin, self.alone):
            node.units.clock[0] = now + 1
        self.alone.start(started)
        twin.start({unit: pc for unit, pc in started.items() if unit[0] != number})
        mine = {unit: pc for (tile, unit), pc in started.items() if tile == number}
        last = self.params.tile.cores
        places = {last if unit == SEQUENCER else unit: pc for unit, pc in mine.items()}
        self.pins.set(
            start=sum(1 << place for place in places),
            **{f"start_pc__{place}": pc for place, pc in places.items()},
        )
        await FallingEdge(dut.clk)
        self.pins.set(start=0)
        calm = 0
        while calm < QUIET:
            assert twin.clock < LIMIT, "all must come to an end"
            twin.begin_cycle()
            flit = twin.arrived(number)
            self.pins.set(o_flit__ready=int(twin.room(number)), i_flit__valid=flit is not None)
            if flit is not None:
                self.pins.set(i_flit__payload=to_pins(flit))
            await Timer(1, "ns")
            goes = {}
            if read(dut.o_flit__valid):
                goes[number] = from_pins(read(dut.o_flit__payload))
            twin.end_cycle(goes)
            calm = 0 if goes or not twin.quiet or read(dut.clock_enable) else calm + 1
            await FallingEdge(dut.clk)

    async def _end(self) -> None:
        dut, number = self.dut, self.number
        layout = self._shapes.status[0].shape()
        for place, unit in enumerate(units(self.params)):
            shown = unpack(layout, getattr(dut, f"status__{place}"))
            causes = TileFault if unit == SEQUENCER else Fault
            mine = UnitStatus(
                bool(shown["running"]), causes(int(shown["fault"])), int(shown["pc"]),
                int(shown["cycle"]), TileWait(int(shown["wait"])), int(shown["wait_group"]),
            )  # fmt: skip
            compare_status((number, unit), self.alone.status(number, unit), mine)
        counted = self.alone.counters(number)
        for n, name in enumerate(counter_names(self.params.tile)):
            self.pins.set(counter_select=n)
            await FallingEdge(dut.clk)
            compare(f"tile {number}", f"counter {name}", counted[name], read(dut.counter_value))
        words, states = [], []
        answer = self._shapes.o_memory.p.shape()
        for group in range(self.params.tile.groups):
            await self._memory(op=HostOp.READ, group=group)
            while not read(dut.o_memory__valid):
                await FallingEdge(dut.clk)
            shown = unpack(answer, dut.o_memory__payload)
            words.append(shown["data"].as_bits())
            states.append(int(shown["valid"]) | int(shown["readers"]) << 1)
        compare_memory(
            number, self.alone, np.array(words, np.uint64).view(np.int16), np.array(states)
        )
        first = number * len(self.arrays)
        for n, array in enumerate(self.arrays):
            core, mcu = divmod(first + n, self.params.tile.core.mcus)
            cells = self.alone.cores[core].cells(mcu)
            axes = ("slice", "row", "column")
            compare(f"tile {number}, core {core}, m{mcu}", "cells", cells, array.cells, axes)


class MixedCore(Mixed):
    """A core in RTL: the twin of its tile's memory serves it.

    Parameters
    ----------
    place
        Tile and core.
    """

    def __init__(self, dut: Any, params: NodeParams, case: NodeCase, place: Unit) -> None:
        super().__init__(dut, params, case)
        self.place = place
        self._request: data.Layout = Core(params.tile.core, retire=True).o_memory.p.shape()
        self._program: data.Layout = Core(params.tile.core).i_program.p.shape()
        self._asks = False
        self._answers: deque[tuple[int, int]] = deque()

    async def run(self) -> int:
        """Run to the end and compare; events of cores compared.

        Raises
        ------
        Divergence
            At the first difference.
        """
        dut, (tile, core) = self.dut, self.place
        inputs = [
            f"{name}__{part}" for name in ("i_program", "i_memory", "i_execute", "i_command",
            "i_config", "i_cells", "i_cells_read") for part in ("payload", "valid")
        ]  # fmt: skip
        inputs += ["start", "start_pc", "hold", "step", "host_mcu", "o_cells__ready"]
        await start(dut, *inputs, "o_memory__ready")
        n = tile * self.params.tile.cores + core
        mcus = self.params.tile.core.mcus
        self._serve(n * mcus, mcus)
        trace = TraceReader(dut.trace0)
        for address, word in enumerate(self.programs[self.place].words):
            item = {"address": address, "word": int(word), "invert": 0}
            self.pins.set(i_program__payload=pack(self._program, item), i_program__valid=1)
            await FallingEdge(dut.clk)
        self.pins.set(i_program__valid=0)
        await self._go()
        self.alone.run(limit_cycles=LIMIT)
        events = self._compare({n: trace})
        for other in range(self.params.tiles):
            self._compare_twins(other, but=core if other == tile else None)
            names = ("accesses", "conflicts", "misses", "sent", "received", "credits")
            counters = [node.counters(other) for node in (self.alone, self.twin)]
            compare(
                f"tile {other}", f"counters {', '.join(names)}",
                *([counts[name] for name in names] for counts in counters), ("counter",),
            )  # fmt: skip
        expected = self.alone.status(tile, core)
        found = (Fault(read(dut.fault)).name, read(dut.fault_pc), read(dut.fault_cycle))
        if found[0] != "NONE" or expected.fault:
            assert found == (expected.fault.name, expected.pc, expected.cycle), (found, expected)
        for mcu, array in enumerate(self.arrays):
            cells = self.alone.cores[n].cells(mcu)
            axes = ("slice", "row", "column")
            compare(f"tile {tile}, core {core}, m{mcu}", "cells", cells, array.cells, axes)
        return events

    async def _go(self) -> None:
        """Start everything, and bring both together until nothing happens any more."""
        dut, twin = self.dut, self.twin
        (_, started), *more = self.case.all_starts()
        assert not more, "everything must start at once"
        now = read(dut.now)
        for node in (twin, self.alone):
            node.units.clock[0] = now + 1
        self.alone.start(started)
        twin.start({unit: pc for unit, pc in started.items() if unit != self.place})
        self.pins.set(start=1, start_pc=started[self.place])
        await FallingEdge(dut.clk)
        self.pins.set(start=0)
        calm = 0
        while calm < QUIET:
            assert twin.clock < LIMIT, "all must come to an end"
            asks = self._cycle()
            calm = 0 if asks or not twin.quiet or read(dut.running) else calm + 1
            await FallingEdge(dut.clk)

    def _cycle(self) -> bool:
        """One cycle: the request that the core offers; whether it does."""
        dut, twin, place = self.dut, self.twin, self.place
        now = twin.clock
        twin.begin_cycle()
        valid = bool(read(dut.o_memory__valid))
        if valid and not self._asks:
            asked = unpack(self._request, dut.o_memory__payload)
            self._op = MemoryOp(int(asked["op"]))
            word = asked["data"].as_bits()
            twin.ask(
                *place, self._op, int(asked["group"]), mask=int(asked["mask"]),
                flag=bool(int(asked["take"]) or int(asked["plain"])),
                readers=int(asked["readers"]), data=word - (word >> 63 << 64),
            )  # fmt: skip
        elif self._asks and not valid:
            twin.withdraw(*place)
        twin.end_cycle()
        answer = twin.answer(*place) if valid else None
        self._asks = valid and answer is None
        if answer is not None and self._op is MemoryOp.LOAD:
            self._answers.append((now + self.params.tile.core.memory_cycles, answer & _WORD))
        comes = bool(self._answers) and self._answers[0][0] == now
        self.pins.set(o_memory__ready=int(answer is not None), i_memory__valid=int(comes))
        if comes:
            self.pins.set(i_memory__payload=self._answers.popleft()[1])
        return valid or bool(self._answers)
