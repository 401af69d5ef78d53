"""The send unit of a tile: rows of the memory become flits.

Tiles lie side by side: the first axis of every array is the tile. :func:`offers` says what the unit
puts to the network port in a cycle, then :func:`step` brings it to the next one; ``docs/node.md``
says what happens in it.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.system.compiled import compiled
from models.system.router import Flit
from models.system.shared_memory import SharedMemory, ask, first_asked, withdraw
from panther.arch.core import MemoryOp
from panther.arch.node import NodeParams
from panther.arch.tile import BANKS, WORM_ROWS, FlitKind, TileFault, TileWait


class Sending(IntEnum):
    """Registers."""

    BUSY = 0
    GROUP = 1
    """First group of the next row to begin."""
    LEFT = 2
    """Groups of rows not begun."""
    PENDING = 3
    """Bit b: the row begun last asks bank b."""
    ROWS = 4
    """Rows begun and not sent."""
    FIRST = 5
    """Bank of the first group of every row."""
    UNSENT = 6
    """Groups not sent."""
    TILE = 7
    FIFO = 8
    WORM = 9
    """Rows of the worm that have gone ahead; 0 if none is under way."""
    WAITED = 10
    WAIT = 11
    """What it waits for in this cycle, or the last one it was busy, by :class:`TileWait`."""
    PC = 12
    QUIET = 13
    """Cycle from which on all answers have come."""
    WAIT_GROUP = 14
    """First group it asked for when the watchdog stopped it."""


class SendUnit(NamedTuple):
    """All send units of a node."""

    state: NDArray[np.int64]
    """Shape (tiles, len(Sending))."""
    lanes: NDArray[np.int64]
    """Groups taken and not sent, by bank; shape (tiles, banks, groups)."""
    there: NDArray[np.int64]
    """Cycle from which on each is there."""
    head: NDArray[np.int64]
    """Place of the first; shape (tiles, banks)."""
    level: NDArray[np.int64]
    used: NDArray[np.int64]
    """Rows under way to each queue of each tile; shape (tiles, tiles * fifos)."""
    sent: NDArray[np.int64]
    """Rows sent, since the reset."""
    fifos: int
    fifo_rows: int
    latency: int


def make_send_unit(params: NodeParams) -> SendUnit:
    """As after a reset."""
    tile, tiles = params.tile, params.tiles
    lanes = (tiles, BANKS, tile.send_lanes)
    state = np.zeros((tiles, len(Sending)), np.int64)
    state[:, Sending.QUIET] = -1
    return SendUnit(
        state=state,
        lanes=np.zeros(lanes, np.int64),
        there=np.zeros(lanes, np.int64),
        head=np.zeros((tiles, BANKS), np.int64),
        level=np.zeros((tiles, BANKS), np.int64),
        used=np.zeros((tiles, tiles * tile.fifos), np.int64),
        sent=np.zeros(tiles, np.int64),
        fifos=tile.fifos,
        fifo_rows=tile.fifo_rows,
        latency=tile.core.memory_cycles,
    )


@compiled
def issue(unit, tile, group, groups, to, fifo, pc):  # type: ignore[no-untyped-def]
    """Hand an idle unit a message in this cycle."""
    state = unit.state[tile]
    state[Sending.BUSY] = 1
    state[Sending.GROUP] = group
    state[Sending.LEFT] = groups
    state[Sending.FIRST] = group % BANKS
    state[Sending.UNSENT] = groups
    state[Sending.TILE] = to
    state[Sending.FIFO] = fifo
    state[Sending.WAITED] = 0
    state[Sending.PC] = pc


@compiled
def idle(unit, tile, now):  # type: ignore[no-untyped-def]
    """Whether it has nothing to do, and no answer of the memory is outstanding."""
    state = unit.state[tile]
    return not state[Sending.BUSY] and now >= state[Sending.QUIET]


@compiled
def _is_there(unit, tile, row, now):  # type: ignore[no-untyped-def]
    """Whether all groups of the first row not sent, or of the one after it, are there."""
    state = unit.state[tile]
    for n in range(min(BANKS, state[Sending.UNSENT] - BANKS * row)):
        bank = (state[Sending.FIRST] + n) % BANKS
        if unit.level[tile, bank] <= row:
            return False
        place = (unit.head[tile, bank] + row) % unit.lanes.shape[2]
        if unit.there[tile, bank, place] > now:
            return False
    return True


@compiled
def _room(unit, tile):  # type: ignore[no-untyped-def]
    """Rows there is room for at the destination."""
    state = unit.state[tile]
    queue = state[Sending.TILE] * unit.fifos + state[Sending.FIFO]
    return unit.fifo_rows - unit.used[tile, queue]


@compiled
def offers(unit, tile, now):  # type: ignore[no-untyped-def]
    """Whether a row may go to the network port in this cycle."""
    state = unit.state[tile]
    return (
        state[Sending.BUSY] != 0
        and _is_there(unit, tile, 0, now)
        and (state[Sending.WORM] > 0 or _room(unit, tile) > 0)
    )


@compiled
def put_row(unit, tile, now, flit):  # type: ignore[no-untyped-def]
    """Write the row that goes in this cycle to ``flit``."""
    state = unit.state[tile]
    left = state[Sending.UNSENT]
    follows = (
        left > BANKS
        and _is_there(unit, tile, 1, now)
        and _room(unit, tile) > 1
        and state[Sending.WORM] + 1 < WORM_ROWS
    )
    flit[Flit.HEAD] = state[Sending.WORM] == 0
    flit[Flit.TAIL] = not follows
    flit[Flit.END] = left <= BANKS
    flit[Flit.KIND] = FlitKind.DATA
    flit[Flit.TILE] = state[Sending.TILE]
    flit[Flit.SOURCE] = tile
    flit[Flit.FIFO] = state[Sending.FIFO]
    for n in range(BANKS):
        bank = (state[Sending.FIRST] + n) % BANKS
        flit[Flit.DATA + n] = unit.lanes[tile, bank, unit.head[tile, bank]] if n < left else 0


@compiled
def credit(unit, tile, source, fifo, rows):  # type: ignore[no-untyped-def]
    """A credit has come in this cycle; after :func:`offers`."""
    unit.used[tile, source * unit.fifos + fifo] -= rows


@compiled
def step(unit, memory: SharedMemory, tile, requester, watchdog, flit, now):  # type: ignore[no-untyped-def]
    """The rest of a cycle: ``flit`` is the row that goes, or empty; whether anything happens, and
    the fault that stops the unit.

    The memory has been served, a credit that came in this cycle has not been counted.
    """
    state = unit.state[tile]
    depth = unit.lanes.shape[2]
    sent = flit.shape[0] > 0
    worm, rows = state[Sending.WORM], state[Sending.ROWS]
    pending = state[Sending.PENDING]
    wait = TileWait.NOTHING
    busy = state[Sending.BUSY] != 0
    if not worm and busy:
        if not sent and _is_there(unit, tile, 0, now) and _room(unit, tile) <= 0:
            wait = TileWait.CREDIT
        if pending:
            wait = TileWait.LOAD
    progress = sent
    if sent:
        for n in range(min(BANKS, state[Sending.UNSENT])):
            bank = (state[Sending.FIRST] + n) % BANKS
            unit.head[tile, bank] = (unit.head[tile, bank] + 1) % depth
            unit.level[tile, bank] -= 1
        unit.used[tile, state[Sending.TILE] * unit.fifos + state[Sending.FIFO]] += 1
        unit.sent[tile] += 1
        state[Sending.ROWS] -= 1
        state[Sending.WORM] = 0 if flit[Flit.TAIL] else worm + 1
        state[Sending.UNSENT] = max(state[Sending.UNSENT] - BANKS, 0)
        if state[Sending.UNSENT] == 0:
            state[Sending.BUSY] = 0
    for bank in range(BANKS):
        if memory.taken[tile, bank] == requester:
            progress = True
            place = (unit.head[tile, bank] + unit.level[tile, bank]) % depth
            unit.lanes[tile, bank, place] = memory.answers[tile, bank]
            unit.there[tile, bank, place] = now + unit.latency + 1
            unit.level[tile, bank] += 1
            state[Sending.QUIET] = now + unit.latency + 1
            pending &= ~(1 << bank)
    changed = progress
    if not pending and state[Sending.LEFT] > 0 and rows < depth:
        changed = True
        groups = min(BANKS, state[Sending.LEFT])
        for n in range(groups):
            group = state[Sending.GROUP] + n
            ask(memory, tile, requester, MemoryOp.LOAD, group, 15, 1, 0, 0)
            pending |= 1 << group % BANKS
        state[Sending.GROUP] += groups
        state[Sending.LEFT] -= groups
        state[Sending.ROWS] += 1
    state[Sending.PENDING] = pending
    if busy:
        state[Sending.WAIT] = TileWait.NOTHING if progress else wait
    if progress:
        state[Sending.WAITED] = 0
    elif wait != TileWait.NOTHING:
        if state[Sending.WAITED] >= watchdog:
            _give_up(unit, memory, tile, requester)
            return True, TileFault.WATCHDOG
        state[Sending.WAITED] += 1
    return changed, TileFault.NONE


@compiled
def _give_up(unit, memory, tile, requester):  # type: ignore[no-untyped-def]
    state = unit.state[tile]
    state[Sending.WAIT_GROUP] = first_asked(memory, tile, requester)
    for register in (Sending.BUSY, Sending.LEFT, Sending.PENDING, Sending.ROWS, Sending.UNSENT):
        state[register] = 0
    unit.level[tile] = 0
    withdraw(memory, tile, requester)


@compiled
def due(unit, tile, watchdog, now):  # type: ignore[no-untyped-def]
    """The next cycle after ``now`` in which something may happen by itself."""
    state = unit.state[tile]
    cycle = np.int64((1 << 62) - 1)
    if not state[Sending.BUSY]:
        return cycle
    if state[Sending.WAIT] != TileWait.NOTHING:
        cycle = now + 1 + max(0, watchdog - state[Sending.WAITED])
    for bank in range(BANKS):
        for row in range(min(2, unit.level[tile, bank])):
            there = unit.there[tile, bank, (unit.head[tile, bank] + row) % unit.lanes.shape[2]]
            if there > now:
                cycle = min(cycle, there)
    return cycle
