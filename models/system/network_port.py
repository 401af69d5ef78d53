"""The network port of a tile: what goes into its router, one flit a cycle.

Tiles lie side by side: the first axis of every array is the tile.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.system import send_unit
from models.system.compiled import compiled
from models.system.router import Flit
from models.system.send_unit import Sending
from panther.arch.node import NodeParams
from panther.arch.tile import FlitKind

NOTHING = -2
"""No flit."""
ROW = -1
"""The send unit's row; a queue's number stands for its credit."""


class NetworkPort(NamedTuple):
    """All network ports of a node."""

    last: NDArray[np.int64]
    """Queue whose credit went last; shape (tiles)."""
    credits: NDArray[np.int64]
    """Credit flits sent, since the reset."""


def make_network_port(params: NodeParams) -> NetworkPort:
    """As after a reset."""
    return NetworkPort(
        np.full(params.tiles, params.tile.fifos - 1, np.int64), np.zeros(params.tiles, np.int64)
    )


@compiled
def choose(unit, sender, receiver, tile, room, now):  # type: ignore[no-untyped-def]
    """What goes in this cycle: ``ROW``, a queue, or ``NOTHING``; ``room`` in the router."""
    if not room:
        return NOTHING
    row = send_unit.offers(sender, tile, now)
    if sender.state[tile, Sending.WORM] and row:
        return ROW
    fifos = receiver.owed.shape[1]
    for n in range(1, fifos + 1):
        fifo = (unit.last[tile] + n) % fifos
        if receiver.owed[tile, fifo]:
            return fifo
    return ROW if row else NOTHING


@compiled
def put(unit, sender, receiver, tile, choice, now, flit):  # type: ignore[no-untyped-def]
    """Write what was chosen to ``flit``."""
    if choice == ROW:
        send_unit.put_row(sender, tile, now, flit)
        return
    unit.last[tile] = choice
    unit.credits[tile] += 1
    flit[:] = 0
    flit[Flit.HEAD] = 1
    flit[Flit.TAIL] = 1
    flit[Flit.END] = 1
    flit[Flit.KIND] = FlitKind.CREDIT
    flit[Flit.TILE] = receiver.owner[tile, choice]
    flit[Flit.SOURCE] = tile
    flit[Flit.FIFO] = choice
    flit[Flit.DATA] = receiver.owed[tile, choice]
