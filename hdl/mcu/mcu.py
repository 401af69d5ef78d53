"""Matrix compute unit: one crossbar set, its periphery, and the sequencer that runs it."""

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.analog import ArraySignature, cells_layout
from hdl.mcu.adc_control import AdcControl
from hdl.mcu.bit_stream import BitStream
from hdl.mcu.counters import Counters
from hdl.mcu.headroom import Headroom
from hdl.mcu.opa_drive import OpaDrive
from hdl.mcu.requantise import Requantise
from hdl.mcu.row_access import OPERANDS, RowAccess
from hdl.mcu.row_buffer import RowBuffer
from hdl.mcu.shift_add import ShiftAdd
from hdl.mcu.xbar_in import XbarIn
from hdl.mcu.xbar_out import READ_PORTS, XbarOut
from panther.arch.mcu import (
    CONFIG_KEY_BITS,
    CONFIG_VALUE_BITS,
    COUNTER_BITS,
    INDEX_BITS,
    OPERATION_BITS,
    SHIFT_BITS,
    ConfigKey,
    InBank,
    Operation,
    OutBank,
    counter_names,
)
from panther.arch.params import McuParams
from panther.arch.tile import MCU_COUNTERS


def configuration_layout() -> data.StructLayout:
    """The configuration that can be read, in the order of ``ConfigKey``."""
    lines, shift = unsigned(INDEX_BITS + 1), unsigned(SHIFT_BITS)
    return data.StructLayout(
        {
            "rows": lines,
            "columns": lines,
            "mvm_shift": shift,
            "mtvm_shift": shift,
            "eager": unsigned(1),
        }
    )


def mcu_events_layout() -> data.StructLayout:
    """What happens in a cycle: ``panther.arch.tile.MCU_COUNTERS`` but for ``busy``."""
    return data.StructLayout({name: unsigned(1) for name in MCU_COUNTERS if name != "busy"})


class Mcu(wiring.Component):
    """Runs MVM, MTVM, OPA, CRS, READ and WRITE, one command at a time, on the pins of its array.

    A command is taken while the unit is idle. XbarIn keeps its contents; the banks an operation
    uses are locked against the core until it ends. With R rows and C columns in use, A ADCs per
    slice, B operand bits, S slices and I integration cycles, ``busy`` is low again after

    - MVM ``(B - 1) * max(ceil(C / A), I + 2) + ceil(C / A) + I + 8`` cycles, MTVM the same with R;
    - OPA ``4 * B * pulse_cycles + 3``, or what :class:`OpaDrive` says of other encodings;
    - CRS ``R * (ceil(C / A) + I + program_cycles + ceil(S / 4) + 4) + 2``,

    counted from the one in which the command is taken. MVM and MTVM leave result words beyond the
    lines in use as they are. With ``headroom`` a CRS takes ``R * RESOLVE_CYCLES`` cycles more, and
    an OPA takes

    - ``B + 4`` cycles, ``4 * B * pulse_cycles + 2`` more if rows are pulsed, and 1 and as many for
      each row as in a CRS if any are resolved.

    Writing a row writes the line groups that hold a column in use; other
    columns keep their cells. A request that cannot be carried out is taken, has no effect and
    raises ``rejected``; a read past the end is answered all the same, with undefined words.

    Parameters
    ----------
    params : McuParams
        Everything about the unit.

    Members
    -------
    i_command : In(stream.Signature({"operation": 3, "row": 8}))
        Operations; ``row`` is for READ and WRITE.
    i_config : In(stream.Signature({"key": 4, "value": 32}))
        Configuration, taken while idle.
    i_write : In(stream.Signature(operands_layout(params)))
        Words into XbarIn, up to ``LANES`` at a time.
    i_read : Array of In(stream.Signature({"bank": 1, "index": 8})), one for each port
        First word wanted of XbarOut.
    o_read : Array of Out(stream.Signature(results_layout(params))), one for each port
        It and the words that follow, ``LANES`` in all.
    i_cells : In(stream.Signature({"column": 8, "cells": ...}))
        Cells into the row buffer.
    i_cells_read, o_cells : In(stream.Signature(8)), Out(stream.Signature(cells))
        Cells out of the row buffer.
    counter_select, counter_value : In(range(counters)), Out(32)
        Saturation counters.
    configuration : Out(configuration_layout())
        Lines in use, shifts, and whether MVM and MTVM read the read copies.
    busy : Out(1)
        An operation is going on.
    rejected : Out(1)
        A request was taken that cannot be carried out (one cycle).
    config_rejected : Out(1)
        It is the configuration.
    events : Out(mcu_events_layout())
        What happens in this cycle, for others to count; nothing does unless ``busy``.
    array : Out(ArraySignature(params))
        The analog arrays.
    """

    i_command: stream.Interface
    i_config: stream.Interface
    i_write: stream.Interface
    i_cells: stream.Interface
    i_cells_read: stream.Interface
    o_cells: stream.Interface

    def __init__(self, params: McuParams) -> None:
        params.check_rtl()
        self.params = params
        self.xbar_in = XbarIn(params)
        self.xbar_out = XbarOut(params)
        self.row_buffer = RowBuffer(params)
        command = data.StructLayout(
            {"operation": unsigned(OPERATION_BITS), "row": unsigned(INDEX_BITS)}
        )
        config = data.StructLayout(
            {"key": unsigned(CONFIG_KEY_BITS), "value": unsigned(CONFIG_VALUE_BITS)}
        )
        super().__init__(
            {
                "i_command": In(stream.Signature(command)),
                "i_config": In(stream.Signature(config)),
                "i_write": self.xbar_in.signature.members["i"],
                "i_read": self.xbar_out.signature.members["i"],
                "o_read": self.xbar_out.signature.members["o"],
                "i_cells": self.row_buffer.signature.members["i_write"],
                "i_cells_read": self.row_buffer.signature.members["i_read"],
                "o_cells": self.row_buffer.signature.members["o_read"],
                "counter_select": In(range(len(counter_names(params.slices.count)))),
                "counter_value": Out(unsigned(COUNTER_BITS)),
                "configuration": Out(configuration_layout()),
                "busy": Out(1),
                "rejected": Out(1),
                "config_rejected": Out(1),
                "events": Out(mcu_events_layout()),
                "array": Out(ArraySignature(params)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        params = self.params
        array = self.array
        m.submodules.xbar_in = xbar_in = self.xbar_in
        m.submodules.xbar_out = xbar_out = self.xbar_out
        m.submodules.row_buffer = row_buffer = self.row_buffer
        m.submodules.bit_stream = bit_stream = BitStream(params)
        m.submodules.adc_control = adc_control = AdcControl(params)
        m.submodules.shift_add = shift_add = ShiftAdd(params)
        m.submodules.requantise = requantise = Requantise(params)
        m.submodules.opa_drive = opa_drive = OpaDrive(params)
        m.submodules.row_access = row_access = RowAccess(params)
        m.submodules.counters = counters = Counters(params)
        if params.headroom:
            m.submodules.headroom = headroom = Headroom(params)
        wiring.connect(m, wiring.flipped(self.i_write), xbar_in.i)
        for port in range(READ_PORTS):
            wiring.connect(m, wiring.flipped(self.i_read[port]), xbar_out.i[port])
            wiring.connect(m, xbar_out.o[port], wiring.flipped(self.o_read[port]))
        wiring.connect(m, wiring.flipped(self.i_cells), row_buffer.i_write)
        wiring.connect(m, wiring.flipped(self.i_cells_read), row_buffer.i_read)
        wiring.connect(m, row_buffer.o_read, wiring.flipped(self.o_cells))

        # configuration
        rows = Signal(INDEX_BITS + 1, init=params.rows)
        columns = Signal(INDEX_BITS + 1, init=params.columns)
        mvm_shift = Signal(SHIFT_BITS)
        mtvm_shift = Signal(SHIFT_BITS)
        eager = Signal()
        idle = Signal()
        bad_config, bad_command = Signal(), Signal()
        value = self.i_config.p.value
        m.d.comb += [
            self.i_config.ready.eq(idle),
            self.configuration.rows.eq(rows),
            self.configuration.columns.eq(columns),
            self.configuration.mvm_shift.eq(mvm_shift),
            self.configuration.mtvm_shift.eq(mtvm_shift),
            self.configuration.eager.eq(eager),
        ]
        with m.If(self.i_config.valid & idle):
            with m.Switch(self.i_config.p.key):
                for key, register, low, high in (
                    (ConfigKey.ROWS, rows, 1, params.rows),
                    (ConfigKey.COLUMNS, columns, 1, params.columns),
                    (ConfigKey.MVM_SHIFT, mvm_shift, 0, params.sum_bits - 1),
                    (ConfigKey.MTVM_SHIFT, mtvm_shift, 0, params.sum_bits - 1),
                    (ConfigKey.EAGER, eager, 0, 1),
                ):
                    with m.Case(key):
                        # no comparison with 0, which says nothing of an unsigned value
                        with m.If((value <= high) & ((value >= low) if low else 1)):
                            m.d.sync += register.eq(value)
                        with m.Else():
                            m.d.comb += bad_config.eq(1)
                with m.Case(ConfigKey.CLEAR_COUNTERS):
                    m.d.comb += counters.clear.eq(1)
                with m.Default():
                    m.d.comb += bad_config.eq(1)

        # sequencer
        operation = Signal(OPERATION_BITS)
        transpose = Signal()
        row_operation = Signal()
        m.d.comb += [
            transpose.eq(operation == Operation.MTVM),
            row_operation.eq(
                (operation == Operation.CRS)
                | (operation == Operation.READ)
                | (operation == Operation.WRITE)
            ),
            self.busy.eq(~idle),
            self.config_rejected.eq(bad_config),
            self.rejected.eq(
                bad_config | bad_command | xbar_in.dropped | xbar_out.dropped | row_buffer.dropped
            ),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [idle.eq(1), self.i_command.ready.eq(1)]
                with m.If(self.i_command.valid):
                    command = self.i_command.p
                    m.d.sync += operation.eq(command.operation)
                    with m.Switch(command.operation):
                        with m.Case(Operation.MVM, Operation.MTVM):
                            m.d.comb += bit_stream.start.eq(1)
                            m.next = "MATRIX"
                        with m.Case(Operation.OPA):
                            if params.headroom:
                                m.d.comb += headroom.start.eq(1)
                                m.next = "LOOK"
                            else:
                                m.d.comb += opa_drive.start.eq(1)
                                m.next = "OPA"
                        with m.Case(Operation.CRS):
                            m.d.comb += row_access.start_crs.eq(1)
                            if params.headroom:
                                m.d.comb += headroom.start_crs.eq(1)
                            m.next = "ROW"
                        with m.Case(Operation.READ, Operation.WRITE):
                            read = command.operation == Operation.READ
                            with m.If(command.row < params.rows):
                                m.d.comb += [
                                    row_access.start_read.eq(read),
                                    row_access.start_write.eq(~read),
                                ]
                                if params.headroom:
                                    m.d.comb += headroom.written.eq(~read)
                                m.next = "ROW"
                            with m.Else():
                                m.d.comb += bad_command.eq(1)
                        with m.Default():
                            m.d.comb += bad_command.eq(1)
            with m.State("MATRIX"):
                with m.If(requantise.o_valid & requantise.o_tag.end):
                    m.next = "IDLE"
            if params.headroom:
                # rows that have room are pulsed, then the others are resolved
                with m.State("LOOK"):
                    with m.If(~headroom.busy):
                        m.next = "ROOM"
                        with m.If(headroom.pulses):
                            m.d.comb += opa_drive.start.eq(1)
                            m.next = "OPA"
                with m.State("ROOM"):
                    with m.If(headroom.resolves):
                        m.d.comb += [headroom.start_resolve.eq(1), row_access.start_resolve.eq(1)]
                        m.next = "ROW"
                    with m.Else():
                        m.next = "IDLE"
            with m.State("OPA"):
                with m.If(~opa_drive.busy):
                    m.next = "ROOM" if params.headroom else "IDLE"
            with m.State("ROW"):
                with m.If(~row_access.busy):
                    m.next = "IDLE"

        # operands and results in use are locked against the core
        running = Signal()
        m.d.comb += [
            running.eq(~idle),
            xbar_in.locked[InBank.MVM].eq(running & (operation == Operation.MVM)),
            xbar_in.locked[InBank.MTVM].eq(running & (operation == Operation.MTVM)),
            xbar_in.locked[InBank.OPA_ROWS].eq(running & (operation == Operation.OPA)),
            xbar_in.locked[InBank.OPA_COLUMNS].eq(running & (operation == Operation.OPA)),
            xbar_out.locked[OutBank.MVM].eq(running & (operation == Operation.MVM)),
            xbar_out.locked[OutBank.MTVM].eq(running & (operation == Operation.MTVM)),
            row_buffer.locked.eq(running & row_operation),
        ]

        # headroom: rows that have room are pulsed, the others read and written
        pulsed, reads = xbar_in.opa_row, row_operation
        if params.headroom:
            pulsed = pulsed & headroom.select.replicate(params.operand_bits)
            reads = row_operation | (operation == Operation.OPA)
            m.d.comb += [
                headroom.i_row.eq(xbar_in.opa_row),
                headroom.i_column.eq(xbar_in.opa_column),
                headroom.rows.eq(rows),
                headroom.next.eq(row_access.walk_next),
                headroom.i_valid.eq(row_access.resolved),
                headroom.i_lanes.eq(row_access.resolved_lanes),
                headroom.i_cells.eq(row_access.write_cells),
                headroom.written_row.eq(self.i_command.p.row),
                row_access.walk_row.eq(headroom.row),
                row_access.walk_more.eq(headroom.more),
                *(
                    getattr(row_access, name).eq(getattr(xbar_in, name.replace("i_", "opa_")))
                    for name in OPERANDS
                ),
            ]

        # DAC and S&H: bit steps and row read-backs share the converters
        m.d.comb += [
            bit_stream.transpose.eq(transpose),
            bit_stream.i_mvm.eq(xbar_in.mvm),
            bit_stream.i_mtvm.eq(xbar_in.mtvm),
            adc_control.lines.eq(Mux(transpose, rows, columns)),
            adc_control.i.valid.eq(bit_stream.o.valid | row_access.o.valid),
            adc_control.i.payload.eq(
                Mux(row_access.o.valid, row_access.o.payload, bit_stream.o.payload)
            ),
            bit_stream.o.ready.eq(adc_control.i.ready),
            row_access.o.ready.eq(adc_control.i.ready),
            opa_drive.i_row.eq(pulsed),
            opa_drive.i_row_negative.eq(xbar_in.opa_row_negative),
            opa_drive.i_column.eq(xbar_in.opa_column),
            opa_drive.i_column_negative.eq(xbar_in.opa_column_negative),
            # whoever is idle drives zeros
            array.row_drive.eq(bit_stream.row_drive | opa_drive.row_drive | row_access.row_drive),
            array.column_drive.eq(bit_stream.column_drive | opa_drive.column_drive),
            array.column_digit.eq(opa_drive.column_digit),
            array.row_negative.eq(opa_drive.row_negative),
            array.column_negative.eq(opa_drive.column_negative),
            array.pulse.eq(opa_drive.pulse),
            array.pulse_last.eq(opa_drive.pulse_last),
            array.transpose.eq(transpose),
            array.fine.eq(running & reads),
            array.copies.eq(running & eager & ((operation == Operation.MVM) | transpose)),
            array.integrate.eq(bit_stream.integrate | row_access.integrate),
            array.sample.eq(adc_control.sample),
            array.convert.eq(adc_control.convert),
            array.mux.eq(adc_control.mux),
        ]

        # codes: to shift-and-add in MVM and MTVM, to row access in READ and CRS
        m.d.comb += [
            shift_add.i_valid.eq(adc_control.o_valid),
            shift_add.i_tag.eq(adc_control.o_tag),
            shift_add.i_code.eq(array.code),
            requantise.shift.eq(Mux(transpose, mtvm_shift, mvm_shift)),
            requantise.i_valid.eq(shift_add.o_valid),
            requantise.i_tag.eq(shift_add.o_tag),
            requantise.i_sum.eq(shift_add.o_sum),
            xbar_out.write.eq(requantise.o_valid),
            xbar_out.write_bank.eq(Mux(transpose, OutBank.MTVM, OutBank.MVM)),
            xbar_out.write_tag.eq(requantise.o_tag),
            xbar_out.write_word.eq(requantise.o_word),
            row_access.i_valid.eq(adc_control.o_valid),
            row_access.i_tag.eq(adc_control.o_tag),
        ]
        for lane in range(params.adc.per_slice):
            for k, name in enumerate(cells_layout(params).members):
                code = array.code[lane][name]
                # devices and converters err: a code may lie outside the range of its cell
                bits = params.slices.cell_bits[k]
                limited = code
                if len(code) > bits:
                    sign = code[-1]
                    outside = (code[bits - 1 : -1] ^ sign.replicate(len(code) - bits)).any()
                    limit = Cat((~sign).replicate(bits - 1), sign)
                    limited = Mux(outside, limit, code[:bits])
                m.d.comb += row_access.i_cells[lane][name].eq(limited)

        # rows
        m.d.comb += [
            row_access.row.eq(self.i_command.p.row),
            row_access.rows.eq(rows),
            row_access.columns.eq(columns),
            row_buffer.store.eq(row_access.store),
            row_buffer.store_group.eq(row_access.store_group),
            row_buffer.store_cells.eq(row_access.store_cells),
            row_buffer.load_group.eq(row_access.load_group),
            row_access.load_cells.eq(row_buffer.load_cells),
            array.write.eq(row_access.write),
            array.write_mux.eq(row_access.write_mux),
            array.write_cells.eq(row_access.write_cells),
            array.program.eq(row_access.program),
        ]

        # counters
        slices = params.slices.count
        over_in_use = Cat(
            array.over[lane * slices : (lane + 1) * slices]
            & (adc_control.o_valid & adc_control.o_tag.lanes[lane]).replicate(slices)
            for lane in range(params.adc.per_slice)
        )
        m.d.comb += [
            counters.requantise.eq(requantise.o_saturated),
            counters.crs_top.eq(row_access.saturated),
            counters.adc_clip.eq(over_in_use),
            counters.cell_limit.eq(row_access.at_limit),
            counters.select.eq(self.counter_select),
            self.counter_value.eq(counters.value),
        ]

        # what others count
        m.d.comb += [
            self.events.mvm_steps.eq(bit_stream.integrate & ~transpose),
            self.events.mtvm_steps.eq(bit_stream.integrate & transpose),
            self.events.conversions.eq(adc_control.convert & ~array.fine),
            self.events.pulses.eq(opa_drive.pulse),
            self.events.row_reads.eq(row_access.integrate),
            self.events.row_writes.eq(row_access.program),
        ]
        return m
