"""Router: flits from five inputs to five outputs, first along a row of the mesh, then a column."""

from amaranth import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.flit import flit_layout
from panther.arch.mcu import COUNTER_BITS
from panther.arch.node import ROUTER_FLITS, NodeParams, Port, counter_names
from panther.arch.tile import TILE_BITS

PORTS = len(Port)
# Inputs from which a flit may come to an output. Nobody turns from a column into a row, and nobody
# goes back where it came from; only a tile may write to itself.
TURNS = {
    Port.LOCAL: tuple(Port),
    Port.NORTH: (Port.LOCAL, Port.EAST, Port.SOUTH, Port.WEST),
    Port.EAST: (Port.LOCAL, Port.WEST),
    Port.SOUTH: (Port.LOCAL, Port.NORTH, Port.EAST, Port.WEST),
    Port.WEST: (Port.LOCAL, Port.EAST),
}


class Router(wiring.Component):
    """Moves at most one flit an output and cycle; see the section of this name in ``docs/node.md``.

    Ports are numbered as in ``Port``. What is ready depends on registers only, so no logic reaches
    from one router into the next but a flit's into the buffer there. While an output is not ready,
    it may offer first one flit and then another: a flit waits in its buffer, not at the output.

    Parameters
    ----------
    params : NodeParams
        Size of the mesh.

    Members
    -------
    column, row : In(8)
        Where in the mesh this router is; constant.
    i : In(stream.Signature(flit_layout())).array(5)
        Flits that come. Their tile lies in the mesh, their way has led along a row first.
        ``ready`` says that there is a place free.
    o : Out(stream.Signature(flit_layout())).array(5)
        Flits that leave.
    clear_counters : In(1)
        Set every counter to zero.
    counter_select : In(range(10))
        Counter to read, in the order of ``panther.arch.node.counter_names``.
    counter_value : Out(32)
        Its count; a cycle's events count from the next cycle on.
    """

    def __init__(self, params: NodeParams) -> None:
        self.params = params
        flits = stream.Signature(flit_layout())
        super().__init__(
            {
                "column": In(unsigned(TILE_BITS)),
                "row": In(unsigned(TILE_BITS)),
                "i": In(flits).array(PORTS),
                "o": Out(flits).array(PORTS),
                "clear_counters": In(1),
                "counter_select": In(range(len(counter_names()))),
                "counter_value": Out(unsigned(COUNTER_BITS)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        layout = flit_layout()
        first = [Signal(layout, name=f"first_{port.name.lower()}") for port in Port]
        heads = Signal(PORTS)
        leaves = Signal(PORTS)
        # bit n of an output's: the first flit of input n goes its way
        ways = [Signal(PORTS, name=f"ways_{port.name.lower()}") for port in Port]
        grants = [Signal(PORTS, name=f"grant_{port.name.lower()}") for port in Port]

        for port in Port:
            held = self._buffer(m, port, first[port], leaves[port])
            # the reciprocal is rounded up, its error is too small for any number of a tile
            up = -(-(1 << 2 * TILE_BITS) // self.params.width)
            row = Signal(TILE_BITS, name=f"row_{port.name.lower()}")
            column = Signal(TILE_BITS, name=f"column_{port.name.lower()}")
            across = Signal(signed(TILE_BITS + 1), name=f"across_{port.name.lower()}")
            down = Signal(signed(TILE_BITS + 1), name=f"down_{port.name.lower()}")
            m.d.comb += [
                row.eq((first[port].tile * up) >> 2 * TILE_BITS),
                column.eq(first[port].tile - row * self.params.width),
                across.eq(column - self.column),
                down.eq(row - self.row),
                heads[port].eq(first[port].head),
            ]
            here = across == 0
            goes = {
                Port.LOCAL: here & (down == 0),
                Port.NORTH: here & (down < 0),
                Port.EAST: across > 0,
                Port.SOUTH: here & (down > 0),
                Port.WEST: across < 0,
            }
            for out, way in goes.items():
                if port in TURNS[out]:
                    m.d.comb += ways[out][port].eq(held & way)

        events = []
        for out in Port:
            events += self._output(m, out, first, ways[out], heads, grants[out])
        for port in Port:
            m.d.comb += leaves[port].eq(
                Cat(grants[out][port] & self.o[out].ready for out in Port).any()
            )
        for n, (name, event) in enumerate(zip(counter_names(), events, strict=True)):
            count = Signal(COUNTER_BITS, name=name.replace(".", "_"))
            with m.If(self.clear_counters):
                m.d.sync += count.eq(0)
            with m.Elif(event):
                m.d.sync += count.eq(count + 1)
            with m.If(self.counter_select == n):
                m.d.comb += self.counter_value.eq(count)
        return m

    def _buffer(self, m: Module, port: Port, first, leaves):  # type: ignore[no-untyped-def]
        """Keep what comes in at ``port``; returns whether there is a first flit."""
        name = port.name.lower()
        flits = Memory(shape=unsigned(first.shape().size), depth=ROUTER_FLITS, init=[])
        m.submodules[f"flits_{name}"] = flits
        write, read = flits.write_port(), flits.read_port(domain="comb")
        end = Signal(range(ROUTER_FLITS), name=f"end_{name}")
        begin = Signal(range(ROUTER_FLITS), name=f"begin_{name}")
        level = Signal(range(ROUTER_FLITS + 1), name=f"level_{name}")
        comes = Signal(name=f"comes_{name}")
        m.d.comb += [
            self.i[port].ready.eq(level != ROUTER_FLITS),
            comes.eq(self.i[port].valid & self.i[port].ready),
            write.en.eq(comes),
            write.addr.eq(end),
            write.data.eq(self.i[port].payload),
            read.addr.eq(begin),
            first.eq(read.data),
        ]
        m.d.sync += [
            end.eq(end + comes),
            begin.eq(begin + leaves),
            level.eq(level + comes - leaves),
        ]
        return level != 0

    def _output(self, m: Module, out: Port, first, ways, heads, grant) -> tuple:  # type: ignore[no-untyped-def]
        """Choose who goes out at ``out``; returns its events: a flit moved, a flit blocked."""
        name = out.name.lower()
        lock = Signal(PORTS, name=f"lock_{name}")
        after = Signal(PORTS, name=f"after_{name}")  # inputs behind the one served last
        wait = Signal(PORTS, name=f"wait_{name}")
        turn = Signal(PORTS, name=f"turn_{name}")
        flit = Signal(flit_layout(), name=f"flit_{name}")
        moves = Signal(name=f"moves_{name}")
        m.d.comb += [
            wait.eq(ways & Mux(lock.any(), lock, heads)),
            turn.eq(Mux((wait & after).any(), wait & after, wait)),
            grant.eq(turn & -turn),
            self.o[out].valid.eq(wait.any()),
            self.o[out].payload.eq(flit),
            moves.eq(self.o[out].valid & self.o[out].ready),
        ]
        with m.Switch(grant):
            for port in TURNS[out]:
                with m.Case(1 << port):
                    m.d.comb += flit.eq(first[port])
        with m.If(moves):
            m.d.sync += [lock.eq(Mux(flit.tail, 0, grant)), after.eq(~(grant | (grant - 1)))]
        return moves, self.o[out].valid & ~self.o[out].ready
