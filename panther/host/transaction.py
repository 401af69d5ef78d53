"""A host's way to a node at transaction level: its registers and memories by their addresses."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.analog.array import Array
from models.system.node import Node
from models.system.receive_unit import Receiving
from models.system.send_unit import Sending
from models.system.shared_memory import first_asked
from panther.arch.checks import check_range
from panther.arch.core import Fault
from panther.arch.node import NodeParams
from panther.arch.node_registers import (
    CELLS,
    EXECUTE_STATUS,
    FAULT_LSB,
    PAGE_BYTES,
    PROGRAM,
    STATES,
    STATUS,
    TILE_BYTES,
    TRANSFER_PLACE,
    TRANSFER_STATUS,
    WAIT,
    WORD_BYTES,
    WORDS,
    node_registers,
    tile_registers,
    units,
)
from panther.arch.params import McuParams
from panther.arch.registers import REGISTER_BYTES, Register
from panther.arch.tile import SEQUENCER, TileWait
from panther.host.cells import pack_cells, unpack_cells
from panther.host.transport import AccessError

_FIRST_SLICE = 1 << 12
_LAST_SLICE = 1 << 22
"""Cycles between two looks at the interrupts."""
_SETTLING, _SETTLING_SLICE = 32, 1 << 10
"""Slices of cycles in which a unit that is to be held stops, if it does not wait for others."""


class TransactionTransport:
    """Accesses to a :class:`~models.system.node.Node`, which take no cycles of its clock.

    The node goes on in :meth:`wait`, and for as long as it takes until units that are to be held
    are. It cannot reset units: such a write is refused, unless it is of 0.

    Parameters
    ----------
    node
        The node.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self._params = params = node.params
        self._registers = (_by_offset(node_registers(params)), _by_offset(tile_registers(params)))
        self._places = units(params)
        tiles = range(params.tiles)
        kept = ("arm", "hold", "interrupt_enable", "interrupt")
        self._kept = {name: [0] * params.tiles for name in kept}
        every = [(tile, unit) for tile in tiles for unit in self._places]
        self._start_pc = dict.fromkeys(every, 0)
        self._low = dict.fromkeys(every, 0)
        self._execute_fault = dict.fromkeys(every, Fault.NONE)
        self._running: set[tuple[int, int]] = set()
        """Those whose end is to raise an interrupt."""
        self._counted = [self._counts(tile) for tile in tiles]
        """Counters when they were cleared last."""

    @property
    def params(self) -> NodeParams:
        return self._params

    # ---- control registers

    async def read(self, address: int) -> int:
        page, register, index = self._find(address)
        if not register.access.readable:
            raise AccessError(f"Register {register.name} must not be read: SLVERR")
        if page == 0:
            return self._node_register(register, index)
        return self._tile_register(page - 1, register.name, index) & 0xFFFFFFFF

    async def write(self, address: int, value: int) -> None:
        check_range("Value of a register", value, 0, (1 << 32) - 1)
        page, register, _ = self._find(address)
        name = register.name
        if not register.access.writable:
            raise AccessError(f"Register {name} must not be written: SLVERR")
        if page == 0:
            if name == "start" and value & 1:
                self._start()
            elif name == "clear_counters" and value & 1:
                self._counted = [self._counts(tile) for tile in range(self._params.tiles)]
            return
        tile = page - 1
        if name == "interrupt":
            self._kept[name][tile] &= ~value
        elif name in self._kept:
            there = sum(1 << unit for unit in self._places)
            self._kept[name][tile] = (
                value & (there | there << FAULT_LSB) & sum(field.mask for field in register.fields)
            )
            if name == "hold":
                self.node.hold(self._chosen("hold"))
                self._settle()
        elif name == "step":
            self.node.step((tile, unit) for unit in self._places if value >> unit & 1)
            self._settle()
        elif name == "reset":
            if value:
                raise AccessError("A node at transaction level must not be told to reset units")
        else:
            self._write_unit(tile, name, value)

    def _find(self, address: int) -> tuple[int, Register, int]:
        page, offset = divmod(address, PAGE_BYTES)
        found = self._registers[page > 0].get(offset) if page <= self._params.tiles else None
        if found is None:
            raise AccessError(f"Register at {address:#x} must exist: DECERR")
        return page, *found

    def _node_register(self, register: Register, index: int) -> int:
        if register.name == "cell_bits":
            return self._params.tile.core.mcu.slices.cell_bits[index]
        if register.name not in ("interrupt", "active"):
            return register.reset
        word = 0
        for bit in range(32):
            tile = 32 * index + bit
            if tile < self._params.tiles:
                if register.name == "active":
                    on = self._bits(tile) | self._bits(tile, "held")
                else:
                    on = self._pending(tile)
                word |= (on != 0) << bit
        return word

    def _bits(self, tile: int, what: str = "running") -> int:
        """Units that run, or are held."""
        return sum(
            1 << unit for unit in self._places if getattr(self.node.status(tile, unit), what)
        )

    def _chosen(self, name: str) -> Iterator[tuple[int, int]]:
        """Units whose bit is set."""
        for tile, mask in enumerate(self._kept[name]):
            yield from ((tile, unit) for unit in self._places if mask >> unit & 1)

    def _settle(self) -> None:
        """Let units that are to be held, or step, come to where they stop."""
        for _ in range(_SETTLING):
            if not any(self.node.status(*unit).running for unit in self._chosen("hold")):
                break
            self.node.run(limit_cycles=_SETTLING_SLICE)
        self._note_ends()

    def _note_ends(self) -> None:
        """Raise the interrupts of units that have ended."""
        for tile, unit in sorted(self._running):
            status = self.node.status(tile, unit)
            if not status.running and not status.held:
                self._running.remove((tile, unit))
                shift = FAULT_LSB if status.fault else 0
                self._kept["interrupt"][tile] |= 1 << unit + shift

    def _pending(self, tile: int) -> int:
        return self._kept["interrupt"][tile] & self._kept["interrupt_enable"][tile]

    def _tile_register(self, tile: int, name: str, index: int) -> int:
        if name in self._kept:
            return self._kept[name][tile]
        if name in ("step", "reset"):
            return 0
        if name in ("running", "held"):
            return self._bits(tile, name)
        if name == "counter":
            counts = list(self.node.counters(tile).values())
            return counts[index] - self._counted[tile][0][index]
        if name == "router_counter":
            counts = list(self.node.router_counters(tile).values())
            return counts[index] - self._counted[tile][1][index]
        transfer, _, what = name.partition("_")
        if transfer in ("send", "receive"):
            return self._transfer(tile, transfer, what)
        return self._read_unit(tile, name)

    def _counts(self, tile: int) -> tuple[list[int], list[int]]:
        node = self.node
        return list(node.counters(tile).values()), list(node.router_counters(tile).values())

    def _transfer(self, tile: int, unit: str, what: str) -> int:
        """A register of the send or the receive unit."""
        units, cores = self.node.units, self._params.tile.cores
        if unit == "send":
            state, requester = units.sender.state[tile], cores
            busy, wait, pc = state[Sending.BUSY], state[Sending.WAIT], state[Sending.PC]
            fifo, other = state[Sending.FIFO], state[Sending.TILE]
            group = state[Sending.WAIT_GROUP]
        else:
            state, requester = units.receiver.state[tile], cores + 1
            busy, wait, pc = state[Receiving.BUSY], state[Receiving.WAIT], state[Receiving.PC]
            fifo = state[Receiving.FIFO]
            other = max(units.receiver.owner[tile, fifo], 0)
            group = state[Receiving.WAIT_GROUP]
        if what == "status":
            return TRANSFER_STATUS.word(
                busy=int(busy != 0), wait=int(wait), tile=int(other), fifo=int(fifo)
            )
        if busy:
            group = first_asked(units.memory, tile, requester)
        place = int(group) if wait in (TileWait.LOAD, TileWait.STORE) else 0
        return TRANSFER_PLACE.word(pc=int(pc), group=place)

    # ---- units

    def _read_unit(self, tile: int, name: str) -> int:
        block, _, what = name.partition("_")
        unit = int(block[1:])
        if what == "start_pc":
            return self._start_pc[tile, unit]
        if what == "execute_low":
            return self._low[tile, unit]
        if what == "execute_status":
            return EXECUTE_STATUS.word(fault=self._execute_fault[tile, unit])
        if what == "scalar":
            return self.node.core(tile, unit).scalar
        status = self.node.status(tile, unit)
        if what == "status":
            return STATUS.word(
                running=status.running, held=status.held, fault=status.fault, pc=status.pc
            )
        if what == "cycle":
            return status.cycle
        return WAIT.word(kind=status.wait, group=status.group)

    def _write_unit(self, tile: int, name: str, value: int) -> None:
        block, _, what = name.partition("_")
        unit = int(block[1:])
        if what == "start_pc":
            self._start_pc[tile, unit] = value & 0x1FFF
        elif what == "execute_low":
            self._low[tile, unit] = value
        else:
            if self.node.status(tile, unit).running:
                raise AccessError(f"Core {unit} of tile {tile} must not run: SLVERR")
            self._execute_fault[tile, unit] = Fault.NONE
            try:
                self.node.core(tile, unit).execute(value << 32 | self._low[tile, unit])
            except ValueError as error:
                self._execute_fault[tile, unit] = Fault[str(error).rpartition(" ")[2]]
            self._wake(tile)

    def _start(self) -> None:
        starts = {}
        for (tile, unit), pc in self._start_pc.items():
            armed = self._kept["arm"][tile] >> unit & 1
            if armed and not self.node.status(tile, unit).running:
                starts[tile, unit] = pc
        self.node.start(starts)
        self._running |= set(starts)
        self._settle()

    async def wait(self, limit_cycles: int) -> bool:
        left, step = limit_cycles, _FIRST_SLICE
        while not any(self._pending(tile) for tile in range(self._params.tiles)):
            quiet = self.node.quiet
            if left <= 0 or (quiet and not self._running):
                return False
            quiet = self.node.run(limit_cycles=min(step, left))
            left -= min(step, left)
            step = min(2 * step, _LAST_SLICE)
            self._note_ends()
        return True

    # ---- what a simulation sees of its arrays, and no host

    def array_state(self, unit: int) -> dict[str, NDArray[Any]]:
        """All that the devices of a matrix unit keep, see ``docs/devices.md``: its array's
        ``state``.

        Parameters
        ----------
        unit
            Number ``(tile * cores + core) * mcus + mcu``.
        """
        state: dict[str, NDArray[Any]] = self._device(unit).state
        return state

    def set_array_state(self, unit: int, state: Mapping[str, NDArray[Any]]) -> None:
        """Set it back."""
        self._device(unit).state = state

    def _device(self, unit: int) -> Any:
        core, m = divmod(unit, self._params.tile.core.mcus)
        return self.node.cores[core].arrays[m]

    # ---- memories

    async def load(self, address: int, count: int) -> bytes:
        tile, offset = self._check_memory(address, count)
        memory = self.node.memory(tile)
        if offset < STATES.offset:
            first = self._check_size(memory.groups.nbytes, offset - WORDS.offset, count)
            return memory.groups.view(np.uint8)[first : first + count].tobytes()
        if offset < PROGRAM.offset:
            readers = memory.readers.astype("<u8") << np.uint64(1)
            states: bytes = (memory.valid.astype("<u8") | readers).tobytes()
            first = self._check_size(len(states), offset - STATES.offset, count)
            return states[first : first + count]
        if offset < CELLS.offset:
            raise AccessError("Programs must not be read: SLVERR")
        parts = self._rows(tile, offset, count)
        return b"".join(
            pack_cells(self._mcu, self._read_row(self._array(tile, core, m), row))[
                first:end
            ].tobytes()
            for core, m, row, first, end in parts
        )

    async def store(self, address: int, data: bytes) -> None:
        tile, offset = self._check_memory(address, len(data))
        memory = self.node.memory(tile)
        if offset < STATES.offset:
            if offset % 2 or len(data) % 2:
                raise AccessError("Words must be written whole: SLVERR")
            place = self._check_size(memory.groups.nbytes, offset - WORDS.offset, len(data))
            self.node.load_memory(tile, place // 2, np.frombuffer(data, "<i2"))
            self._wake(tile)
            return
        if offset % WORD_BYTES or len(data) % WORD_BYTES:
            raise AccessError(f"Words of {WORD_BYTES} bytes must be written whole: SLVERR")
        words = np.frombuffer(data, "<u8")
        if offset < PROGRAM.offset:
            size = WORD_BYTES * memory.valid.size
            first = self._check_size(size, offset - STATES.offset, len(data)) // WORD_BYTES
            memory.valid[first : first + words.size] = words & np.uint64(1)
            memory.readers[first : first + words.size] = words >> np.uint64(1) & np.uint64(0x1FF)
            self._wake(tile)
        elif offset < CELLS.offset:
            self._store_program(tile, offset - PROGRAM.offset, words)
        else:
            done = 0
            for core, m, row, begin, end in self._rows(tile, offset, len(data)):
                array = self._array(tile, core, m)
                cells = self._read_row(array, row)
                part = words[done : done + end - begin]
                cells[:, begin:end] = unpack_cells(self._mcu, part)
                self.node.core(tile, core).program_row(m, row, np.ascontiguousarray(cells.T))
                done += end - begin

    def _store_program(self, tile: int, offset: int, words: NDArray[np.uint64]) -> None:
        unit, first = divmod(offset, PROGRAM.strides[0][1])
        params = self._params.tile
        size = params.instructions if unit == SEQUENCER else params.core.instructions
        if unit not in self._places or first or words.size > size:
            raise AccessError(
                f"A program must be written from address 0 on, of at most {size} words: DECERR"
            )
        if self.node.status(tile, unit).running:
            raise AccessError(f"Unit {unit} of tile {tile} must not run: SLVERR")
        self.node.load(tile, unit, words)

    def _check_memory(self, address: int, count: int) -> tuple[int, int]:
        tile, offset = divmod(address, TILE_BYTES)
        if tile >= self._params.tiles or offset + count > TILE_BYTES:
            raise AccessError(f"Memory at {address:#x} must exist: DECERR")
        return tile, offset

    @staticmethod
    def _check_size(size: int, first: int, count: int) -> int:
        if first + count > size:
            raise AccessError(f"Memory must end before byte {first + count}, at {size}: DECERR")
        return first

    @property
    def _mcu(self) -> McuParams:
        return self._params.tile.core.mcu

    def _array(self, tile: int, core: int, mcu: int) -> Array:
        if self.node.status(tile, core).running:
            raise AccessError(f"Core {core} of tile {tile} must not run: SLVERR")
        return self.node.core(tile, core).arrays[mcu]

    def _read_row(self, array: Array, row: int) -> NDArray[np.int16]:
        """Cells of a row as the unit reads them, shape (slices, columns)."""
        drive = np.zeros(self._mcu.rows, np.uint8)
        drive[row] = 1
        codes = array.convert(drive, transpose=False, fine=True, copies=False).code
        slices = self._mcu.slices
        low, high = np.array([slices.cell_range(k) for k in range(slices.count)]).T
        cells: NDArray[np.int16] = np.clip(codes[: self._mcu.columns], low, high).T.astype(np.int16)
        return cells

    def _rows(self, tile: int, offset: int, count: int) -> Iterator[tuple[int, int, int, int, int]]:
        """Core, unit, row, first column and the one behind the last."""
        params = self._params.tile
        stop = offset + count
        while offset < stop:
            rest, place = offset - CELLS.offset, []
            for _, stride in CELLS.strides:
                index, rest = divmod(rest, stride)
                place.append(index)
            core, mcu, row, column = place
            end = min(column + (stop - offset) // WORD_BYTES, self._mcu.columns)
            there = core < params.cores and mcu < params.core.mcus and row < self._mcu.rows
            if rest or column >= end or not there:
                raise AccessError(f"Cells at {offset:#x} of tile {tile} must exist: DECERR")
            yield core, mcu, row, column, end
            offset += WORD_BYTES * (end - column)

    def _wake(self, tile: int) -> None:
        """Let those look again that wait for a group of a memory the host has changed."""
        units = self.node.units
        units.memory.parked[tile] = 0
        units.due[tile] = min(int(units.due[tile]), self.node.clock)


def _by_offset(registers: tuple[Register, ...]) -> dict[int, tuple[Register, int]]:
    return {
        register.offset + REGISTER_BYTES * index: (register, index)
        for register in registers
        for index in range(register.count)
    }
