"""A node at transaction level: the same bits in the same cycles as ``hdl/node``.

Cores run ahead alone until they ask their tile's memory for something. What tiles share is carried
out cycle by cycle, in those cycles in which something happens: a tile says when it is due again.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numba.typed import List
from numpy.typing import ArrayLike, NDArray

from models.analog.array import Array, make_arrays
from models.system import (
    instruction_memory,
    load_store,
    network_port,
    receive_unit,
    router,
    send_unit,
    sequencer,
    shared_memory,
)
from models.system.compiled import allocating, compiled, inner
from models.system.control_status import Register
from models.system.core import Core, Outcome, Spent, Status, run_machine, stop_machine
from models.system.load_store import Transfer
from models.system.memory import Memory
from models.system.network_port import NOTHING, ROW, NetworkPort
from models.system.receive_unit import ReceiveUnit, Receiving
from models.system.router import Flit, Mesh
from models.system.send_unit import Sending, SendUnit
from models.system.sequencer import Sequencer, Sequencing
from models.system.shared_memory import Count, SharedMemory
from panther.arch import node as arch
from panther.arch.checks import check_range
from panther.arch.core import ADDRESS_BITS, Fault, MemoryOp
from panther.arch.node import NodeParams
from panther.arch.tile import BANKS, SEQUENCER, FlitKind, TileFault, TileWait, counter_names


class Phase(IntEnum):
    """What a core is doing, as its tile sees it."""

    STOPPED = 0
    GOES_ON = 1
    """It can go on without its tile."""
    WILL_ASK = 2
    """It asks the memory from a cycle to come on."""
    ASKS = 3
    HELD = 4
    """It stops before its next instruction."""


class Units(NamedTuple):
    """Everything of a node but its cores, and what of them is going on."""

    memory: SharedMemory
    sender: SendUnit
    receiver: ReceiveUnit
    port: NetworkPort
    sequencer: Sequencer
    mesh: Mesh
    clock: NDArray[np.int64]
    """One number: the cycle that comes next."""
    due: NDArray[np.int64]
    """Cycle in which each tile has something to do."""
    stepped: NDArray[np.int64]
    """The last one in which it had."""
    active: NDArray[np.int64]
    """Cycles in which each tile needed its clock, and the end of those counted."""
    phase: NDArray[np.int64]
    """Of each core, by :class:`Phase`."""
    origin: NDArray[np.int64]
    """The cycle that is each core's cycle 0."""
    most: NDArray[np.int64]
    """Instructions each core may have retired: one that is held stops there."""
    attention: NDArray[np.int64]
    """One number: the core Python has to see to, or -1."""
    transfer: NDArray[np.int64]
    """Of each core, by :class:`Transfer`."""
    flit: NDArray[np.int64]
    """The one that a tile puts into its router."""
    targets: NDArray[np.int64]
    """What no matrix unit comes to."""
    lent: NDArray[np.bool_]
    """Tiles that somebody else carries out."""


_FOREVER = (1 << 62) - 1
_SLICE = 1 << 22
"""Cycles after which the compiled loop lets Python see to an interrupt."""


@inner
def _go_on(units, machines, core, until):  # type: ignore[no-untyped-def]
    """Let a core run to its next request, and note when that is."""
    cores = units.phase.shape[0] // units.due.shape[0]
    most = units.most[core]
    outcome, cycle, retired = _run(machines, core, until - units.origin[core], most, units.targets)
    if outcome == Outcome.ASKS:
        units.phase[core] = Phase.WILL_ASK
        since = units.origin[core] + units.transfer[core, Transfer.SINCE]
        units.due[core // cores] = min(units.due[core // cores], since)
    elif outcome == Outcome.HALTED or outcome == Outcome.FAULTED:
        _stopped(units, core, cycle)
    elif outcome != Outcome.LIMIT:
        units.attention[0] = core
    elif retired >= most:
        units.phase[core] = Phase.HELD


@compiled
def _stopped(units, core, cycle):  # type: ignore[no-untyped-def]
    units.phase[core] = Phase.STOPPED
    cores = units.phase.shape[0] // units.due.shape[0]
    end = units.origin[core] + cycle + 1
    _needs_clock(units, core // cores, units.origin[core], end)


# what is called with the list of machines, and what fetches one, counts references to all arrays


@allocating
def _advance(units, machines, until):  # type: ignore[no-untyped-def]
    _go_to(units, machines, until)


@allocating
def _begin(units, machines, until):  # type: ignore[no-untyped-def]
    _all_go_on(units, machines, until)


@allocating
def _end(units, machines, until):  # type: ignore[no-untyped-def]
    _tiles(units, machines, until)


@allocating
def _run(machines, n, until_cycle, until_retired, targets):  # type: ignore[no-untyped-def]
    """Let core ``n`` run: the outcome, its cycle, and instructions retired."""
    machine = machines[n]
    outcome = run_machine(machine, until_cycle, until_retired, targets)
    values = machine.status.values
    return outcome, values[Register.CYCLE], values[Register.RETIRED]


@allocating
def _taken(machines, n, data, at):  # type: ignore[no-untyped-def]
    """The request of core ``n`` is taken in its cycle ``at``."""
    machine = machines[n]
    machine.spent[Spent.WAIT_MEMORY] += at - machine.port.transfer[Transfer.SINCE]
    load_store.taken(machine.port, machine.registers, data, machine.trace, at)


@allocating
def _not_taken(machines, n, at):  # type: ignore[no-untyped-def]
    """The watchdog stops core ``n`` in its cycle ``at``, in which it still asks."""
    machine = machines[n]
    machine.spent[Spent.WAIT_MEMORY] += at - machine.port.transfer[Transfer.SINCE] + 1
    stop_machine(machine, Fault.WATCHDOG, at)


@compiled
def _needs_clock(units, tile, first, end):  # type: ignore[no-untyped-def]
    """Count the cycles from ``first`` up to ``end``, and those before in which a core has run."""
    active = units.active[tile]
    cores = units.phase.shape[0] // units.due.shape[0]
    for core in range(tile * cores, (tile + 1) * cores):
        if units.phase[core] != Phase.STOPPED:
            first = min(first, units.origin[core])
    if end > active[1]:
        active[0] += end - max(first, active[1])
        active[1] = end


@inner
def _go_to(units, machines, until):  # type: ignore[no-untyped-def]
    """Go on up to cycle ``until``, or until nothing will ever happen, or a core needs attention."""
    tiles = units.due.shape[0]
    _all_go_on(units, machines, until)
    while units.attention[0] < 0:
        now = units.clock[0]
        following = now if units.mesh.flits[0] else np.int64(_FOREVER)
        for tile in range(tiles):
            following = min(following, max(now, units.due[tile]))
        if following >= until:
            for phase in units.phase:
                if phase == Phase.GOES_ON:
                    following = until
            if following < _FOREVER:
                units.clock[0] = until
            return
        units.clock[0] = following
        router.move(units.mesh)
        _tiles(units, machines, until)


@inner
def _all_go_on(units, machines, until):  # type: ignore[no-untyped-def]
    """Let all cores run that can do without their tiles."""
    units.attention[0] = -1
    for core in range(units.phase.shape[0]):
        if units.phase[core] == Phase.GOES_ON:
            _go_on(units, machines, core, until)


@inner
def _tiles(units, machines, until):  # type: ignore[no-untyped-def]
    """What the tiles do in the cycle that comes next, in which flits have moved."""
    now = units.clock[0]
    units.clock[0] = now + 1
    nothing = units.flit[:0]
    for tile in range(units.due.shape[0]):
        if not units.lent[tile] and (units.due[tile] <= now or units.mesh.out_valid[tile]):
            _step(units, machines, tile, units.flit, nothing, now, until)


@inner
def _step(units, machines, tile, flit, nothing, now, until):  # type: ignore[no-untyped-def]
    """One cycle of a tile."""
    memory, sender, receiver, mesh = units.memory, units.sender, units.receiver, units.mesh
    sends = sender.state[tile, Sending.BUSY] != 0
    receives = receiver.state[tile, Receiving.BUSY] != 0
    watchdog = units.sequencer.state[tile, Sequencing.WATCHDOG]
    _count_waits(units, tile, now - units.stepped[tile] - 1)
    # what is going on has been so in the cycles that were left out
    if sends or receives:
        _needs_clock(units, tile, units.stepped[tile] + 1, now + 1)
    elif units.sequencer.state[tile, Sequencing.RUNNING]:
        since = units.sequencer.state[tile, Sequencing.ORIGIN]
        _needs_clock(units, tile, max(since, units.stepped[tile] + 1), now + 1)
    elif mesh.out_valid[tile]:
        _needs_clock(units, tile, now, now + 1)
    units.stepped[tile] = now
    units.due[tile] = _FOREVER

    choice = network_port.choose(units.port, sender, receiver, tile, mesh.room[tile], now)
    row = nothing
    if choice != NOTHING:
        network_port.put(units.port, sender, receiver, tile, choice, now, flit)
        router.inject(mesh, tile, flit)
        if choice == ROW:
            row = flit
    cores = units.phase.shape[0] // units.due.shape[0]
    for core in range(cores):
        _ask(units, tile, core, cores, now)
    changed = shared_memory.serve(memory, tile)
    sent, send_fault = send_unit.step(sender, memory, tile, cores, watchdog, row, now)
    came = mesh.out[tile]
    row = nothing
    if mesh.out_valid[tile]:
        if came[Flit.KIND] == FlitKind.CREDIT:
            send_unit.credit(sender, tile, came[Flit.SOURCE], came[Flit.FIFO], came[Flit.DATA])
        else:
            row = came
    stored, receive_fault = receive_unit.step(
        receiver, memory, tile, cores + 1, watchdog, row, choice if choice >= 0 else -1
    )
    sequenced = sequencer.step(
        units.sequencer, sender, receiver, tile, sends, receives, send_fault, receive_fault, now
    )
    for core in range(cores):
        _answer(units, machines, tile, core, cores, now, until)
    changed |= sent | stored | sequenced | (choice != NOTHING) | (mesh.out_valid[tile] != 0)
    if changed or not mesh.room[tile]:
        units.due[tile] = now + 1
    else:
        due = send_unit.due(sender, tile, watchdog, now)
        due = min(due, receive_unit.due(receiver, tile, watchdog, now))
        due = min(due, sequencer.due(units.sequencer, tile, now))
        units.due[tile] = min(due, units.due[tile])


@compiled
def _count_waits(units, tile, cycles):  # type: ignore[no-untyped-def]
    """What waited in the last cycle of a tile has waited in those that were left out."""
    if cycles > 0:
        state = units.sender.state[tile]
        if state[Sending.BUSY] and state[Sending.WAIT] != TileWait.NOTHING:
            state[Sending.WAITED] += cycles
        state = units.receiver.state[tile]
        if state[Receiving.BUSY] and state[Receiving.WAIT] != TileWait.NOTHING:
            state[Receiving.WAITED] += cycles


@compiled
def _ask(units, tile, core, cores, now):  # type: ignore[no-untyped-def]
    """Ask the memory for a core, from the cycle on in which it does."""
    n = tile * cores + core
    if units.phase[n] != Phase.WILL_ASK:
        return
    transfer = units.transfer[n]
    since = units.origin[n] + transfer[Transfer.SINCE]
    if since > now:
        units.due[tile] = min(units.due[tile], since)
        return
    units.phase[n] = Phase.ASKS
    shared_memory.ask(
        units.memory, tile, core, transfer[Transfer.OP], transfer[Transfer.GROUP],
        transfer[Transfer.MASK], transfer[Transfer.FLAG], transfer[Transfer.READERS],
        transfer[Transfer.DATA],
    )  # fmt: skip


@inner
def _answer(units, machines, tile, core, cores, now, until):  # type: ignore[no-untyped-def]
    """Tell a core that asks what the memory did."""
    n = tile * cores + core
    if units.phase[n] != Phase.ASKS:
        return
    transfer = units.transfer[n]
    bank = transfer[Transfer.GROUP] % BANKS
    at = now - units.origin[n]
    last = transfer[Transfer.SINCE] + transfer[Transfer.PATIENCE]
    if units.memory.taken[tile, bank] == core:
        _taken(machines, n, units.memory.answers[tile, bank], at)
        if transfer[Transfer.ACTIVE]:
            units.phase[n] = Phase.WILL_ASK
        else:
            units.phase[n] = Phase.GOES_ON
            _go_on(units, machines, n, until)
    elif at >= last:
        shared_memory.withdraw(units.memory, tile, core)
        _not_taken(machines, n, at)
        _stopped(units, n, at)
    else:
        units.due[tile] = min(units.due[tile], units.origin[n] + last)


class UnitStatus(NamedTuple):
    """What a core or a sequencer does."""

    running: bool
    fault: Fault | TileFault
    pc: int
    """Of the fault, or of the instruction in hand or the next one."""
    cycle: int
    """Of the fault, or up to which it has run."""
    wait: TileWait
    """What it waits for, or waited for when the watchdog stopped it."""
    group: int
    """Of the memory, that it waits for."""
    held: bool = False
    """It stops before its next instruction until it is let on; it does not run."""


class Node:
    """Tiles, cores and network.

    Registers and words of the memories are 0 to begin with, and all of the memories is free.

    Parameters
    ----------
    params
        The node.
    arrays
        The analog arrays: of core c of tile t those from ``(t * cores + c) * mcus`` on; if left
        out they are made as the parameters say.
    crossbars
        The numbers of those that are made, in that order; see
        :func:`models.analog.array.make_arrays`.
    trace
        Whether events of the cores are recorded.
    """

    def __init__(
        self, params: NodeParams, arrays: Sequence[Array] | None = None, *,
        crossbars: Sequence[int | None] | None = None, trace: bool = False,
    ) -> None:  # fmt: skip
        tile = params.tile
        mcus = tile.core.mcus
        count = params.tiles * tile.cores
        if arrays is None:
            arrays = make_arrays(tile.core.mcu, count * mcus, crossbars)
        if len(arrays) != count * mcus:
            raise ValueError(f"Arrays must be {count * mcus}, one for each MCU, not {len(arrays)}")
        self.params = params
        empty = instruction_memory.load_tile_program(params, np.zeros(0, np.uint64))
        memory = shared_memory.make_shared_memory(tile, params.tiles)
        self.units = Units(
            memory=memory,
            sender=send_unit.make_send_unit(params),
            receiver=receive_unit.make_receive_unit(params),
            port=network_port.make_network_port(params),
            sequencer=sequencer.make_sequencer(params, empty.rows),
            mesh=router.make_mesh(params),
            clock=np.zeros(1, np.int64),
            due=np.full(params.tiles, _FOREVER, np.int64),
            stepped=np.full(params.tiles, -1, np.int64),
            active=np.zeros((params.tiles, 2), np.int64),
            phase=np.zeros(count, np.int64),
            origin=np.zeros(count, np.int64),
            most=np.full(count, _FOREVER, np.int64),
            attention=np.zeros(1, np.int64),
            transfer=np.zeros((count, len(Transfer)), np.int64),
            flit=np.zeros(router.FLIT_NUMBERS, np.int64),
            targets=np.full(mcus, _FOREVER, np.int64),
            lent=np.zeros(params.tiles, np.bool_),
        )
        ports = (
            load_store.make_load_store(
                tile.core, shared_memory.memory_of(memory, n // tile.cores), n % tile.cores,
                self.units.transfer[n],
            )
            for n in range(count)
        )  # fmt: skip
        self.cores = tuple(
            Core(tile.core, arrays[n * mcus : (n + 1) * mcus], port=port, trace=trace)
            for n, port in enumerate(ports)
        )
        """Core c of tile t is number ``t * cores + c``."""

    # ---- what a host does

    def core(self, tile: int, core: int) -> Core:
        """A core, to load, look at and change, but not to run."""
        self._check(tile)
        check_range("Core", core, 0, self.params.tile.cores - 1)
        return self.cores[tile * self.params.tile.cores + core]

    def memory(self, tile: int) -> Memory:
        """What a tile's memory holds, to read and write."""
        self._check(tile)
        return shared_memory.memory_of(self.units.memory, tile)

    def load(self, tile: int, unit: int, words: ArrayLike, bad_parity: Container[int] = ()) -> None:
        """Load a program from address 0 on into a core, or ``SEQUENCER``."""
        if unit != SEQUENCER:
            self.core(tile, unit).load(words, bad_parity)
            return
        self._check(tile)
        program = np.asarray(words, np.uint64)
        code = instruction_memory.load_tile_program(self.params, program, bad_parity)
        self.units.sequencer.rows[tile] = code.rows

    def load_memory(self, tile: int, address: int, words: ArrayLike) -> None:
        """Store words plainly: their groups become valid, without readers."""
        self.core(tile, 0).load_memory(address, words)

    def start(self, units: Mapping[tuple[int, int], int]) -> None:
        """Begin with ``units``, each a tile and a core or ``SEQUENCER``, at their addresses.

        They begin in the next cycle, or as soon as what they left going on has come to its end.
        What runs is not started.
        """
        now = int(self.units.clock[0])
        for (tile, unit), pc in units.items():
            check_range("Address", pc, 0, (1 << ADDRESS_BITS) - 1)
            if self.status(tile, unit).running:
                continue
            self.units.due[tile] = min(self.units.due[tile], now)
            if unit == SEQUENCER:
                sequencer.start(
                    self.units.sequencer, self.units.sender, self.units.receiver, tile, pc, now
                )
                continue
            core = self.core(tile, unit)
            n = tile * self.params.tile.cores + unit
            busy = int(core.machine.mcus.free.max())
            free = int(self.units.origin[n]) + busy
            core.start(pc)
            self.units.most[n] = _FOREVER if self.units.most[n] == _FOREVER else 0
            self.units.origin[n] = free + 1 if busy and free >= now else now
            self.units.phase[n] = Phase.GOES_ON

    def hold(self, units: Iterable[tuple[int, int]]) -> None:
        """Have these units, and no others, stop before their next instruction, from now on."""
        held = set(units)
        for tile, unit in held:
            self.status(tile, unit)
        for tile in range(self.params.tiles):
            self._hold_sequencer(tile, (tile, SEQUENCER) in held)
        for n, core in enumerate(self.cores):
            if divmod(n, self.params.tile.cores) not in held:
                self._let(n, _FOREVER)
            elif self.units.most[n] == _FOREVER:
                self.units.most[n] = core.retired + (
                    self.units.phase[n] in (Phase.WILL_ASK, Phase.ASKS)
                )
                if self.units.phase[n] == Phase.GOES_ON:
                    self.units.phase[n] = Phase.HELD

    def step(self, units: Iterable[tuple[int, int]]) -> None:
        """Let units that are held do one instruction each; the node has to run for it."""
        for tile, unit in units:
            if not self.status(tile, unit).held:
                continue
            if unit == SEQUENCER:
                self.units.sequencer.state[tile, Sequencing.MOST] += 1
                self.units.due[tile] = min(self.units.due[tile], self.clock)
            else:
                n = tile * self.params.tile.cores + unit
                self._let(n, int(self.units.most[n]) + 1)

    def _let(self, n: int, most: int) -> None:
        """Let a core do instructions; if it is held it goes on now, as if no time had passed."""
        self.units.most[n] = most
        if self.units.phase[n] == Phase.HELD:
            core = self.cores[n]
            lost = max(self.clock - int(self.units.origin[n]) - core.cycle, 0)
            self.units.origin[n] += lost
            mcus = core.machine.mcus
            for cycles in (mcus.in_free, mcus.out_free, mcus.free):
                cycles -= lost
            self.units.phase[n] = Phase.GOES_ON

    def _hold_sequencer(self, tile: int, held: bool) -> None:
        state = self.units.sequencer.state[tile]
        if not held:
            state[Sequencing.MOST] = _FOREVER
        elif state[Sequencing.MOST] == _FOREVER:
            state[Sequencing.MOST] = state[Sequencing.RETIRED] + state[Sequencing.X]
        self.units.due[tile] = min(self.units.due[tile], self.clock)

    def run(self, *, limit_cycles: int | None = None) -> bool:
        """Go on until nothing happens any more, or so many cycles are over; whether all is quiet.

        Whoever waits without end is stopped by its watchdog, so all becomes quiet if the programs
        come to their ends.
        """
        clock = self.units.clock
        end = _FOREVER - 1 if limit_cycles is None else int(clock[0]) + limit_cycles
        machines = self._machines()
        while True:
            until = min(end, int(clock[0]) + _SLICE)
            _advance(self.units, machines, until)
            if self.units.attention[0] >= 0:
                self._attend(machines)
            elif clock[0] >= end or clock[0] < until:
                if limit_cycles is not None and (self.units.phase == int(Phase.HELD)).any():
                    clock[0] = end
                break
        self._note_ends()
        if self.quiet:  # cores have run ahead
            ends = [core.cycle + 1 for core in self.cores] + self.units.origin
            clock[0] = max(clock[0], *ends.tolist())
        return self.quiet

    # ---- what somebody else does who carries out a tile or a core

    def lend(self, tile: int) -> None:
        """Leave a tile to somebody else for good; what this node says of it is of no meaning.

        From now on the node goes on by :meth:`begin_cycle` and :meth:`end_cycle` instead of
        :meth:`run`. A core needs no lending: whoever carries it out does not start it here, and
        asks the memory for it.
        """
        self._check(tile)
        self.units.lent[tile] = True

    def begin_cycle(self) -> None:
        """Begin the next cycle: flits move."""
        machines = self._machines()
        while True:
            _begin(self.units, machines, self.clock + 1)
            if self.units.attention[0] < 0:
                break
            self._attend(machines)
        router.move(self.units.mesh)

    def end_cycle(self, flits: Mapping[int, NDArray[np.int64]] | None = None) -> None:
        """End the cycle; ``flits`` are those that lent tiles put into their routers, by tile.

        Each is an array by :class:`models.system.router.Flit`.
        """
        for tile, flit in (flits or {}).items():
            router.inject(self.units.mesh, tile, flit)
        _end(self.units, self._machines(), self.clock + 1)
        self._note_ends()

    def room(self, tile: int) -> bool:
        """Whether a lent tile may put a flit into its router, in the cycle that has begun."""
        return bool(self.units.mesh.room[tile])

    def arrived(self, tile: int) -> NDArray[np.int64] | None:
        """The flit that comes to a tile in the cycle that has begun."""
        mesh = self.units.mesh
        return mesh.out[tile].copy() if mesh.out_valid[tile] else None

    def ask(
        self, tile: int, core: int, op: MemoryOp, group: int, *, mask: int, flag: bool,
        readers: int, data: int,
    ) -> None:  # fmt: skip
        """Ask the memory for a core, from the cycle that has begun on.

        Parameters
        ----------
        mask, data
            Words to store: bit n and bits from 16 n on; of 64 bits, signed.
        flag
            ``take`` of a load, ``plain`` of a store.
        readers
            Who has to take what is stored.
        """
        shared_memory.ask(self.units.memory, tile, core, op, group, mask, flag, readers, data)
        self.units.due[tile] = min(self.units.due[tile], self.clock)

    def withdraw(self, tile: int, core: int) -> None:
        """Ask no more for a core, from the cycle that has begun on."""
        shared_memory.withdraw(self.units.memory, tile, core)

    def answer(self, tile: int, core: int) -> int | None:
        """What the memory holds of the group whose request it took in the cycle that has ended:
        four words in 64 bits, signed. None if it took none of the core's.
        """
        memory = self.units.memory
        if self.units.stepped[tile] != self.clock - 1:
            return None
        banks = np.flatnonzero(memory.taken[tile] == core)
        return int(memory.answers[tile, banks[0]]) if banks.size else None

    def _attend(self, machines: Any) -> None:
        attention = int(self.units.attention[0])
        core = self.cores[attention]
        core.attend()
        machines[attention] = core.machine

    def _machines(self) -> Any:
        machines = List()
        for core in self.cores:
            machines.append(core.machine)
        return machines

    def _note_ends(self) -> None:
        for core, phase in zip(self.cores, self.units.phase, strict=True):
            if phase == Phase.STOPPED and core.status is Status.RUNNING:
                core.status = Status.HALTED if core.fault is Fault.NONE else Status.FAULTED

    # ---- what can be seen

    @property
    def clock(self) -> int:
        """The cycle that comes next."""
        return int(self.units.clock[0])

    @property
    def quiet(self) -> bool:
        """Whether nothing will happen any more."""
        units = self.units
        return bool(
            not units.phase.any()
            and not units.mesh.flits[0]
            and not units.sequencer.state[:, [Sequencing.RUNNING, Sequencing.STARTING]].any()
            and not units.sender.state[:, Sending.BUSY].any()
            and not units.receiver.state[:, Receiving.BUSY].any()
            and not units.receiver.owed.any()
        )

    def status(self, tile: int, unit: int) -> UnitStatus:
        """What a core, or ``SEQUENCER``, does."""
        if unit == SEQUENCER:
            return self._sequencer_status(tile)
        core = self.core(tile, unit)
        n = tile * self.params.tile.cores + unit
        transfer = core.machine.port.transfer
        wait = TileWait.NOTHING
        asks = self.units.phase[n] == Phase.ASKS
        if asks or (core.fault is Fault.WATCHDOG and transfer[Transfer.ACTIVE]):
            store = transfer[Transfer.OP] == MemoryOp.STORE
            wait = TileWait.STORE if store else TileWait.LOAD
        elif core.fault is Fault.WATCHDOG:
            wait = TileWait.MATRIX
        held = bool(self.units.phase[n] == Phase.HELD)
        running = bool(self.units.phase[n] != Phase.STOPPED) and not held
        group = int(transfer[Transfer.GROUP]) if wait in (TileWait.LOAD, TileWait.STORE) else 0
        # a core that has halted has run in its last cycle, too
        halted = not running and not held and core.fault is Fault.NONE and core.retired > 0
        return UnitStatus(running, core.fault, core.pc, core.cycle + halted, wait, group, held)

    def _sequencer_status(self, tile: int) -> UnitStatus:
        self._check(tile)
        state = self.units.sequencer.state[tile]
        held = bool(sequencer.is_held(state))
        running = bool(state[Sequencing.RUNNING] or state[Sequencing.STARTING])
        fault = TileFault(int(state[Sequencing.FAULT]))
        pc, cycle = (
            int(self.units.sequencer.pc[tile, 0]),
            int(self.clock if state[Sequencing.RUNNING] else state[Sequencing.END])
            - int(state[Sequencing.ORIGIN]),
        )
        if fault is not TileFault.NONE:
            pc, cycle = int(state[Sequencing.FAULT_PC]), int(state[Sequencing.FAULT_CYCLE])
        wait = TileWait(int(state[Sequencing.WAIT]))
        return UnitStatus(running and not held, fault, pc, cycle, wait, 0, held)

    def scalars(self, tile: int) -> NDArray[np.int64]:
        """The scalar registers of a tile's sequencer, to read and write."""
        self._check(tile)
        scalars: NDArray[np.int64] = self.units.sequencer.scalars[tile]
        return scalars

    def counters(self, tile: int) -> dict[str, int]:
        """Performance counters of a tile that is quiet."""
        self._check(tile)
        units = self.units
        memory = units.memory.counters[tile]
        cores = self.params.tile.cores
        values = [
            units.active[tile, 0],
            memory[Count.ACCESSES], memory[Count.CONFLICTS], memory[Count.MISSES],
            units.sender.sent[tile], units.receiver.received[tile], units.port.credits[tile],
            units.sequencer.state[tile, Sequencing.INSTRUCTIONS],
        ]  # fmt: skip
        for core in self.cores[tile * cores : (tile + 1) * cores]:
            values += core.activity().values()
        names = counter_names(self.params.tile)
        return {name: int(n) & 0xFFFFFFFF for name, n in zip(names, values, strict=True)}

    def profile(self, tile: int, unit: int) -> NDArray[np.int64]:
        """Of each instruction of a core's program, or ``SEQUENCER``'s, since it was loaded: times
        it retired, and cycles from its D to there, waiting included; shape (instructions, 2).

        Cycles in which a unit is held belong to none.
        """
        if unit != SEQUENCER:
            return self.core(tile, unit).profile
        self._check(tile)
        return instruction_memory.profile_of(self.units.sequencer.rows[tile])

    def router_counters(self, tile: int) -> dict[str, int]:
        """Performance counters of a tile's router."""
        self._check(tile)
        values = self.units.mesh.counters[tile].tolist()
        return dict(zip(arch.counter_names(), values, strict=True))

    def _check(self, tile: int) -> None:
        check_range("Tile", tile, 0, self.params.tiles - 1)
