"""Router against its twin, pin by pin and cycle by cycle: random worms at all inputs, every output
now and then not ready.

Of the twin's mesh only the router under test is used; its neighbours are emptied or filled in every
cycle, so that they are ready or not.
"""

import random

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.compare import compare
from cocotb_tests.designs import mesh_parameters
from cocotb_tests.drivers import Pauses, start
from cocotb_tests.pins import compare_pins, read
from cocotb_tests.traffic import FLIT_WORDS, pack_flits
from hdl.node.router import TURNS
from models.system.router import FLIT_NUMBERS, FREE, Flit, make_mesh, move, push
from panther.arch.node import ROUTER_FLITS, Port, counter_names
from panther.arch.tile import FLIT_FIELDS

CYCLES = 500
OPPOSITE = {
    Port.NORTH: Port.SOUTH, Port.EAST: Port.WEST, Port.SOUTH: Port.NORTH, Port.WEST: Port.EAST,
}  # fmt: skip
INPUTS = (
    "column", "row", "clear_counters", "counter_select",
    *(f"i__{port}__{what}" for port in range(5) for what in ("payload", "valid")),
    *(f"o__{port}__ready" for port in range(5)),
)  # fmt: skip


def packed(flits) -> list[int]:
    """Flits as a port has them."""
    raw = pack_flits(np.array(flits, np.int64).reshape(-1, FLIT_NUMBERS)).tobytes()
    size = 4 * FLIT_WORDS
    return [int.from_bytes(raw[at : at + size], "little") for at in range(0, len(raw), size)]


class Source:
    """Worms for one input, to tiles whose way leads through it."""

    def __init__(self, rng: random.Random, tiles: list[int], pauses: Pauses) -> None:
        self.rng, self.tiles, self.pauses = rng, tiles, pauses
        self.left = 0
        self.tile = 0
        self.flit: list[int] | None = None

    def offer(self) -> list[int] | None:
        """The flit offered in this cycle; it stays until it is taken."""
        if self.flit is None and self.tiles and not self.pauses:
            head = self.left == 0
            if head:
                self.left, self.tile = self.rng.randint(1, 8), self.rng.choice(self.tiles)
            self.left -= 1
            values = [self.rng.getrandbits(64) - (1 << 63) for _ in range(FLIT_NUMBERS)]
            for name, bits in FLIT_FIELDS.items():
                if bits < 64:
                    values[Flit[name.upper()]] &= (1 << bits) - 1
            values[Flit.HEAD], values[Flit.TAIL] = head, self.left == 0
            values[Flit.TILE] = self.tile
            self.flit = values
        return self.flit


class Twin:
    """One router of a mesh whose neighbours are as ready as they are told to be."""

    def __init__(self, number: int) -> None:
        self.number, self.mesh = number, make_mesh(mesh_parameters())
        self.neighbours = {
            port: int(self.mesh.links[number, port])
            for port in OPPOSITE
            if self.mesh.links[number, port] != FREE
        }

    @property
    def ports(self) -> list[Port]:
        """Ports that lead somewhere."""
        return [Port.LOCAL, *self.neighbours]

    def room(self, port: Port) -> bool:
        return bool(self.mesh.counts[self.number, port] < ROUTER_FLITS)

    def sources(self, port: Port) -> list[int]:
        """Tiles to which a flit may come in at ``port``."""
        ways = self.mesh.ways[self.number]
        outs = [out for out, inputs in TURNS.items() if port in inputs]
        return [tile for tile, way in enumerate(ways) if way in outs]

    def step(self, ready: dict[Port, bool], flits: dict[Port, list[int]]) -> dict[Port, list[int]]:
        """One cycle; returns what leaves at each output."""
        mesh = self.mesh
        mesh.ready[self.number] = ready[Port.LOCAL]
        for port, router in self.neighbours.items():
            mesh.counts[router] = 0 if ready[port] else ROUTER_FLITS
            mesh.begins[router] = 0
            # whoever has no flit is not looked at
            mesh.held[router] = 0
        move(mesh)
        left = {}
        if mesh.out_valid[self.number]:
            left[Port.LOCAL] = mesh.out[self.number].tolist()
        for port, router in self.neighbours.items():
            if mesh.held[router]:
                left[port] = mesh.buffers[router, OPPOSITE[port], 0].tolist()
        for port, flit in flits.items():
            push(mesh, self.number, port, np.array(flit, np.int64))
        return left


@cocotb.test()
@cocotb.parametrize(pause=[0.1, 0.7], stall=[0.0, 0.6])
async def flits_leave_in_their_cycle(dut, pause, stall):
    rng = random.Random(cocotb.RANDOM_SEED)
    params = mesh_parameters()
    names = counter_names()
    middle = params.tiles // 2
    await start(dut, *INPUTS)
    for number in dict.fromkeys((middle, 0, params.tiles - 1)):
        # flits of the last place are still inside
        dut.rst.value = 1
        await FallingEdge(dut.clk)
        dut.rst.value = 0
        twin, pauses = Twin(number), Pauses(rng, stall)
        dut.column.value, dut.row.value = number % params.width, number // params.width
        inputs = {port: Source(rng, twin.sources(port), Pauses(rng, pause)) for port in twin.ports}
        moved = 0
        for cycle in range(CYCLES):
            where = f"router {number}, cycle {cycle}"
            ready = {port: not pauses for port in Port}
            offered = {port: flit for port in twin.ports if (flit := inputs[port].offer())}
            clear, select = rng.random() < 0.01, rng.randrange(len(names))
            dut.clear_counters.value, dut.counter_select.value = clear, select
            for port in Port:
                getattr(dut, f"o__{port:d}__ready").value = ready[port]
                getattr(dut, f"i__{port:d}__valid").value = port in offered
            for port, bits in zip(offered, packed(list(offered.values())), strict=True):
                getattr(dut, f"i__{port:d}__payload").value = bits
            await RisingEdge(dut.clk)
            room = {f"i__{port:d}__ready": twin.room(port) for port in Port}
            count = int(twin.mesh.counters[number, select]) % (1 << 32)
            compare_pins("Router", where, dut, **room, counter_value=count)
            taken = {port: flit for port, flit in offered.items() if twin.room(port)}
            left = twin.step(ready, taken)
            for port in Port:
                leaves = ready[port] and read(getattr(dut, f"o__{port:d}__valid"))
                compare("Router", f"{where}, flit at {port.name}", port in left, leaves)
            for port, bits in zip(left, packed(list(left.values())), strict=True):
                compare_pins("Router", where, dut, **{f"o__{port:d}__payload": bits})
            for port in taken:
                inputs[port].flit = None
            moved += len(left)
            if clear:
                twin.mesh.counters[number] = 0
            await FallingEdge(dut.clk)
        assert moved > CYCLES // 4, f"more than {CYCLES // 4} flits must leave, not {moved}"


@cocotb.test()
async def a_worm_begins_with_its_head(dut):
    number = mesh_parameters().tiles // 2
    headless, whole = (
        [head, 1, *([0] * (Flit.TILE - 2)), number, *([0] * (FLIT_NUMBERS - Flit.TILE - 1))]
        for head in (0, 1)
    )
    await start(dut, *INPUTS)
    dut.column.value = number % mesh_parameters().width
    dut.row.value = number // mesh_parameters().width
    dut.i__0__payload.value, dut.i__4__payload.value = packed([headless, whole])
    dut.i__0__valid.value = 1
    for cycle in range(10):
        dut.i__4__valid.value = cycle == 5
        await RisingEdge(dut.clk)
        # it waits for ever, the other does not wait for it
        compare_pins("Router", f"headless, cycle {cycle}", dut, o__0__valid=cycle > 5)
        await FallingEdge(dut.clk)
