"""RowBuffer against a list of cells: used in turn by the core and by the array, with pauses."""

import random

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.compare import compare
from cocotb_tests.designs import parameters
from cocotb_tests.drivers import Pauses, corner, pack, start, unpack
from cocotb_tests.pins import compare_pins
from hdl.analog import cells_layout, lane_cells_layout
from hdl.mcu.row_buffer import column_cells_layout

CYCLES = 1200
INPUTS = ("locked", "i_write__valid", "i_write__payload", "i_read__valid", "i_read__payload")
ARRAY_INPUTS = ("o_read__ready", "store", "store_group", "store_cells", "load_group")


class Bench:
    """Moves cells on both sides, and knows what every pin must be in every cycle."""

    def __init__(self, dut, rng: random.Random, pauses: str) -> None:
        self.dut, self.rng = dut, rng
        self.params = params = parameters()
        self.source = Pauses(rng, 0.4 if pauses in ("source", "both") else 0.0)
        self.sink = Pauses(rng, 0.4 if pauses in ("sink", "both") else 0.0)
        self.lanes, self.groups = params.adc.per_slice, params.columns // params.adc.per_slice
        # the cells of every column, slice 0 first
        self.cells = [[0] * params.slices.count for _ in range(params.columns)]
        self.writing: tuple[int, list[int]] | None = None
        self.reading: int | None = None
        # on their way: to the core, what the cells may be (past the end, any of the last group); to
        # the array, the cells of a group
        self.waiting: list[list[int]] | None = None
        self.loaded: list[list[int]] | None = None
        self.cycle = 0

    def next_cells(self) -> list[int]:
        slices = self.params.slices
        return [corner(self.rng, *slices.cell_range(k)) for k in range(slices.count)]

    def next_column(self) -> int:
        columns = self.params.columns
        if columns < 256 and self.rng.random() < 0.2:
            return self.rng.choice((columns, 255, self.rng.randrange(columns, 256)))
        return self.rng.choice((0, columns - 1, self.rng.randrange(columns)))

    @staticmethod
    def fields(cells: list[int]) -> dict[str, int]:
        return {f"slice{k}": cell for k, cell in enumerate(cells)}

    def store(self, group: int) -> None:
        """Store random cells from the array in this cycle."""
        cells = [self.next_cells() for _ in range(self.lanes)]
        self.cells[group * self.lanes : (group + 1) * self.lanes] = cells
        self.dut.store.value, self.dut.store_group.value = 1, group
        layout = lane_cells_layout(self.params)
        self.dut.store_cells.value = pack(layout, [self.fields(weight) for weight in cells])

    async def tick(self, *, locked: bool, load: int | None = None, core: bool = True) -> None:
        """One cycle; ``load`` is the group the array asks for."""
        dut, params, where = self.dut, self.params, f"cycle {self.cycle}"
        if core and self.writing is None and not self.source:
            self.writing = self.next_column(), self.next_cells()
        if core and self.reading is None and not self.source:
            self.reading = self.next_column()
        column, cells = self.writing or (self.next_column(), self.next_cells())
        asked = self.next_column() if self.reading is None else self.reading
        ready = not self.sink
        dut.locked.value, dut.o_read__ready.value = locked, ready
        dut.i_write__valid.value = self.writing is not None
        word = {"column": column, "cells": self.fields(cells)}
        dut.i_write__payload.value = pack(column_cells_layout(params), word)
        dut.i_read__valid.value = self.reading is not None
        dut.i_read__payload.value = asked
        if load is not None:
            dut.load_group.value = load
        await RisingEdge(dut.clk)
        free = not locked and (self.waiting is None or ready)
        written = self.writing is not None and not locked
        read = self.reading is not None and free
        compare_pins(
            "RowBuffer",
            where,
            dut,
            i_write__ready=not locked,
            i_read__ready=free,
            dropped=(written and column >= params.columns) or (read and asked >= params.columns),
            o_read__valid=self.waiting is not None,
        )
        if self.waiting is not None:
            result = unpack(cells_layout(params), dut.o_read__payload)
            rtl = [result[name] for name in self.fields(self.waiting[0])]
            golden = rtl if rtl in self.waiting else self.waiting[0]
            compare("RowBuffer", f"{where}, o_read", golden, rtl, ("slice",))
        if self.loaded is not None:
            result = unpack(lane_cells_layout(params), dut.load_cells)
            names = self.fields(self.loaded[0])
            rtl = [[result[lane][name] for name in names] for lane in range(self.lanes)]
            compare("RowBuffer", f"{where}, load_cells", self.loaded, rtl, ("lane", "slice"))
        self.loaded = None
        if load is not None:
            self.loaded = self.cells[load * self.lanes : (load + 1) * self.lanes]
        # a word written in the same cycle is not read yet
        if read:
            exists = asked < params.columns
            self.waiting = [self.cells[asked]] if exists else self.cells[-self.lanes :]
            self.reading = None
        elif ready:
            self.waiting = None
        if written:
            if column < params.columns:
                self.cells[column] = cells
            self.writing = None
        await FallingEdge(dut.clk)
        dut.store.value = 0
        self.cycle += 1

    async def fill(self) -> None:
        for group in range(self.groups):
            self.store(group)
            await self.tick(locked=True, core=False)


@cocotb.test()
@cocotb.parametrize(pauses=["none", "source", "sink", "both"])
async def cells_pass_between_core_and_array(dut, pauses):
    rng = random.Random(cocotb.RANDOM_SEED)
    bench = Bench(dut, rng, pauses)
    await start(dut, *INPUTS, *ARRAY_INPUTS)
    await bench.fill()
    locked = False
    for _ in range(CYCLES):
        if rng.random() < 0.1:
            locked = not locked
        load = None
        if locked and rng.random() < 0.7:
            # a READ stores, a WRITE loads
            if rng.random() < 0.5:
                bench.store(rng.randrange(bench.groups))
            else:
                load = rng.randrange(bench.groups)
        await bench.tick(locked=locked, load=load)


@cocotb.test()
async def reset_drops_waiting_cells(dut):
    bench = Bench(dut, random.Random(cocotb.RANDOM_SEED), "none")
    await start(dut, *INPUTS, *ARRAY_INPUTS)
    await bench.fill()
    for _ in range(5):
        await bench.tick(locked=False)
    dut.rst.value, dut.i_write__valid.value, dut.i_read__valid.value = 1, 0, 0
    dut.o_read__ready.value = 0
    await FallingEdge(dut.clk)
    dut.rst.value = 0
    bench.waiting = None
    for _ in range(20):
        await bench.tick(locked=False)
