"""The receive unit of a tile: flits become rows of the memory.

Tiles lie side by side: the first axis of every array is the tile. :func:`step` carries out one
cycle; ``docs/node.md`` says what happens in it.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.system.compiled import compiled
from models.system.router import Flit
from models.system.shared_memory import SharedMemory, ask, first_asked, withdraw
from panther.arch.core import LANES, MemoryOp
from panther.arch.node import NodeParams
from panther.arch.tile import BANKS, ROW_WORDS, TileFault, TileWait

NOBODY = -1
"""Owner of a queue into which no row has come."""
_END = BANKS


class Receiving(IntEnum):
    """Registers."""

    BUSY = 0
    GROUP = 1
    """First group of the next row in hand."""
    WORDS = 2
    """Words of rows not yet in hand."""
    FETCH = 3
    """Rows not yet fetched."""
    IN_HAND = 4
    PENDING = 5
    """Bit b: the row in hand asks bank b."""
    WRONG = 6
    """The row in hand is the message's end and should not be, or the other way round."""
    FIFO = 7
    READERS = 8
    WAITED = 9
    WAIT = 10
    """What it waits for in this cycle, or the last one it was busy, by :class:`TileWait`."""
    PC = 11
    WAIT_GROUP = 12
    """First group it asked for when the watchdog stopped it."""


class ReceiveUnit(NamedTuple):
    """All receive units of a node."""

    state: NDArray[np.int64]
    """Shape (tiles, len(Receiving))."""
    queues: NDArray[np.int64]
    """Rows of four groups, and whether the message ends; shape (tiles, fifos, rows, 5)."""
    head: NDArray[np.int64]
    """Place of a queue's first row; shape (tiles, fifos)."""
    level: NDArray[np.int64]
    owner: NDArray[np.int64]
    """Tile that sends to the queue."""
    owed: NDArray[np.int64]
    """Places the owner has not been given back."""
    received: NDArray[np.int64]
    """Rows fetched, since the reset."""


def make_receive_unit(params: NodeParams) -> ReceiveUnit:
    """As after a reset."""
    tile, tiles = params.tile, params.tiles
    queues = (tiles, tile.fifos)
    return ReceiveUnit(
        state=np.zeros((tiles, len(Receiving)), np.int64),
        queues=np.zeros((*queues, tile.fifo_rows, BANKS + 1), np.int64),
        head=np.zeros(queues, np.int64),
        level=np.zeros(queues, np.int64),
        owner=np.full(queues, NOBODY, np.int64),
        owed=np.zeros(queues, np.int64),
        received=np.zeros(tiles, np.int64),
    )


@compiled
def issue(unit, tile, group, words, fifo, readers, pc):  # type: ignore[no-untyped-def]
    """Hand an idle unit a message to wait for in this cycle."""
    state = unit.state[tile]
    state[Receiving.BUSY] = 1
    state[Receiving.GROUP] = group
    state[Receiving.WORDS] = words
    state[Receiving.FETCH] = (words + ROW_WORDS - 1) // ROW_WORDS
    state[Receiving.FIFO] = fifo
    state[Receiving.READERS] = readers
    state[Receiving.WAITED] = 0
    state[Receiving.PC] = pc


@compiled
def step(unit, memory: SharedMemory, tile, requester, watchdog, flit, credited):  # type: ignore[no-untyped-def]
    """One cycle: whether anything happens, and the fault that stops the unit, or the sequencer.

    ``flit`` is the row that comes, or empty; ``credited`` the queue whose owner is given back all
    it was owed when the cycle began, or -1. The memory has been served.
    """
    state = unit.state[tile]
    fifo = state[Receiving.FIFO]
    level = unit.level[tile, fifo]
    changed = False
    fault = TileFault.NONE
    if credited >= 0:
        unit.owed[tile, credited] = 0
        changed = True
    if state[Receiving.WRONG]:
        _give_up(unit, memory, tile, requester)
        fault = TileFault.MESSAGE
        changed = True
    elif state[Receiving.BUSY]:
        pending = state[Receiving.PENDING]
        taken = False
        for bank in range(BANKS):
            if memory.taken[tile, bank] == requester:
                pending &= ~(1 << bank)
                taken = True
        if state[Receiving.PENDING] and not taken:
            wait = TileWait.STORE
        elif not state[Receiving.IN_HAND] and level == 0:
            wait = TileWait.MESSAGE
        else:
            wait = TileWait.NOTHING
        progress = taken
        if not pending:
            state[Receiving.IN_HAND] = 0
            if state[Receiving.FETCH] == 0:
                state[Receiving.BUSY] = 0
            elif level > 0:
                pending = _fetch(unit, memory, tile, requester)
                progress = True
        state[Receiving.PENDING] = pending
        state[Receiving.WAIT] = wait
        changed |= progress
        if progress:
            state[Receiving.WAITED] = 0
        elif wait != TileWait.NOTHING:
            if state[Receiving.WAITED] >= watchdog:
                _give_up(unit, memory, tile, requester)
                fault = TileFault.WATCHDOG
                changed = True
            else:
                state[Receiving.WAITED] += 1
    if flit.shape[0]:
        changed = True
        if not _arrive(unit, tile, flit) and fault == TileFault.NONE:
            fault = TileFault.SENDER
    return changed, fault


@compiled
def _fetch(unit, memory, tile, requester):  # type: ignore[no-untyped-def]
    """Take a row from the queue; the banks it asks in the next cycle."""
    state = unit.state[tile]
    fifo = state[Receiving.FIFO]
    head = unit.head[tile, fifo]
    row = unit.queues[tile, fifo, head]
    unit.head[tile, fifo] = (head + 1) % unit.queues.shape[2]
    unit.level[tile, fifo] -= 1
    unit.owed[tile, fifo] += 1
    unit.received[tile] += 1
    words = min(ROW_WORDS, state[Receiving.WORDS])
    first = state[Receiving.GROUP]
    state[Receiving.WORDS] -= words
    state[Receiving.FETCH] -= 1
    state[Receiving.GROUP] += BANKS
    state[Receiving.IN_HAND] = 1
    if (row[_END] != 0) != (state[Receiving.FETCH] == 0):
        state[Receiving.WRONG] = 1
        return 0
    pending = 0
    for n in range((words + LANES - 1) // LANES):
        mask = (1 << min(LANES, words - LANES * n)) - 1
        readers = state[Receiving.READERS]
        ask(memory, tile, requester, MemoryOp.STORE, first + n, mask, 0, readers, row[n])
        pending |= 1 << (first + n) % BANKS
    return pending


@compiled
def _arrive(unit, tile, flit):  # type: ignore[no-untyped-def]
    """Put a row into its queue; False if that is another tile's."""
    fifo = flit[Flit.FIFO]
    if unit.owner[tile, fifo] == NOBODY:
        unit.owner[tile, fifo] = flit[Flit.SOURCE]
    if unit.owner[tile, fifo] != flit[Flit.SOURCE]:
        return False
    place = (unit.head[tile, fifo] + unit.level[tile, fifo]) % unit.queues.shape[2]
    row = unit.queues[tile, fifo, place]
    for n in range(BANKS):
        row[n] = flit[Flit.DATA + n]
    row[_END] = flit[Flit.END]
    unit.level[tile, fifo] += 1
    return True


@compiled
def _give_up(unit, memory, tile, requester):  # type: ignore[no-untyped-def]
    state = unit.state[tile]
    state[Receiving.WAIT_GROUP] = first_asked(memory, tile, requester)
    for register in (
        Receiving.BUSY, Receiving.FETCH, Receiving.IN_HAND, Receiving.PENDING, Receiving.WRONG,
    ):  # fmt: skip
        state[register] = 0
    withdraw(memory, tile, requester)


@compiled
def due(unit, tile, watchdog, now):  # type: ignore[no-untyped-def]
    """The next cycle after ``now`` in which something may happen by itself."""
    state = unit.state[tile]
    if state[Receiving.BUSY] and state[Receiving.WAIT] != TileWait.NOTHING:
        return now + 1 + max(0, watchdog - state[Receiving.WAITED])
    return np.int64((1 << 62) - 1)
