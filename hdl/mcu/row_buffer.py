"""Row buffer: one row of cells on its way between the core and the array."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.analog import cells_layout, group_shape, lane_cells_layout
from panther.arch.mcu import INDEX_BITS
from panther.arch.params import McuParams


def column_cells_layout(params: McuParams) -> data.StructLayout:
    """The cells of one weight and the column they belong to."""
    return data.StructLayout({"column": unsigned(INDEX_BITS), "cells": cells_layout(params)})


class RowBuffer(wiring.Component):
    """A row of cells: word by word for the core, group by group for the array.

    One transfer a cycle on each side. Cells asked for appear one cycle later and stay until taken.
    The core's side waits while ``locked``. Cells for a column that does not exist go nowhere; cells
    asked of one come from the last group. Both raise ``dropped``.

    Parameters
    ----------
    params : McuParams
        Columns, slicing and ADCs per slice.

    Members
    -------
    locked : In(1)
        The array side is in use.
    i_write : In(stream.Signature(column_cells_layout(params)))
        Cells from the core.
    i_read : In(stream.Signature(8))
        Columns the core asks for.
    o_read : Out(stream.Signature(cells_layout(params)))
        Their cells.
    dropped : Out(1)
        The transfer taken in this cycle names a column that does not exist.
    store, store_group, store_cells : In(1), In(group_shape(params)), In(lane_cells_layout(params))
        Cells read from the array.
    load_group : In(group_shape(params))
        Group wanted by the array.
    load_cells : Out(lane_cells_layout(params))
        Its cells, one cycle later.
    """

    i_write: stream.Interface
    i_read: stream.Interface
    o_read: stream.Interface

    def __init__(self, params: McuParams) -> None:
        self.params = params
        self.groups = params.columns // params.adc.per_slice
        super().__init__(
            {
                "locked": In(1),
                "i_write": In(stream.Signature(column_cells_layout(params))),
                "i_read": In(stream.Signature(unsigned(INDEX_BITS))),
                "o_read": Out(stream.Signature(cells_layout(params))),
                "dropped": Out(1),
                "store": In(1),
                "store_group": In(group_shape(params)),
                "store_cells": In(lane_cells_layout(params)),
                "load_group": In(group_shape(params)),
                "load_cells": Out(lane_cells_layout(params)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        lanes = self.params.adc.per_slice
        cells = cells_layout(self.params)
        # one memory a lane, so the core can write a single column of a group
        reading, taking = Signal(), Signal()
        past = Signal()
        lane_read = Signal(range(max(2, lanes)))
        # the array may read while cells wait for the core, so they are kept from their second cycle
        fresh = Signal()
        kept = Signal(cells)
        m.d.sync += fresh.eq(reading)
        with m.If(fresh):
            m.d.sync += kept.eq(self.o_read.payload)
        with m.Else():
            m.d.comb += self.o_read.payload.eq(kept)
        m.d.comb += [
            self.i_write.ready.eq(~self.locked),
            self.i_read.ready.eq(~self.locked & (~self.o_read.valid | self.o_read.ready)),
            reading.eq(self.i_read.valid & self.i_read.ready),
            taking.eq(self.i_write.valid & self.i_write.ready),
            past.eq(self.i_read.payload >= self.params.columns),
            self.dropped.eq(
                (reading & past) | (taking & (self.i_write.p.column >= self.params.columns))
            ),
        ]
        with m.If(reading):
            m.d.sync += [self.o_read.valid.eq(1), lane_read.eq(self.i_read.payload % lanes)]
        with m.Elif(self.o_read.ready):
            m.d.sync += self.o_read.valid.eq(0)
        for lane in range(lanes):
            m.submodules[f"lane{lane}"] = memory = Memory(
                shape=unsigned(cells.size), depth=max(2, self.groups), init=[]
            )
            read, write = memory.read_port(), memory.write_port()
            column = self.i_write.p.column
            with m.If(self.store):
                m.d.comb += [
                    write.en.eq(1),
                    write.addr.eq(self.store_group),
                    write.data.eq(self.store_cells[lane]),
                ]
            with m.Else():
                m.d.comb += [
                    write.en.eq(taking & (column < self.params.columns) & (column % lanes == lane)),
                    write.addr.eq(column // lanes),
                    write.data.eq(self.i_write.p.cells),
                ]
            m.d.comb += [
                read.en.eq(self.locked | reading),
                self.load_cells[lane].eq(data.View(cells, read.data)),
            ]
            with m.If(self.locked):
                m.d.comb += read.addr.eq(self.load_group)
            with m.Else():
                m.d.comb += read.addr.eq(Mux(past, self.groups - 1, self.i_read.payload // lanes))
            with m.If(fresh & (lane_read == lane)):
                m.d.comb += self.o_read.payload.eq(data.View(cells, read.data))
        return m
