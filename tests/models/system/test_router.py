"""The network at transaction level: nothing is lost, nobody waits for ever, a hop takes a cycle."""

import math

import numpy as np
import pytest
from numba import njit

from cocotb_tests import compare
from cocotb_tests.traffic import check, check_shares, fair_shares, play, random_traffic
from models.system.router import FLIT_NUMBERS, FREE, Flit, inject, make_mesh, move
from panther.arch.node import ROUTER_FLITS, NodeParams, Port, counter_names
from panther.arch.tile import WORM_ROWS

SEED = 1
SATURATED = (200, 800)
"""Cycles in which all senders to a hot spot wait for each other."""
PATIENCE = 2000
"""Cycles without an arrival after which the mesh counts as stuck."""


@pytest.fixture(autouse=True)
def _no_simulator(monkeypatch):
    monkeypatch.setattr(compare, "get_sim_time", lambda unit: 0)


def mesh_of(width, height):
    params = NodeParams(width=width, height=height)
    return params, make_mesh(params)


def flit(source, tile, number=0, head=1, tail=1):
    made = np.zeros(FLIT_NUMBERS, np.int64)
    made[[Flit.HEAD, Flit.TAIL, Flit.TILE, Flit.SOURCE, Flit.DATA]] = (
        head, tail, tile, source, number,
    )  # fmt: skip
    return made


def counter(mesh, router, name):
    return int(mesh.counters[router, counter_names().index(name)])


# ---- by hand


def test_a_tile_that_is_not_ready_blocks_its_own_flits():
    _, mesh = mesh_of(1, 1)
    mesh.ready[0] = 0
    for number in range(ROUTER_FLITS):
        move(mesh)
        assert mesh.room[0] == ROUTER_FLITS - number
        inject(mesh, 0, flit(0, 0, number))
    move(mesh)
    assert mesh.room[0] == 0
    # blocked in every cycle from the one after the first flit came
    assert counter(mesh, 0, "local.blocked") == ROUTER_FLITS
    mesh.ready[0] = 1
    for number in range(ROUTER_FLITS):
        move(mesh)
        assert mesh.room[0] == number
        assert mesh.out_valid[0] == 1
        assert mesh.out[0, Flit.DATA] == number
    move(mesh)
    assert mesh.out_valid[0] == 0
    assert mesh.flits[0] == 0
    assert mesh.room[0] == ROUTER_FLITS
    assert counter(mesh, 0, "local.flits") == ROUTER_FLITS


def test_a_place_left_is_free_in_the_next_cycle():
    _, mesh = mesh_of(2, 1)
    mesh.ready[1] = 0
    sent = []
    for cycle in range(20):
        mesh.ready[1] = cycle >= 12
        move(mesh)
        if mesh.room[0]:
            inject(mesh, 0, flit(0, 1, cycle))
            sent.append(cycle)
    # four places here and four there; in cycle 12 the first one leaves, in 13 the place there is
    # taken, in 14 the place here
    assert sent == [*range(8), *range(14, 20)]
    assert counter(mesh, 0, "east.blocked") == 12 - 4
    assert counter(mesh, 0, "east.flits") == 4 + 7


def test_the_first_input_after_the_last_one_is_served():
    _, mesh = mesh_of(3, 3)
    by_tile = {4: Port.LOCAL, 1: Port.NORTH, 5: Port.EAST, 7: Port.SOUTH, 3: Port.WEST}
    order = []
    for _ in range(14):
        move(mesh)
        if mesh.out_valid[4]:
            order.append(by_tile[mesh.out[4, Flit.SOURCE]])
        for tile in by_tile:
            if mesh.room[tile]:
                inject(mesh, tile, flit(tile, 4))
    assert order == [*Port, *Port, *Port][: len(order)]
    assert len(order) == 13


def test_a_worm_keeps_its_output():
    _, mesh = mesh_of(3, 1)
    came = []
    for cycle in range(12):
        move(mesh)
        if mesh.out_valid[1]:
            came.append((cycle, int(mesh.out[1, Flit.SOURCE])))
        # a worm of three flits that come late; the other sender has flits all the time
        if cycle in (0, 4, 8):
            inject(mesh, 0, flit(0, 1, head=cycle == 0, tail=cycle == 8))
        if mesh.room[2]:
            inject(mesh, 2, flit(2, 1))
    assert came == [(2, 2), (3, 0), (6, 0), (10, 0), (11, 2)]


# ---- what is always true


@njit
def _soak(mesh, seed, flits, longest):  # type: ignore[no-untyped-def]
    """Carry random worms among all tiles, each of which stops taking flits now and then.

    Returns what is wrong, 0 if nothing is, then cycles and flits that arrived.
    """
    np.random.seed(seed)
    tiles = mesh.room.shape[0]
    sent = np.zeros((tiles, tiles), np.int64)
    came = np.zeros((tiles, tiles), np.int64)
    left = np.zeros(tiles, np.int64)
    to = np.zeros(tiles, np.int64)
    worm = np.full(tiles, -1, np.int64)
    flit = np.zeros(FLIT_NUMBERS, np.int64)
    begun = 0
    arrived = 0
    still = 0
    cycle = 0
    while begun < flits or left.any() or mesh.flits[0]:
        for tile in range(tiles):
            if np.random.random() < (0.1 if mesh.ready[tile] else 0.15):
                mesh.ready[tile] = 1 - mesh.ready[tile]
        move(mesh)
        cycle += 1
        still += 1
        for tile in range(tiles):
            if mesh.out_valid[tile] == 0:
                continue
            out = mesh.out[tile]
            source = out[Flit.SOURCE]
            if out[Flit.TILE] != tile:
                return 1, cycle, arrived
            if out[Flit.DATA] != came[source, tile]:
                return 2, cycle, arrived
            if out[Flit.DATA + 3] != ~(out[Flit.DATA] * tiles + source):
                return 3, cycle, arrived
            if (worm[tile] == -1) != (out[Flit.HEAD] == 1):
                return 4, cycle, arrived
            if worm[tile] != -1 and worm[tile] != source:
                return 5, cycle, arrived
            worm[tile] = -1 if out[Flit.TAIL] else source
            came[source, tile] += 1
            arrived += 1
            still = 0
        if still > PATIENCE:
            return 6, cycle, arrived
        for tile in range(tiles):
            if mesh.room[tile] == 0 or np.random.random() < 0.2:
                continue
            head = left[tile] == 0
            if head:
                # a worm that has begun goes on after the last flit that was asked for
                if begun >= flits:
                    continue
                left[tile] = np.random.randint(1, longest + 1)
                to[tile] = np.random.randint(tiles)
                begun += left[tile]
            left[tile] -= 1
            number = sent[tile, to[tile]]
            sent[tile, to[tile]] += 1
            flit[Flit.HEAD] = head
            flit[Flit.TAIL] = left[tile] == 0
            flit[Flit.TILE] = to[tile]
            flit[Flit.SOURCE] = tile
            flit[Flit.DATA] = number
            flit[Flit.DATA + 3] = ~(number * tiles + tile)
            inject(mesh, tile, flit)
    return (0 if (sent == came).all() and arrived == begun else 7), cycle, arrived


WRONG = {
    1: "a flit came to the wrong tile",
    2: "a flit is lost, doubled or out of order",
    3: "a flit changed",
    4: "a worm does not begin with a head",
    5: "worms are mixed",
    6: "the mesh is stuck",
    7: "flits are lost at the end",
}


def test_a_million_flits_arrive():
    _, mesh = mesh_of(4, 4)
    wrong, cycle, arrived = _soak(mesh, SEED, 1_000_000, WORM_ROWS)
    assert not wrong, f"{WRONG[wrong]} in cycle {cycle} after {arrived} flits, seed {SEED}"
    assert arrived >= 1_000_000
    assert mesh.counters[:, counter_names().index("local.flits")].sum() == arrived
    assert (mesh.counts == 0).all()
    assert (mesh.room == ROUTER_FLITS).all()
    assert (mesh.lock == FREE).all()


@pytest.mark.parametrize(("width", "height"), [(16, 16), (5, 3), (1, 9), (9, 1)])
def test_an_idle_mesh_takes_a_cycle_for_each_hop(width, height):
    params, mesh = mesh_of(width, height)
    rng = np.random.default_rng(SEED)
    pairs = rng.integers(params.tiles, size=(200, 2)).tolist()
    for source, tile in [*pairs, (0, params.tiles - 1), (params.tiles - 1, 0), (0, 0)]:
        move(mesh)
        inject(mesh, source, flit(source, tile))
        cycles = 0
        while not mesh.out_valid[tile] and cycles < 100:
            move(mesh)
            cycles += 1
        assert cycles == params.hops(source, tile) + 1, (source, tile)
        assert mesh.out[tile, Flit.SOURCE] == source


@pytest.mark.parametrize("worm", [1, WORM_ROWS])
@pytest.mark.parametrize("tile", [0, 5, 11])
def test_a_hot_spot_serves_its_senders_in_turn(tile, worm):
    params, mesh = mesh_of(4, 4)
    shares = fair_shares(params, tile)
    assert sum(shares) == 1
    flits = 2 * math.ceil(max(shares) * SATURATED[1])
    rng = np.random.default_rng(SEED)
    traffic = random_traffic(rng, params, flits=flits, to=lambda _: tile, worm=worm)
    log = play(mesh, traffic, 20 * flits)
    check(traffic, log)
    check_shares(params, log, tile, *SATURATED, worm)


@pytest.mark.parametrize("pattern", ["complement", "transpose"])
def test_worst_patterns_arrive(pattern):
    params, mesh = mesh_of(4, 4)
    to = {"complement": lambda tile: 15 - tile, "transpose": lambda tile: tile % 4 * 4 + tile // 4}
    rng = np.random.default_rng(SEED)
    traffic = random_traffic(rng, params, flits=200, to=to[pattern])
    log = play(mesh, traffic, 20_000)
    check(traffic, log)
