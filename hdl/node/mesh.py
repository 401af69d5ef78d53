"""Mesh: a router for every tile, and the links between them."""

from amaranth import Module, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect

from hdl.flit import flit_layout
from hdl.node.router import Router
from panther.arch.mcu import COUNTER_BITS
from panther.arch.node import NodeParams, Port, counter_names


class Mesh(wiring.Component):
    """Brings flits from tile to tile; see ``docs/node.md``.

    Parameters
    ----------
    params : NodeParams
        Size.

    Members
    -------
    i : In(stream.Signature(flit_layout())).array(tiles)
        Flits of each tile. Their ``tile`` lies in the mesh; a worm's flits have the same one.
    o : Out(stream.Signature(flit_layout())).array(tiles)
        Flits for each tile. The network may stop as long as one is not ready.
    clear_counters : In(tiles)
        Set the counters of tile n's router to zero: bit n.
    counter_select : In(range(10))
        Counter to read, in the order of ``panther.arch.node.counter_names``.
    counter_value : Out(32).array(tiles)
        Its count in each tile's router.
    """

    def __init__(self, params: NodeParams) -> None:
        self.params = params
        flits = stream.Signature(flit_layout())
        super().__init__(
            {
                "i": In(flits).array(params.tiles),
                "o": Out(flits).array(params.tiles),
                "clear_counters": In(unsigned(params.tiles)),
                "counter_select": In(range(len(counter_names()))),
                "counter_value": Out(unsigned(COUNTER_BITS)).array(params.tiles),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        width, height = self.params.width, self.params.height
        routers = []
        for tile in range(self.params.tiles):
            m.submodules[f"router{tile}"] = router = Router(self.params)
            routers.append(router)
            m.d.comb += [
                router.column.eq(tile % width),
                router.row.eq(tile // width),
                router.clear_counters.eq(self.clear_counters[tile]),
                router.counter_select.eq(self.counter_select),
                self.counter_value[tile].eq(router.counter_value),
            ]
            connect(m, router.i[Port.LOCAL], wiring.flipped(self.i[tile]))
            connect(m, router.o[Port.LOCAL], wiring.flipped(self.o[tile]))
        # nothing comes in at the edges, and no flit goes out there
        for tile, router in enumerate(routers):
            if tile % width != width - 1:
                _link(m, router, Port.EAST, routers[tile + 1], Port.WEST)
            if tile // width != height - 1:
                _link(m, router, Port.SOUTH, routers[tile + width], Port.NORTH)
        return m


def _link(m: Module, router: Router, port: Port, other: Router, opposite: Port) -> None:
    connect(m, router.o[port], other.i[opposite])
    connect(m, other.o[opposite], router.i[port])
