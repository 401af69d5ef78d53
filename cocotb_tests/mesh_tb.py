"""Mesh against its twin: every flit, in the cycle in which it arrives, and every counter.

Beside that, without the twin: nothing is lost, doubled or out of order, and worms arrive in one
piece.
"""

import math

import cocotb
import numpy as np
from cocotb.triggers import ValueChange
from numpy.typing import NDArray

from cocotb_tests.analog_bridge import Memory
from cocotb_tests.bench.mesh import ENTRY_WORDS, SENDS, TAKES
from cocotb_tests.compare import compare
from cocotb_tests.designs import mesh_parameters
from cocotb_tests.host import reset
from cocotb_tests.traffic import (
    CYCLE,
    FLIT,
    PERIOD,
    TILE,
    Traffic,
    check,
    check_pairs,
    check_shares,
    fair_shares,
    pack_flits,
    pair_traffic,
    play,
    random_traffic,
    unpack_flits,
)
from models.system.router import make_mesh
from panther.arch.node import counter_names

LIMIT = 20_000
"""Cycles in which everything has arrived."""
APART = 20
"""More cycles than a flit is under way on an idle mesh."""
SATURATED = (100, 400)
"""Cycles in which all senders to a hot spot wait for each other."""


class Driver:
    """A mesh on its bench; made after :func:`cocotb_tests.host.reset`."""

    def __init__(self, dut) -> None:
        self.params = mesh_parameters()
        network = dut.network0
        ports = [getattr(network, f"port{tile}") for tile in range(self.params.tiles)]
        self._scripts = [Memory(port, "script", width=ENTRY_WORDS, count=SENDS) for port in ports]
        self._lengths = [Memory(port, "length") for port in ports]
        self._logs = [Memory(port, "log", width=ENTRY_WORDS, count=TAKES) for port in ports]
        self._counts = [Memory(port, "count") for port in ports]
        run = network.run
        counters = len(counter_names()) * self.params.tiles
        self._patterns = Memory(run, "patterns", count=PERIOD)
        self._counters = Memory(run, "counters", count=counters)
        self._go, self._wanted = Memory(run, "go"), Memory(run, "wanted")
        self._limit = Memory(run, "limit")
        self._done = ValueChange(run.done_toggle)

    async def play(self, traffic: Traffic, limit: int) -> NDArray[np.int64]:
        """Have the hardware carry everything; returns its log as :func:`traffic.play` does."""
        for tile, flits in enumerate(traffic.sent):
            pauses = traffic.pauses[tile].astype(np.uint32)[:, None]
            entries = np.concatenate([pauses, pack_flits(flits)], axis=1)
            self._scripts[tile].write(entries)
            self._lengths[tile].write(np.array([[len(entries)]]))
        ready = traffic.ready @ (1 << np.arange(self.params.tiles, dtype=np.int64))
        self._patterns.write(ready.astype(np.uint32)[:, None])
        self._wanted.write(np.array([[traffic.flits]]))
        self._limit.write(np.array([[limit]]))
        self._go.write(np.array([[1]]))
        await self._done
        logs = []
        for tile, memory in enumerate(self._logs):
            count = int(self._counts[tile].read()[0, 0])
            assert count <= TAKES, f"tile {tile} must log at most {TAKES} flits, not {count}"
            entries = memory.read(0, count)
            log = np.zeros((count, FLIT), np.int64)
            log[:, CYCLE], log[:, TILE] = entries[:, 0], tile
            logs.append(np.concatenate([log, unpack_flits(entries[:, 1:])], axis=1))
        joined = np.concatenate(logs)
        return joined[np.lexsort((joined[:, TILE], joined[:, CYCLE]))]

    def counters(self) -> NDArray[np.int64]:
        """Counters of every router after the last run, shape (routers, 10)."""
        counters = self._counters.read().astype(np.int64)
        return counters.reshape(-1, self.params.tiles).T


class Pair:
    """A mesh in hardware and its twin."""

    def __init__(self, dut) -> None:
        self.rtl, self.twin = Driver(dut), make_mesh(mesh_parameters())

    async def carry(self, traffic: Traffic) -> NDArray[np.int64]:
        """Have both carry everything and compare; returns the log."""
        self.twin.counters[:] = 0
        golden = play(self.twin, traffic, LIMIT)
        rtl = await self.rtl.play(traffic, LIMIT)
        both = min(len(golden), len(rtl))
        axes = ("arrival", "number")
        compare("Mesh", "cycle, tile and flit", golden[:both], rtl[:both], axes)
        compare("Mesh", "arrivals", len(golden), len(rtl))
        compare("Mesh", "flits that came, of all", traffic.flits, len(rtl))
        compare("Mesh", "counters", self.twin.counters, self.rtl.counters(), ("router", "counter"))
        check(traffic, rtl)
        return rtl


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.3], stall=[0.0, 0.5])
async def random_worms_arrive(dut, pause, stall):
    rng = np.random.default_rng(cocotb.RANDOM_SEED)
    params = mesh_parameters()
    await reset(dut)
    # what is under way at a reset is gone, and leaves nothing behind
    await Driver(dut).play(random_traffic(rng, params, flits=60, stall=0.9), 50)
    await reset(dut)
    pair = Pair(dut)
    most = 1250 if params.tiles == 16 and pause and stall else 120
    for worm, flits in ((8, most), (1, 60), (3, 60)):
        await pair.carry(
            random_traffic(rng, params, flits=flits, worm=worm, pause=pause, stall=stall)
        )


@cocotb.test()
async def patterns_arrive(dut):
    rng = np.random.default_rng(cocotb.RANDOM_SEED)
    params = mesh_parameters()
    width, tiles = params.width, params.tiles
    await reset(dut)
    pair = Pair(dut)
    for to in (
        lambda tile: tiles - 1 - tile,
        lambda tile: (tile % width * width + tile // width) % tiles,
        lambda tile: 0,
    ):
        await pair.carry(random_traffic(rng, params, flits=60, to=to))


@cocotb.test()
async def an_idle_mesh_takes_a_cycle_for_each_hop(dut):
    rng = np.random.default_rng(cocotb.RANDOM_SEED)
    params = mesh_parameters()
    await reset(dut)
    log = await Pair(dut).carry(pair_traffic(rng, params, APART))
    check_pairs(params, log, APART)


@cocotb.test()
async def a_hot_spot_serves_its_senders_in_turn(dut):
    rng = np.random.default_rng(cocotb.RANDOM_SEED)
    params = mesh_parameters()
    tile = int(rng.integers(params.tiles))
    await reset(dut)
    pair = Pair(dut)
    flits = math.ceil(max(fair_shares(params, tile)) * SATURATED[1])
    log = await pair.carry(random_traffic(rng, params, flits=flits, to=lambda _: tile, worm=1))
    check_shares(params, log, tile, *SATURATED)
