"""The sequencer of a tile: runs the tile's program, and hands work to send and receive unit.

Tiles lie side by side: the first axis of every array is the tile. :func:`step` carries out one
cycle; ``docs/node.md`` says what happens in it.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.system import fetch as fetching
from models.system import receive_unit, scalar_unit, send_unit
from models.system.compiled import compiled
from models.system.fetch import Fetch
from models.system.instruction_memory import Column, Do, Source
from models.system.memory import NEVER
from models.system.receive_unit import Receiving
from models.system.send_unit import Sending
from panther.arch.core import LANES, LOOP_DEPTH, SCALARS, WATCHDOG_DEFAULT, Csr
from panther.arch.node import NodeParams
from panther.arch.tile import TileFault, TileWait


class Sequencing(IntEnum):
    """Registers."""

    RUNNING = 0
    STARTING = 1
    """It begins as soon as send and receive unit are idle."""
    X = 2
    """The instruction is in its X cycle, not in D."""
    ORIGIN = 3
    """The cycle that is its cycle 0."""
    RETIRED = 4
    WATCHDOG = 5
    WAIT = 6
    """What it waits for in this cycle, by :class:`TileWait`."""
    FAULT = 7
    FAULT_PC = 8
    FAULT_CYCLE = 9
    START_PC = 10
    MOST = 11
    """Instructions it may have retired: one that is held stops there."""
    END = 12
    """The cycle behind its last one, if it has halted."""
    SINCE = 13
    """The cycle in which the instruction in X was in D."""
    INSTRUCTIONS = 14
    """Retired since the reset."""


class Sequencer(NamedTuple):
    """All sequencers of a node."""

    state: NDArray[np.int64]
    """Shape (tiles, len(Sequencing))."""
    rows: NDArray[np.int64]
    """Decoded programs, shape (tiles, instructions, len(Column))."""
    pc: NDArray[np.int64]
    """Shape (tiles, 1), as the next two what :class:`Fetch` holds."""
    depth: NDArray[np.int64]
    loops: NDArray[np.int64]
    scalars: NDArray[np.int64]
    """Shape (tiles, SCALARS)."""
    memory_words: int


def make_sequencer(params: NodeParams, rows: NDArray[np.int64]) -> Sequencer:
    """As after a reset, with programs that are all like ``rows``."""
    tiles = params.tiles
    unit = Sequencer(
        state=np.zeros((tiles, len(Sequencing)), np.int64),
        rows=np.repeat(rows[np.newaxis], tiles, axis=0),
        pc=np.zeros((tiles, 1), np.int64),
        depth=np.zeros((tiles, 1), np.int64),
        loops=np.zeros((tiles, LOOP_DEPTH, 3), np.int64),
        scalars=np.zeros((tiles, SCALARS), np.int64),
        memory_words=params.tile.core.memory_words,
    )
    unit.state[:, Sequencing.WATCHDOG] = WATCHDOG_DEFAULT
    unit.state[:, Sequencing.MOST] = NEVER
    return unit


@compiled
def start(unit, sender, receiver, tile, pc, now):  # type: ignore[no-untyped-def]
    """Begin at ``pc``; the cycle before ``now`` is the one of the start."""
    state = unit.state[tile]
    state[Sequencing.STARTING] = 1
    state[Sequencing.START_PC] = pc
    _begin(unit, sender, tile, receiver.state[tile, Receiving.BUSY] != 0, now - 1)


@compiled
def _begin(unit, sender, tile, receives, now):  # type: ignore[no-untyped-def]
    """Begin in the next cycle, if the other units are idle in this one."""
    state = unit.state[tile]
    if not receives and send_unit.idle(sender, tile, now):
        for register in (
            Sequencing.STARTING, Sequencing.X, Sequencing.RETIRED, Sequencing.FAULT,
        ):  # fmt: skip
            state[register] = 0
        unit.pc[tile] = state[Sequencing.START_PC]
        unit.depth[tile] = 0
        if state[Sequencing.MOST] < NEVER:
            state[Sequencing.MOST] = 0
        state[Sequencing.RUNNING] = 1
        state[Sequencing.ORIGIN] = now + 1
        return True
    return False


@compiled
def is_held(state):  # type: ignore[no-untyped-def]
    """Whether it stops before the instruction that comes next."""
    return (
        state[Sequencing.RUNNING] != 0
        and state[Sequencing.X] == 0
        and state[Sequencing.RETIRED] >= state[Sequencing.MOST]
    )


@compiled
def step(unit, sender, receiver, tile, sends, receives, send_fault, receive_fault, now):  # type: ignore[no-untyped-def]
    """One cycle; whether anything happens.

    ``sends`` and ``receives`` say whether the other units were busy when it began, then come the
    faults that they raise in it.
    """
    state = unit.state[tile]
    running = state[Sequencing.RUNNING] != 0 and not is_held(state)
    if running:
        state[Sequencing.WAIT] = TileWait.NOTHING
    pc = unit.pc[tile, 0]
    row = unit.rows[tile, min(pc, unit.rows.shape[1] - 1)]
    fault = np.int64(TileFault.NONE)
    if running:
        if not state[Sequencing.X]:
            if pc >= unit.rows.shape[1]:
                fault = np.int64(TileFault.PC)
            elif row[Column.FAULT] <= TileFault.ILLEGAL:
                fault = row[Column.FAULT]
        else:
            fault = _check(unit, tile, row)
            if fault == TileFault.NONE and _waits(row, sends, receives):
                state[Sequencing.WAIT] = TileWait.UNIT
    where = pc
    if fault == TileFault.NONE and send_fault != TileFault.NONE:
        fault = np.int64(send_fault)
        where = sender.state[tile, Sending.PC]
    elif fault == TileFault.NONE and receive_fault != TileFault.NONE:
        fault = np.int64(receive_fault)
        if fault != TileFault.SENDER:
            where = receiver.state[tile, Receiving.PC]
    if fault != TileFault.NONE:
        if state[Sequencing.FAULT] == TileFault.NONE:
            state[Sequencing.FAULT] = fault
            state[Sequencing.FAULT_PC] = where
            end = now if state[Sequencing.RUNNING] else state[Sequencing.END]
            state[Sequencing.FAULT_CYCLE] = end - state[Sequencing.ORIGIN]
        state[Sequencing.RUNNING] = 0
    if state[Sequencing.STARTING]:
        return _begin(unit, sender, tile, receives or sends, now)
    if fault != TileFault.NONE:
        return True
    if not running:
        return False
    if not state[Sequencing.X]:
        state[Sequencing.X] = 1
        state[Sequencing.SINCE] = now
        return True
    if state[Sequencing.WAIT] != TileWait.NOTHING:
        return False
    _carry_out(unit, sender, receiver, tile, row, now)
    return True


@compiled
def _address(unit, tile, row):  # type: ignore[no-untyped-def]
    return unit.scalars[tile, row[Column.SA]] + row[Column.VALUE]


@compiled
def _check(unit, tile, row):  # type: ignore[no-untyped-def]
    fault = row[Column.FAULT]
    do = row[Column.DO]
    if do == Do.SEND or do == Do.RECEIVE:
        first = _address(unit, tile, row)
        if first < 0 or first + row[Column.LENGTH] > unit.memory_words:
            return np.int64(TileFault.MEMORY)
        if first % LANES:
            return np.int64(TileFault.ALIGNMENT)
    elif do == Do.LOOP and fault == TileFault.NONE:
        count = row[Column.VALUE]
        if row[Column.SOURCE] == Source.SCALAR:
            count = unit.scalars[tile, row[Column.SB]]
        if count > 0 and unit.depth[tile, 0] == LOOP_DEPTH:
            return np.int64(TileFault.LOOP_DEPTH)
    return fault


@compiled
def _waits(row, sends, receives):  # type: ignore[no-untyped-def]
    do = row[Column.DO]
    return (sends and (do == Do.SEND or do == Do.HALT)) or (
        receives and (do == Do.RECEIVE or do == Do.HALT)
    )


@compiled
def _carry_out(unit, sender, receiver, tile, row, now):  # type: ignore[no-untyped-def]
    """The last cycle of an instruction."""
    state = unit.state[tile]
    scalars = unit.scalars[tile]
    fetch = Fetch(unit.pc[tile], unit.depth[tile], unit.loops[tile])
    do = row[Column.DO]
    a = scalars[row[Column.SA]]
    value = row[Column.VALUE]
    if row[Column.SOURCE] == Source.SCALAR:
        value = scalars[row[Column.SB]]
    pc = fetch.pc[0]
    following = pc + 1
    jumps = do == Do.JUMP
    writes = False
    if do == Do.HALT:
        state[Sequencing.RUNNING] = 0
        state[Sequencing.END] = now + 1
    elif do == Do.BRANCH:
        jumps = scalar_unit.holds(row[Column.FUNCTION], a, value)
    elif do == Do.LOOP:
        if value > 0:
            fetching.enter(fetch, pc + 1, row[Column.TARGET], value)
        else:
            following = row[Column.TARGET]
    elif do == Do.SET:
        writes = True
    elif do == Do.SCALAR:
        value = scalar_unit.compute(row[Column.FUNCTION], a, value)
        writes = True
    elif do == Do.READ_CSR:
        writes = True
        if row[Column.KEY] == Csr.CYCLE:
            value = now - state[Sequencing.ORIGIN]
        elif row[Column.KEY] == Csr.RETIRED:
            value = state[Sequencing.RETIRED]
        else:
            value = state[Sequencing.WATCHDOG]
    elif do == Do.WRITE_CSR:
        state[Sequencing.WATCHDOG] = value
    elif do == Do.SEND:
        groups = (row[Column.LENGTH] + LANES - 1) // LANES
        group = _address(unit, tile, row) // LANES
        send_unit.issue(sender, tile, group, groups, row[Column.TILE], row[Column.FIFO], pc)
    elif do == Do.RECEIVE:
        group = _address(unit, tile, row) // LANES
        receive_unit.issue(
            receiver, tile, group, row[Column.LENGTH], row[Column.FIFO], row[Column.READERS], pc
        )
    if writes and row[Column.D]:
        scalars[row[Column.D]] = scalar_unit.wrapped(value)
    state[Sequencing.RETIRED] += 1
    row[Column.TIMES] += 1
    row[Column.CYCLES] += now + 1 - state[Sequencing.SINCE]
    state[Sequencing.INSTRUCTIONS] += 1
    state[Sequencing.X] = 0
    if jumps:
        fetching.jump(fetch, row[Column.TARGET])
    else:
        fetching.go_on(fetch, following)


@compiled
def due(unit, tile, now):  # type: ignore[no-untyped-def]
    """The next cycle after ``now`` in which something may happen by itself."""
    state = unit.state[tile]
    if state[Sequencing.STARTING]:
        return now + 1
    return np.int64((1 << 62) - 1)
