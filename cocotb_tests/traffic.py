"""Flits for a mesh, how its twin carries them, and what must be true of those that come."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from cocotb_tests.compare import compare
from models.system.router import FLIT_NUMBERS, Flit, Mesh, inject, move
from panther.arch.node import NodeParams
from panther.arch.tile import FLIT_FIELDS, WORM_ROWS

FLIT_BITS = sum(FLIT_FIELDS.values())
FLIT_WORDS = -(-FLIT_BITS // 32)
PERIOD = 1024
"""Cycles after which the pattern of who is ready repeats."""
CYCLE, TILE, FLIT = 0, 1, 2
"""Columns of a log: the cycle of an arrival, the tile, and the first of the flit's numbers."""


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What every tile sends, in order, and when it is ready to receive."""

    sent: list[NDArray[np.int64]]
    """Flits of each tile, shape (flits, 11)."""
    pauses: list[NDArray[np.int64]]
    """How many cycles after the one before it a flit is offered at the earliest, shape (flits)."""
    ready: NDArray[np.bool_]
    """Which tiles are ready in which cycle, shape (PERIOD, tiles)."""

    @property
    def flits(self) -> int:
        """Flits in all."""
        return sum(map(len, self.sent))


def random_traffic(
    rng: np.random.Generator,
    params: NodeParams,
    *,
    flits: int,
    to: Callable[[int], int] | None = None,
    worm: int = WORM_ROWS,
    pause: float = 0.0,
    stall: float = 0.0,
) -> Traffic:
    """Worms of random length and content.

    Parameters
    ----------
    rng
        Source of randomness.
    params
        The mesh.
    flits
        How many each tile sends.
    to
        Tile to which each tile sends; any if there is none.
    worm
        Longest worm.
    pause
        Chance that a flit comes late, up to eight cycles, within a worm too.
    stall
        Chance that a tile is not ready in a cycle.
    """
    sent, pauses = [], []
    for tile in range(params.tiles):
        lines = rng.integers(-(1 << 63), 1 << 63, (flits, FLIT_NUMBERS), np.int64)
        for name in ("end", "kind", "fifo"):
            lines[:, Flit[name.upper()]] &= (1 << FLIT_FIELDS[name]) - 1
        lines[:, Flit.SOURCE] = tile
        lines[:, [Flit.HEAD, Flit.TAIL]] = 0
        begin = 0
        while begin < flits:
            end = min(begin + int(rng.integers(1, worm + 1)), flits)
            lines[begin:end, Flit.TILE] = rng.integers(params.tiles) if to is None else to(tile)
            lines[begin, Flit.HEAD] = lines[end - 1, Flit.TAIL] = 1
            begin = end
        sent.append(lines)
        pauses.append(np.where(rng.random(flits) < pause, rng.integers(1, 9, flits), 0))
    return Traffic(sent=sent, pauses=pauses, ready=rng.random((PERIOD, params.tiles)) >= stall)


def pair_traffic(rng: np.random.Generator, params: NodeParams, apart: int) -> Traffic:
    """One flit from every tile to every tile, one after the other, ``apart`` cycles apart.

    Flit n from tile t to tile u, n = t * tiles + u, is offered in cycle n * apart.
    """
    traffic = random_traffic(rng, params, flits=params.tiles, worm=1)
    for tile, (flits, pauses) in enumerate(zip(traffic.sent, traffic.pauses, strict=True)):
        flits[:, Flit.TILE] = np.arange(params.tiles)
        pauses[:] = apart - 1
        pauses[0] = tile * params.tiles * apart
    return traffic


def check_pairs(params: NodeParams, log: NDArray[np.int64], apart: int) -> None:
    """On an idle mesh a flit across h links leaves the last router h + 1 cycles after it came."""
    source, tile = log[:, FLIT + Flit.SOURCE], log[:, TILE]
    hops = [params.hops(int(a), int(b)) for a, b in zip(source, tile, strict=True)]
    golden = (source * params.tiles + tile) * apart + np.array(hops) + 1
    compare("Mesh", "cycle of arrival, idle", golden, log[:, CYCLE], ("arrival",))


def fair_shares(params: NodeParams, tile: int) -> list[Fraction]:
    """What each sender has of a tile to which all of them send as much as they can.

    Every router on the way serves the inputs from which something comes in turn.
    """

    def following(at: int) -> int:
        step = 1 if at % params.width < tile % params.width else -1
        if at % params.width == tile % params.width:
            step = params.width if at < tile else -params.width
        return at + step

    inputs = [1] * params.tiles
    for at in range(params.tiles):
        if at != tile:
            inputs[following(at)] += 1
    shares = []
    for sender in range(params.tiles):
        share, at = Fraction(1, inputs[sender]), sender
        while at != tile:
            at = following(at)
            share /= inputs[at]
        shares.append(share)
    return shares


def check_shares(
    params: NodeParams, log: NDArray[np.int64], tile: int, begin: int, end: int, worm: int = 1
) -> None:
    """No sender waits longer than its fair share says, where all send worms to ``tile``.

    From cycle ``begin`` to cycle ``end`` all of them have to have something to send. A turn takes
    as many cycles as the longest worm has flits, ``worm``.
    """
    inside = (log[:, CYCLE] >= begin) & (log[:, CYCLE] < end)
    compare("Mesh", "flits at the hot spot", end - begin, int(inside.sum()))
    for sender, share in enumerate(fair_shares(params, tile)):
        cycles = log[inside & (log[:, FLIT + Flit.SOURCE] == sender), CYCLE]
        waits = np.diff(np.concatenate([[begin - 1], cycles, [end]]))
        bound = math.ceil(worm / share)
        assert waits.max() <= bound, (
            f"sender {sender} must wait at most {bound} cycles for tile {tile}, not {waits.max()}"
        )


def play(mesh: Mesh, traffic: Traffic, limit: int) -> NDArray[np.int64]:
    """Have the twin carry everything; returns its log, shape (arrivals, 13), by cycle and tile.

    It ends when all has arrived, or after ``limit`` cycles.
    """
    log: list[NDArray[np.int64]] = []
    following = [0] * len(traffic.sent)
    left = [int(pauses[0]) if len(pauses) else 0 for pauses in traffic.pauses]
    for cycle in range(limit):
        mesh.ready[:] = traffic.ready[cycle % PERIOD]
        move(mesh)
        for tile in np.flatnonzero(mesh.out_valid):
            log.append(np.concatenate([[cycle, tile], mesh.out[tile]]))
        for tile, flits in enumerate(traffic.sent):
            if left[tile]:
                left[tile] -= 1
            elif following[tile] < len(flits) and mesh.room[tile]:
                inject(mesh, tile, flits[following[tile]])
                following[tile] += 1
                if following[tile] < len(flits):
                    left[tile] = int(traffic.pauses[tile][following[tile]])
        if len(log) == traffic.flits:
            break
    return np.array(log, np.int64).reshape(-1, FLIT + FLIT_NUMBERS)


def check(traffic: Traffic, log: NDArray[np.int64]) -> None:
    """Nothing lost, changed, doubled or out of order between two tiles; worms in one piece.

    Raises
    ------
    Divergence
        With what should have come, and what did.
    """
    sent = np.concatenate(traffic.sent)
    come = log[:, FLIT:]
    compare("Mesh", "tiles of the flits that came", log[:, TILE], come[:, Flit.TILE], ("arrival",))
    by_pair = [
        flits[np.lexsort((flits[:, Flit.SOURCE], flits[:, Flit.TILE]))] for flits in (sent, come)
    ]
    compare("Mesh", "flits between two tiles", *by_pair, ("flit", "number"))
    for tile in np.unique(log[:, TILE]):
        flits = come[log[:, TILE] == tile]
        tails = np.concatenate([[1], flits[:-1, Flit.TAIL]])
        compare("Mesh", f"heads at tile {tile}", tails, flits[:, Flit.HEAD], ("flit",))
        inside = np.flatnonzero(flits[:, Flit.HEAD] == 0)
        source = flits[:, Flit.SOURCE]
        compare("Mesh", f"worms at tile {tile}", source[inside - 1], source[inside], ("flit",))


def pack_flits(flits: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Flits as the words of a port, shape (flits, FLIT_WORDS), from their numbers."""
    raw = np.unpackbits(
        np.ascontiguousarray(flits, "<i8").view(np.uint8), axis=1, bitorder="little"
    )
    parts = []
    for name, bits in FLIT_FIELDS.items():
        offset = 64 * Flit[name.upper()]
        parts.append(raw[:, offset : offset + bits])
    padding = np.zeros((len(flits), 32 * FLIT_WORDS - FLIT_BITS), np.uint8)
    packed = np.packbits(np.concatenate([*parts, padding], axis=1), axis=1, bitorder="little")
    return packed.view("<u4")


def unpack_flits(words: NDArray[np.uint32]) -> NDArray[np.int64]:
    """The numbers of flits given as :func:`pack_flits` gives them, shape (flits, 11)."""
    raw = np.unpackbits(
        np.ascontiguousarray(words, "<u4").view(np.uint8), axis=1, bitorder="little"
    )
    flits = np.zeros((len(words), FLIT_NUMBERS, 64), np.uint8)
    offset = 0
    for name, bits in FLIT_FIELDS.items():
        number, count = Flit[name.upper()], -(-bits // 64)
        field = raw[:, offset : offset + bits].reshape(len(words), count, bits // count)
        flits[:, number : number + count, : bits // count] = field
        offset += bits
    packed = np.packbits(flits.reshape(len(words), 64 * FLIT_NUMBERS), axis=1, bitorder="little")
    return packed.view("<i8")
