"""Network port: what a tile puts into its router, and what comes out."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.flit import flit_layout
from hdl.tile.receive_unit import credit_layout
from hdl.tile.send_unit import ROWS_BITS
from panther.arch.tile import FIFO_BITS, TILE_BITS, FlitKind


class NetworkPort(wiring.Component):
    """Combinational. A worm that has begun goes first, then credits, then the head of a worm.

    Members
    -------
    number : In(8)
        Of this tile.
    row : In(stream.Signature(flit_layout()))
        Rows of the send unit, without their source.
    worm : In(1)
        The row goes on with a worm.
    credit : In(stream.Signature(credit_layout()))
        Credits of the receive unit.
    o_flit : Out(stream.Signature(flit_layout()))
        To the router. ``valid`` only when it is ready: a credit may come before a row that had to
        wait.
    i_flit : In(stream.Signature(flit_layout()))
        From the router; never waits.
    o_row : Out(stream.Signature(flit_layout()))
        Rows for the receive unit, which is always ready.
    returned, returned_tile, returned_fifo, returned_rows : Out(1), Out(8), Out(4), Out(7)
        Credits for the send unit: so many rows have left a queue.
    """

    row: stream.Interface
    credit: stream.Interface
    o_flit: stream.Interface
    i_flit: stream.Interface
    o_row: stream.Interface

    def __init__(self) -> None:
        flits = stream.Signature(flit_layout())
        super().__init__(
            {
                "number": In(unsigned(TILE_BITS)),
                "row": In(flits),
                "worm": In(1),
                "credit": In(stream.Signature(credit_layout())),
                "o_flit": Out(flits),
                "i_flit": In(flits),
                "o_row": Out(flits),
                "returned": Out(1),
                "returned_tile": Out(unsigned(TILE_BITS)),
                "returned_fifo": Out(unsigned(FIFO_BITS)),
                "returned_rows": Out(unsigned(ROWS_BITS)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        out, come = self.o_flit, self.i_flit
        tells = Signal()
        credit = {
            "head": 1,
            "tail": 1,
            "end": 1,
            "kind": FlitKind.CREDIT,
            "tile": self.credit.p.tile,
            "fifo": self.credit.p.fifo,
            "data": self.credit.p.rows,
        }
        m.d.comb += [
            tells.eq(self.credit.valid & ~self.worm),
            self.credit.ready.eq(out.ready & ~self.worm),
            self.row.ready.eq(out.ready & ~tells),
            out.valid.eq(out.ready & (tells | self.row.valid)),
            *(
                out.p[name].eq(Mux(tells, value, self.row.p[name]))
                for name, value in credit.items()
            ),
            out.p.source.eq(self.number),
            come.ready.eq(1),
            self.o_row.valid.eq(come.valid & (come.p.kind == FlitKind.DATA)),
            self.o_row.payload.eq(come.payload),
            self.returned.eq(come.valid & (come.p.kind == FlitKind.CREDIT)),
            self.returned_tile.eq(come.p.source),
            self.returned_fifo.eq(come.p.fifo),
            self.returned_rows.eq(come.p.data),
        ]
        return m
