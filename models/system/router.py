"""The network: all routers of a mesh, cycle by cycle.

Other than the units of a core, routers run by themselves: :func:`move` carries out one cycle. It
takes as long as there are routers with flits in them.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.system.compiled import compiled
from panther.arch.node import ROUTER_FLITS, NodeParams, Port, counter_names

FREE = -1
"""Lock of an output that is not locked; what is linked to an output at the mesh's edge."""

_PORTS = len(Port)
_OPPOSITE = (Port.LOCAL, Port.SOUTH, Port.WEST, Port.NORTH, Port.EAST)


class Flit(IntEnum):
    """Numbers that a flit consists of; see ``panther.arch.tile.FLIT_FIELDS``."""

    HEAD = 0
    TAIL = 1
    END = 2
    KIND = 3
    TILE = 4
    SOURCE = 5
    FIFO = 6
    DATA = 7
    """The first of four groups of 64 bits, the lowest one."""


FLIT_NUMBERS = Flit.DATA + 4


class Mesh(NamedTuple):
    """Routers, each the one of the tile with its number; ports are numbered as in ``Port``."""

    buffers: NDArray[np.int64]
    """Flits at the inputs, shape (routers, 5, ROUTER_FLITS, 11): rings."""
    begins: NDArray[np.int64]
    """Where the first flit of each ring is, shape (routers, 5)."""
    counts: NDArray[np.int64]
    """Flits in each ring, shape (routers, 5)."""
    lock: NDArray[np.int64]
    """Input each output is locked to, or FREE, shape (routers, 5)."""
    last: NDArray[np.int64]
    """Input each output served last, shape (routers, 5)."""
    room: NDArray[np.int64]
    """Free places of each local input in this cycle, shape (routers)."""
    ready: NDArray[np.int64]
    """Whether each tile takes a flit in this cycle, shape (routers); ones unless set."""
    out: NDArray[np.int64]
    """Flit that leaves at each local output in this cycle, shape (routers, 11)."""
    out_valid: NDArray[np.int64]
    """Whether there is one, shape (routers)."""
    counters: NDArray[np.int64]
    """In the order of ``panther.arch.node.counter_names``, shape (routers, 10); without end. One
    that is cleared in a cycle is set to zero after :func:`move`."""
    held: NDArray[np.int64]
    """Flits in each router, shape (routers)."""
    flits: NDArray[np.int64]
    """One number: flits in the whole mesh."""
    ways: NDArray[np.int64]
    """Output for each tile, shape (routers, tiles)."""
    links: NDArray[np.int64]
    """Router behind each output, or FREE, shape (routers, 5)."""
    moves: NDArray[np.int64]
    """Moves decided on in a cycle, shape (5 routers, 3): router, input, output."""


def make_mesh(params: NodeParams) -> Mesh:
    """An empty mesh as after a reset."""
    routers = params.tiles

    def numbers(*shape: int) -> NDArray[np.int64]:
        return np.zeros((routers, *shape), np.int64)

    row, column = np.divmod(np.arange(routers), params.width)
    here = column[:, None] == column
    ways = np.select(
        [column[:, None] < column, column[:, None] > column, here & (row[:, None] > row),
         here & (row[:, None] < row)],
        [Port.EAST, Port.WEST, Port.NORTH, Port.SOUTH],
        Port.LOCAL,
    ).astype(np.int64)  # fmt: skip
    links = np.full((routers, _PORTS), FREE, np.int64)
    tiles = np.arange(routers)
    links[:, Port.NORTH] = np.where(row > 0, tiles - params.width, FREE)
    links[:, Port.EAST] = np.where(column < params.width - 1, tiles + 1, FREE)
    links[:, Port.SOUTH] = np.where(row < params.height - 1, tiles + params.width, FREE)
    links[:, Port.WEST] = np.where(column > 0, tiles - 1, FREE)
    return Mesh(
        buffers=numbers(_PORTS, ROUTER_FLITS, FLIT_NUMBERS),
        begins=numbers(_PORTS),
        counts=numbers(_PORTS),
        lock=np.full((routers, _PORTS), FREE, np.int64),
        last=np.full((routers, _PORTS), _PORTS - 1, np.int64),
        room=np.full(routers, ROUTER_FLITS, np.int64),
        ready=np.ones(routers, np.int64),
        out=numbers(FLIT_NUMBERS),
        out_valid=numbers(),
        counters=numbers(len(counter_names())),
        held=numbers(),
        flits=np.zeros(1, np.int64),
        ways=ways,
        links=links,
        moves=np.zeros((routers * _PORTS, 3), np.int64),
    )


@compiled
def push(mesh, router, port, flit):  # type: ignore[no-untyped-def]
    """Put a flit into the buffer of an input; there has to be a place free."""
    place = (mesh.begins[router, port] + mesh.counts[router, port]) % ROUTER_FLITS
    into = mesh.buffers[router, port, place]
    for n in range(FLIT_NUMBERS):
        into[n] = flit[n]
    mesh.counts[router, port] += 1
    mesh.held[router] += 1
    mesh.flits[0] += 1


@compiled
def inject(mesh, router, flit):  # type: ignore[no-untyped-def]
    """Take a flit from a tile: after :func:`move`, at most one a cycle, and only if there is room.

    From the next cycle on it is in the buffer of the local input.
    """
    push(mesh, router, Port.LOCAL, flit)


@compiled
def _decide(mesh, router, decided):  # type: ignore[no-untyped-def]
    """List the moves of one router behind those ``decided``; returns how many there are then."""
    # inputs whose first flit wants to go the way of an output, and which of those are heads
    wanted = 0
    heads = 0
    for port in range(_PORTS):
        if mesh.counts[router, port]:
            first = mesh.buffers[router, port, mesh.begins[router, port]]
            wanted |= 1 << (_PORTS * mesh.ways[router, first[Flit.TILE]] + port)
            heads |= first[Flit.HEAD] << port
    for out in range(_PORTS):
        asking = wanted >> (_PORTS * out) & ((1 << _PORTS) - 1)
        if asking == 0:
            continue
        lock = mesh.lock[router, out]
        asking &= heads if lock == FREE else 1 << lock
        if asking == 0:
            continue
        port = mesh.last[router, out]
        while True:
            port = 0 if port == _PORTS - 1 else port + 1
            if asking >> port & 1:
                break
        if out == Port.LOCAL:
            free = mesh.ready[router] != 0
        else:
            free = mesh.counts[mesh.links[router, out], _OPPOSITE[out]] < ROUTER_FLITS
        if not free:
            mesh.counters[router, 2 * out + 1] += 1
            continue
        mesh.counters[router, 2 * out] += 1
        mesh.last[router, out] = port
        first = mesh.buffers[router, port, mesh.begins[router, port]]
        mesh.lock[router, out] = FREE if first[Flit.TAIL] else port
        move = mesh.moves[decided]
        move[0] = router
        move[1] = port
        move[2] = out
        decided += 1
    return decided


@compiled
def move(mesh):  # type: ignore[no-untyped-def]
    """Carry out one cycle of all routers: ``room``, ``out`` and ``out_valid`` are that cycle's."""
    routers = mesh.room.shape[0]
    for router in range(routers):
        mesh.room[router] = ROUTER_FLITS - mesh.counts[router, Port.LOCAL]
        mesh.out_valid[router] = 0
    if mesh.flits[0] == 0:
        return
    # all decide on what is there at the beginning of the cycle, then all move
    decided = 0
    for router in range(routers):
        if mesh.held[router]:
            decided = _decide(mesh, router, decided)
    for n in range(decided):
        router = mesh.moves[n, 0]
        port = mesh.moves[n, 1]
        out = mesh.moves[n, 2]
        begin = mesh.begins[router, port]
        flit = mesh.buffers[router, port, begin]
        if out == Port.LOCAL:
            for number in range(FLIT_NUMBERS):
                mesh.out[router, number] = flit[number]
            mesh.out_valid[router] = 1
        else:
            push(mesh, mesh.links[router, out], _OPPOSITE[out], flit)
        mesh.begins[router, port] = (begin + 1) % ROUTER_FLITS
        mesh.counts[router, port] -= 1
        mesh.held[router] -= 1
        mesh.flits[0] -= 1
