"""The driver of a node."""

import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.system.node import UnitStatus
from panther.arch import node as node_arch
from panther.arch import tile as tile_arch
from panther.arch.checks import check_range
from panther.arch.core import (
    ADDRESS_BITS,
    LANES,
    READERS,
    SCALARS,
    WATCHDOG_DEFAULT,
    Csr,
    Fault,
    csr_names,
)
from panther.arch.isa import INSTRUCTION_BITS, INSTRUCTIONS
from panther.arch.mcu import ConfigKey, InBank, counter_names
from panther.arch.node_registers import (
    CELLS,
    FAULT_LSB,
    PROGRAM,
    STATES,
    STATUS,
    TRANSFER_PLACE,
    TRANSFER_STATUS,
    WAIT,
    WORDS,
    memory_address,
    node_address,
    node_registers,
    tile_address,
    unit_address,
    units,
)
from panther.arch.tile import SEQUENCER, TileFault, TileWait
from panther.asm import Program, assemble_text, unit_name
from panther.host.cells import pack_cells, unpack_cells
from panther.host.transport import AccessError, HostError, LimitError, Transport

Unit = tuple[int, int]
"""Tile, and core or ``SEQUENCER``."""
_LONGEST = 512
"""Words of a vector the host has a core move at once."""
_POLLS = 100_000
"""Looks at an instruction that is being carried out before the host gives up."""


def unit_status(unit: int, status: int, cycle: int, wait: int) -> UnitStatus:
    """What a core, or ``SEQUENCER``, does, as its registers of these names say."""
    fault = STATUS.take(status, "fault")
    return UnitStatus(
        running=bool(STATUS.take(status, "running")),
        held=bool(STATUS.take(status, "held")),
        fault=TileFault(fault) if unit == SEQUENCER else Fault(fault),
        pc=STATUS.take(status, "pc"),
        cycle=cycle,
        wait=TileWait(WAIT.take(wait, "kind")),
        group=WAIT.take(wait, "group"),
    )


class TransferStatus(NamedTuple):
    """What a send or a receive unit does."""

    busy: bool
    wait: TileWait
    tile: int
    """The one at the other end."""
    fifo: int
    """The queue."""
    pc: int
    """Of its instruction."""
    group: int
    """Of the memory, that it waits for."""


class Host:
    """A host: loads, starts, waits, looks, changes.

    Everything goes through the registers and memories of :mod:`panther.arch.node_registers`, so
    it is the same for a node at transaction level and one in RTL. Methods wait as the transport
    does; :func:`panther.host.now` calls them where there is nothing to wait for::

        params = NODES["SMALL"]
        host = Host(TransactionTransport(Node(params)))
        now(host.load(0, 0, assemble_file("relu.pasm", params.tile.core)))
        now(host.write_memory(0, 0, words))
        now(host.run({(0, 0): 0}))
        words = now(host.read_memory(0, 1024, 64))

    All methods raise ValueError for tiles, units, addresses and values that do not exist, and
    :class:`HostError` for what the node refuses.

    Parameters
    ----------
    transport
        The way to the node.

    Attributes
    ----------
    programs : dict[tuple[int, int], str]
        SHA-256 of the words of each program loaded, by tile and unit.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.params = transport.params
        self.programs: dict[Unit, str] = {}
        self._sources: dict[Unit, Program] = {}
        self._started: set[Unit] = set()
        self._offsets: dict[tuple[int, int, int], NDArray[np.uint32]] = {}

    # ---- the node

    async def identify(self) -> None:
        """Make sure that the node is what its parameters say.

        Raises
        ------
        HostError
            If it is another, or none.
        """
        for register in node_registers(self.params):
            if register.name in ("interrupt", "active") or not register.access.readable:
                continue
            for index in range(register.count):
                expected = register.reset
                if register.name == "cell_bits":
                    expected = self.params.tile.core.mcu.slices.cell_bits[index]
                value = await self.transport.read(node_address(register.name, index))
                if value != expected:
                    raise HostError(
                        f"Register {register.name} of the node must be {expected:#x}, "
                        f"not {value:#x}: this is another node"
                    )

    def units(self) -> Iterable[Unit]:
        """All cores and sequencers."""
        return ((t, u) for t in range(self.params.tiles) for u in units(self.params))

    def _check(self, tile: int, unit: int | None = None) -> None:
        check_range("Tile", tile, 0, self.params.tiles - 1)
        if unit is not None and unit != SEQUENCER:
            check_range("Core", unit, 0, self.params.tile.cores - 1)

    def _chosen(self, chosen: Iterable[Unit]) -> list[Unit]:
        found = list(chosen)
        for unit in found:
            self._check(*unit)
        return found

    def _check_mcu(self, tile: int, core: int, mcu: int) -> None:
        self._check_core(tile, core)
        check_range("MCU", mcu, 0, self.params.tile.core.mcus - 1)

    def _check_core(self, tile: int, core: int) -> None:
        self._check(tile)
        check_range("Core", core, 0, self.params.tile.cores - 1)

    # ---- programs

    async def load(self, tile: int, unit: int, program: Program | Sequence[int]) -> None:
        """Write a program from address 0 on; with a :class:`Program`, errors name its lines."""
        self._check(tile, unit)
        given = program.words if isinstance(program, Program) else program
        for word in given:
            check_range("Word of a program", int(word), 0, (1 << INSTRUCTION_BITS) - 1)
        words = np.array(given, "<u8")
        size = self.params.tile.core.instructions
        if unit == SEQUENCER:
            size = self.params.tile.instructions
        check_range("Words of a program", words.size, 1, size)
        # behind the program nothing is left of one before it
        filled = np.zeros(size, "<u8")
        filled[: words.size] = words
        await self._store(tile, unit, memory_address(tile, PROGRAM, unit, 0), filled)
        self.programs[tile, unit] = hashlib.sha256(words.tobytes()).hexdigest()
        self._sources.pop((tile, unit), None)
        if isinstance(program, Program):
            self._sources[tile, unit] = program

    async def load_programs(self, programs: Mapping[Unit, Program]) -> None:
        """Write the programs of many units."""
        for (tile, unit), program in programs.items():
            await self.load(tile, unit, program)

    async def _store(self, tile: int, unit: int, address: int, words: NDArray[np.uint64]) -> None:
        """Write what a unit must leave alone meanwhile."""
        try:
            await self.transport.store(address, words.tobytes())
        except AccessError as error:
            raise HostError(
                f"{await self.describe(tile, unit)}: programs and cells must be written while it "
                f"is halted ({error})"
            ) from error

    # ---- memory

    async def write_memory(self, tile: int, address: int, words: ArrayLike) -> None:
        """Store 16-bit words; the groups they lie in become valid, without readers."""
        values = _integers("Words", words, "<i2").reshape(-1)
        self._check_words(tile, address, values.size)
        place = memory_address(tile, WORDS, 0) + 2 * address
        await self.transport.store(place, values.tobytes())

    async def read_memory(self, tile: int, address: int, count: int) -> NDArray[np.int16]:
        """``count`` 16-bit words."""
        self._check_words(tile, address, count)
        place = memory_address(tile, WORDS, 0) + 2 * address
        return np.frombuffer(await self.transport.load(place, 2 * count), "<i2").astype(np.int16)

    def _check_words(self, tile: int, address: int, count: int) -> None:
        self._check(tile)
        check_range("Words", count, 1, self.params.tile.core.memory_words)
        check_range("Address", address, 0, self.params.tile.core.memory_words - count)

    async def read_states(
        self, tile: int, group: int = 0, count: int | None = None
    ) -> tuple[NDArray[np.bool_], NDArray[np.uint16]]:
        """Valid bits and readers of ``count`` groups, of all that follow if left out.

        Bit n of the readers is core n, bit 8 the send unit.
        """
        count = self.params.tile.groups - group if count is None else count
        self._check_words(tile, LANES * group, LANES * count)
        data = await self.transport.load(memory_address(tile, STATES, group), 8 * count)
        states = np.frombuffer(data, "<u8")
        return (states & np.uint64(1)) != 0, (states >> np.uint64(1)).astype(np.uint16)

    async def write_states(
        self, tile: int, valid: ArrayLike, readers: ArrayLike, group: int = 0
    ) -> None:
        """Set valid bits and readers of groups; their words stay."""
        bits = np.asarray(valid, np.bool_).astype("<u8")
        mask = _integers("Readers", readers, "<u8")
        if (mask >> READERS).any():
            raise ValueError(f"Readers must be masks of {READERS} bits")
        bits |= mask << np.uint64(1)
        self._check_words(tile, LANES * group, LANES * bits.size)
        await self.transport.store(memory_address(tile, STATES, group), bits.tobytes())

    # ---- cells

    async def write_cells(self, tile: int, core: int, mcu: int, cells: ArrayLike) -> None:
        """Program all cells of a matrix unit, shape (slices, rows, columns)."""
        self._check_mcu(tile, core, mcu)
        params = self.params.tile.core.mcu
        values = _integers("Cells", cells, np.int16)
        shape = params.slices.count, params.rows, params.columns
        if values.shape != shape:
            raise ValueError(f"Cells must have the shape {shape}, not {values.shape}")
        for k in range(params.slices.count):
            low, high = params.slices.cell_range(k)
            if values[k].min() < low or values[k].max() > high:
                raise ValueError(f"Cells of slice {k} must be in the range [{low}, {high}]")
        words = pack_cells(params, values).astype("<u8")
        for row in range(params.rows):
            await self._store(
                tile, core, memory_address(tile, CELLS, core, mcu, row, 0), words[row]
            )

    async def read_cells(self, tile: int, core: int, mcu: int) -> NDArray[np.int16]:
        """All cells of a matrix unit, shape (slices, rows, columns)."""
        self._check_mcu(tile, core, mcu)
        params = self.params.tile.core.mcu
        rows = []
        for row in range(params.rows):
            address = memory_address(tile, CELLS, core, mcu, row, 0)
            try:
                data = await self.transport.load(address, 8 * params.columns)
            except AccessError as error:
                raise HostError(
                    f"{await self.describe(tile, core)}: cells must be read while it is halted "
                    f"({error})"
                ) from error
            rows.append(np.frombuffer(data, "<u8"))
        return unpack_cells(params, np.stack(rows))

    # ---- runs

    async def start(self, starts: Mapping[Unit, int]) -> None:
        """Have units begin in the same cycle, each at its address.

        Raises
        ------
        HostError
            If one of them runs.
        """
        read, write = self.transport.read, self.transport.write
        for unit, pc in starts.items():
            self._check(*unit)
            check_range("Address", pc, 0, (1 << ADDRESS_BITS) - 1)
        for unit, pc in starts.items():
            await write(unit_address(*unit, "start_pc"), pc)
            status = await self.status(*unit)
            if status.running or status.held:
                raise HostError(f"{await self.describe(*unit)}: it must end before it is started")
        for tile in range(self.params.tiles):
            mask = sum(1 << unit for t, unit in starts if t == tile)
            await write(tile_address(tile, "arm"), mask)
            await write(tile_address(tile, "interrupt"), mask | mask << FAULT_LSB)
            address = tile_address(tile, "interrupt_enable")
            enabled = await read(address)
            await write(address, enabled | mask | mask << FAULT_LSB)
        self._started |= set(starts)
        await write(node_address("start"), 1)

    async def wait(self, limit_cycles: int = 1 << 40) -> None:
        """Wait until all units that were started have halted.

        Parameters
        ----------
        limit_cycles
            In which one of them has to end.

        Raises
        ------
        HostError
            If one stops for a fault.
        LimitError
            If none ends within the limit, with a line for every unit that has not halted.
        """
        begun = sorted(self._started)
        while self._started:
            if not await self.transport.wait(limit_cycles):
                raise LimitError(
                    f"Nothing has ended within {limit_cycles} cycles:\n{await self.report()}"
                )
            faulty = False
            for tile in range(self.params.tiles):
                pending = await self.transport.read(tile_address(tile, "interrupt"))
                if not pending:
                    continue
                await self.transport.write(tile_address(tile, "interrupt"), pending)
                ended = pending | pending >> FAULT_LSB
                faulty |= pending >> FAULT_LSB != 0
                self._started = {
                    (t, unit) for t, unit in self._started if t != tile or not ended >> unit & 1
                }
            if faulty:
                raise HostError(f"Programs stopped for a fault:\n{await self.report()}")
        # a row from a wrong tile may have come to a sequencer that had halted
        for unit in begun:
            if (await self.status(*unit)).fault:
                raise HostError(f"Programs stopped for a fault:\n{await self.report()}")

    async def run(self, starts: Mapping[Unit, int], limit_cycles: int = 1 << 40) -> None:
        """:meth:`start` and :meth:`wait`."""
        await self.start(starts)
        await self.wait(limit_cycles)

    async def hold(self, held: Iterable[Unit]) -> None:
        """Have these units, and no others, stop before their next instruction."""
        chosen = self._chosen(held)
        for tile in range(self.params.tiles):
            await self.transport.write(tile_address(tile, "hold"), _mask(chosen, tile))

    async def step(self, stepped: Iterable[Unit]) -> None:
        """Have units that are held do one instruction each."""
        chosen = self._chosen(stepped)
        for tile in sorted({tile for tile, _ in chosen}):
            await self.transport.write(tile_address(tile, "step"), _mask(chosen, tile))

    async def reset(self, chosen: Iterable[Unit]) -> None:
        """Reset units, whatever they do: registers, memories, programs and cells stay.

        All of them are in reset before the first one leaves it, so no queue takes rows whose sender
        then forgets them; a sequencer together with those it exchanges messages with, and while
        none is under way, see docs/node.md. Interrupts they have raised are cleared. A node at
        transaction level cannot.
        """
        chosen = self._chosen(chosen)
        masks = {tile: _mask(chosen, tile) for tile, _ in sorted(chosen)}
        for tile, mask in masks.items():
            await self.transport.write(tile_address(tile, "reset"), mask)
        for tile, mask in masks.items():
            await self.transport.write(tile_address(tile, "reset"), 0)
            await self.transport.write(tile_address(tile, "interrupt"), mask | mask << FAULT_LSB)
        self._started -= set(chosen)

    # ---- what units do

    async def status(self, tile: int, unit: int) -> UnitStatus:
        """What a core, or ``SEQUENCER``, does."""
        self._check(tile, unit)
        status, cycle, wait = [
            await self.transport.read(unit_address(tile, unit, name))
            for name in ("status", "cycle", "wait")
        ]
        return unit_status(unit, status, cycle, wait)

    async def transfer(self, tile: int, name: str) -> TransferStatus:
        """What the ``send`` or the ``receive`` unit of a tile does."""
        self._check(tile)
        word = await self.transport.read(tile_address(tile, f"{name}_status"))
        place = await self.transport.read(tile_address(tile, f"{name}_place"))
        return TransferStatus(
            busy=bool(TRANSFER_STATUS.take(word, "busy")),
            wait=TileWait(TRANSFER_STATUS.take(word, "wait")),
            tile=TRANSFER_STATUS.take(word, "tile"),
            fifo=TRANSFER_STATUS.take(word, "fifo"),
            pc=TRANSFER_PLACE.take(place, "pc"),
            group=TRANSFER_PLACE.take(place, "group"),
        )

    async def describe(self, tile: int, unit: int) -> str:
        """What a unit does, in a line: ``tile 0 core 1: WATCHDOG at pc 12 (x.pasm:40: ld ...)``."""
        status = await self.status(tile, unit)
        place = f"pc {status.pc}"
        program = self._sources.get((tile, unit))
        if program is not None and (line := program.source.get(status.pc)) is not None:
            place += f" ({line}: {line.text.split(';')[0].strip()})"
        if status.held:
            text = f"is held at {place}"
        elif status.running:
            text = f"runs at {place}"
        elif status.fault:
            text = f"{status.fault.name} at {place}, cycle {status.cycle}"
        else:
            text = "halted"
        separator = ": " if status.fault and not status.running else " "
        waits = _waits(status)
        if waits and (status.running or status.fault in (Fault.WATCHDOG, TileFault.WATCHDOG)):
            text += f", {'waits' if status.running else 'waited'} {waits}"
        for name in ("send", "receive") if unit == SEQUENCER and status.running else ():
            transfer = await self.transfer(tile, name)
            if transfer.busy and (waits := _waits(transfer)):
                text += f"; {name} unit waits {waits}"
                if transfer.wait in (TileWait.CREDIT, TileWait.MESSAGE):
                    text += f" {transfer.fifo}"
                if transfer.wait is TileWait.CREDIT:
                    text += f" of tile {transfer.tile}"
        return f"{unit_name(tile, unit)}{separator}{text}"

    async def report(self) -> str:
        """A line for every unit that runs, is held or has stopped for a fault."""
        lines = []
        for tile, unit in self.units():
            status = await self.status(tile, unit)
            if status.running or status.held or status.fault:
                lines.append(await self.describe(tile, unit))
        return "\n".join(lines)

    # ---- instructions that are in no program

    async def execute(self, tile: int, core: int, text: str) -> int:
        """Have a core that does not run carry out an instruction: ``sadd s0, s7, 0``.

        Returns
        -------
        int
            What was last written to a scalar register, signed, s0 included.

        Raises
        ------
        HostError
            If the core runs, or the instruction ends in a fault.
        AssemblyError
            If the text is none.
        """
        (word,) = assemble_text(text, self.params.tile.core).words
        return await self._execute(tile, core, word)

    async def _do(self, tile: int, core: int, mnemonic: str, **operands: int) -> int:
        return await self._execute(tile, core, INSTRUCTIONS[mnemonic].encode(**operands))

    async def _execute(self, tile: int, core: int, word: int) -> int:
        self._check_core(tile, core)
        read, write = self.transport.read, self.transport.write
        try:
            await write(unit_address(tile, core, "execute_low"), word & 0xFFFFFFFF)
            await write(unit_address(tile, core, "execute_high"), word >> 32)
        except AccessError as error:
            raise HostError(
                f"{await self.describe(tile, core)}: it must be halted or held to carry out an "
                f"instruction ({error})"
            ) from error
        for _ in range(_POLLS):
            status = await read(unit_address(tile, core, "execute_status"))
            if not status & 1:
                break
        else:
            raise HostError(f"{unit_name(tile, core)} did not end instruction {word:#018x}")
        if fault := status >> 8:
            raise HostError(
                f"{unit_name(tile, core)}: {Fault(fault).name} in instruction {word:#018x}"
            )
        value = await read(unit_address(tile, core, "scalar"))
        return value - (value >> 31 << 32)

    # ---- registers

    async def read_scalars(self, tile: int, core: int) -> NDArray[np.int32]:
        """All scalar registers of a core that does not run."""
        values = [await self._do(tile, core, "sadd", sd=0, sa=s, imm=0) for s in range(SCALARS)]
        return np.array(values, np.int32)

    async def write_scalars(self, tile: int, core: int, values: ArrayLike) -> None:
        """Set scalar registers 1 to 31; what is given for number 0 must be 0."""
        given = _integers("Scalars", values, np.int32)
        if given.shape != (SCALARS,) or given[0]:
            raise ValueError(f"Scalars must be {SCALARS} numbers, the first one 0")
        for number, value in enumerate(given.tolist()):
            if number:
                await self._do(tile, core, "sset", sd=number, imm=value)

    async def read_registers(
        self, tile: int, core: int, address: int, count: int
    ) -> NDArray[np.int16]:
        """Words of one bank of the register file; see :mod:`panther.arch.core` for addresses.

        They come through the tile's memory, which is put back: nobody else may use it meanwhile.

        Raises
        ------
        HostError
            If a unit of the tile runs.
        """
        found = []
        async with self._borrowed(tile, core) as room:
            for first in range(0, count, room):
                n = min(room, count - first)
                await self._do(
                    tile, core, "st", a=address + first, base=0, offset=0, len=n, plain=1
                )
                found.append(await self.read_memory(tile, 0, n))
        return np.concatenate(found) if found else np.zeros(0, np.int16)

    async def write_registers(self, tile: int, core: int, address: int, words: ArrayLike) -> None:
        """Set words of one bank of the register file that can be written, as they are read."""
        values = _integers("Words", words, np.int16)
        async with self._borrowed(tile, core) as room:
            for first in range(0, values.size, room):
                part = values[first : first + room]
                await self.write_memory(tile, 0, part)
                await self._do(tile, core, "ld", d=address + first, base=0, offset=0, len=part.size)

    @asynccontextmanager
    async def _borrowed(self, tile: int, core: int) -> AsyncIterator[int]:
        """Words at the beginning of a tile's memory, for the host's own use; how many."""
        self._check_core(tile, core)
        for unit in units(self.params):
            if (await self.status(tile, unit)).running:
                raise HostError(
                    f"{await self.describe(tile, unit)}: no unit of the tile must run while "
                    f"registers of {unit_name(tile, core)} go through its memory"
                )
        room = min(_LONGEST, self.params.tile.core.memory_words)
        words = await self.read_memory(tile, 0, room)
        valid, readers = await self.read_states(tile, 0, room // LANES)
        try:
            yield room
        finally:
            await self.write_memory(tile, 0, words)
            await self.write_states(tile, valid, readers)

    # ---- control registers and matrix units

    async def read_csr(self, tile: int, core: int, name: str) -> int:
        """A control register of a core, unsigned: ``seed``, ``m0.rows``."""
        return await self._do(tile, core, "csrr", sd=0, id=self._csr(name)) & 0xFFFFFFFF

    async def write_csr(self, tile: int, core: int, name: str, value: int) -> None:
        """Set a control register of a core."""
        await self._do(tile, core, "csr", id=self._csr(name), value=value)

    def _csr(self, name: str) -> int:
        names = csr_names(self.params.tile.core)
        if name not in names:
            raise ValueError(f"Control register must be one of {', '.join(names)}, not {name!r}")
        return names[name]

    async def configure(self, tile: int, core: int, mcu: int, key: ConfigKey, value: int) -> None:
        """Set a configuration register of a matrix unit; ``CLEAR_COUNTERS`` forgets what a
        checkpoint had counted as well.
        """
        self._check_mcu(tile, core, mcu)
        await self._do(tile, core, "mcfg", mcu=mcu, key=key, value=value)
        if key == ConfigKey.CLEAR_COUNTERS:
            self._offsets.pop((tile, core, mcu), None)

    async def read_saturations(self, tile: int, core: int, mcu: int) -> dict[str, int]:
        """Saturation counters of a matrix unit, modulo 2**32, by name.

        They include what was counted before the checkpoint that was resumed; a program that reads
        them sees the node's own, from there on.
        """
        self._check_mcu(tile, core, mcu)
        names = counter_names(self.params.tile.core.mcu.slices.count)
        before = self._offsets.get((tile, core, mcu), np.zeros(len(names), np.uint32))
        counts = {}
        for name, offset in zip(names, before.tolist(), strict=True):
            count = await self.read_csr(tile, core, f"m{mcu}.{name}")
            counts[name] = (count + offset) & 0xFFFFFFFF
        return counts

    async def set_saturations(self, tile: int, core: int, mcu: int, counts: ArrayLike) -> None:
        """Have the counters go on from ``counts``, in the order of their names.

        The node's own are cleared; the host adds what they cannot be set to.
        """
        offsets = _integers("Counts", counts, np.uint32)
        await self.configure(tile, core, mcu, ConfigKey.CLEAR_COUNTERS, 0)
        self._offsets[tile, core, mcu] = offsets

    async def clear_results(self, tile: int, core: int) -> None:
        """Make all of XbarOut 0, by products of zeros; operands, configuration and watchdog change.

        XbarOut cannot be written. A core whose matrix units have done this has their operands
        of products at 0, all rows and columns in use, no shift, and the watchdog of a reset.
        """
        core_params = self.params.tile.core
        mcu_params = core_params.mcu
        await self._do(tile, core, "csr", id=Csr.WATCHDOG, value=WATCHDOG_DEFAULT)
        operations = 0
        for m in range(core_params.mcus):
            for key, value in (
                (ConfigKey.ROWS, mcu_params.rows), (ConfigKey.COLUMNS, mcu_params.columns),
                (ConfigKey.MVM_SHIFT, 0), (ConfigKey.MTVM_SHIFT, 0),
            ):  # fmt: skip
                await self.configure(tile, core, m, key, value)
            for bank in (InBank.MVM, InBank.MTVM):
                await self._do(
                    tile, core, "vset",
                    d=core_params.xbar_in(m, bank), imm=0, len=core_params.in_lines(bank),
                )  # fmt: skip
            operations |= 0b11 << 3 * m
        await self._do(tile, core, "mcu", operations=operations)
        for m in range(core_params.mcus):
            await self.read_csr(tile, core, f"m{m}.rows")  # waits until the unit is idle

    # ---- performance counters

    async def read_counters(self, tile: int) -> dict[str, int]:
        """Performance counters of a tile, by :func:`panther.arch.tile.counter_names`."""
        self._check(tile)
        names = tile_arch.counter_names(self.params.tile)
        return await self._read_all(tile, "counter", names)

    async def read_router_counters(self, tile: int) -> dict[str, int]:
        """Performance counters of its router, by :func:`panther.arch.node.counter_names`."""
        self._check(tile)
        return await self._read_all(tile, "router_counter", node_arch.counter_names())

    async def _read_all(self, tile: int, register: str, names: Sequence[str]) -> dict[str, int]:
        return {
            name: await self.transport.read(tile_address(tile, register, n))
            for n, name in enumerate(names)
        }

    async def rows_under_way(self) -> int:
        """Rows of messages that are in the network or in queues: sent and not received."""
        names = tile_arch.counter_names(self.params.tile)
        sent, received = names.index("sent"), names.index("received")
        rows = 0
        for tile in range(self.params.tiles):
            rows += await self.transport.read(tile_address(tile, "counter", sent))
            rows -= await self.transport.read(tile_address(tile, "counter", received))
        return rows & 0xFFFFFFFF

    async def clear_counters(self, *, lost: bool = False) -> None:
        """Clear the performance counters of all tiles and routers.

        Parameters
        ----------
        lost
            Rows that seem to be under way were lost in a reset.

        Raises
        ------
        HostError
            If rows are under way: a checkpoint tells from the counters whether there are any.
        """
        if not lost and (rows := await self.rows_under_way()):
            raise HostError(
                f"{rows} rows of messages are in receive queues or under way: the counters must be "
                "kept until they are received (or have been lost in a reset: lost=True)"
            )
        await self.transport.write(node_address("clear_counters"), 1)


def _integers(what: str, values: ArrayLike, dtype: str | type[np.integer[Any]]) -> NDArray[Any]:
    """The values, if all of them are of this type."""
    given = np.asarray(values)
    limits = np.iinfo(np.dtype(dtype))
    if given.size and given.dtype.kind not in "iub":
        raise ValueError(f"{what} must be integers, not {given.dtype}")
    if given.size and not limits.min <= int(given.min()) <= int(given.max()) <= limits.max:
        raise ValueError(f"{what} must be in the range [{limits.min}, {limits.max}]")
    return given.astype(dtype)


def _mask(chosen: Iterable[Unit], tile: int) -> int:
    return sum(1 << unit for t, unit in set(chosen) if t == tile)


def _waits(status: UnitStatus | TransferStatus) -> str:
    words = f"words {LANES * status.group}..{LANES * status.group + LANES - 1}"
    return {
        TileWait.NOTHING: "",
        TileWait.MATRIX: "for a matrix unit",
        TileWait.LOAD: f"for {words} to be stored",
        TileWait.STORE: f"for {words} to be taken",
        TileWait.UNIT: "for the send or receive unit",
        TileWait.CREDIT: "for room in queue",
        TileWait.MESSAGE: "for a message in queue",
    }[status.wait]
