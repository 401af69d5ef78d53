"""OPA drive: the pulse train that adds an outer product to the cells in place."""

from amaranth import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from panther.arch.params import McuParams


class OpaDrive(wiring.Component):
    """Bit ``j`` of the row magnitudes against ``column magnitude << j``, in four polarity phases.

    Step ``j`` has the phases (row, column) ``++ +- -+ --``; a phase drives the rows whose bit is
    set and the columns, each of its sign, for ``pulse_cycles``. ``start`` to ``busy`` low takes
    ``4 * operand_bits * pulse_cycles + 1`` cycles.

    Parameters
    ----------
    params : McuParams
        Lines, operand bits and pulse width.

    Members
    -------
    start : In(1)
        Begin; only while ``busy`` is low.
    busy : Out(1)
        Phases are left or on the pins.
    i_row, i_column : In(operand_bits * lines)
        Magnitudes by bit planes.
    i_row_negative, i_column_negative : In(lines)
        Signs.
    row_drive, column_drive : Out(lines)
        Lines selected by the phase.
    column_digit : Out(digit_bits * columns)
        Column magnitudes, shifted to the step, by bit planes.
    row_negative, column_negative : Out(1)
        The phase's signs.
    pulse : Out(1)
        High in the first cycle of a phase.
    """

    def __init__(self, params: McuParams) -> None:
        self.params = params
        bits = params.operand_bits
        super().__init__(
            {
                "start": In(1),
                "busy": Out(1),
                "i_row": In(unsigned(bits * params.rows)),
                "i_row_negative": In(unsigned(params.rows)),
                "i_column": In(unsigned(bits * params.columns)),
                "i_column_negative": In(unsigned(params.columns)),
                "row_drive": Out(unsigned(params.rows)),
                "column_drive": Out(unsigned(params.columns)),
                "column_digit": Out(unsigned(params.digit_bits * params.columns)),
                "row_negative": Out(1),
                "column_negative": Out(1),
                "pulse": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        params = self.params
        rows, columns = params.rows, params.columns
        step = Signal(range(params.operand_bits))
        phase = Signal(2)
        timer = Signal(range(max(2, params.timing.pulse_cycles)))
        row_negative, column_negative = phase[1], phase[0]
        running = Signal()
        driving = Signal()
        m.d.comb += self.busy.eq(running | driving)
        m.d.sync += self.pulse.eq(0)
        with m.If(self.start):
            m.d.sync += [running.eq(1), step.eq(0), phase.eq(0), timer.eq(0)]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Elif(running):
            m.d.sync += [
                self.pulse.eq(1),
                driving.eq(1),
                self.row_negative.eq(row_negative),
                self.column_negative.eq(column_negative),
                self.column_drive.eq(self.i_column_negative ^ ~column_negative.replicate(columns)),
                timer.eq(params.timing.pulse_cycles - 1),
                phase.eq(phase + 1),
            ]
            of_sign = self.i_row_negative ^ ~row_negative.replicate(rows)
            with m.Switch(step):
                for j in range(params.operand_bits):
                    with m.Case(j):
                        plane = self.i_row[j * rows : (j + 1) * rows]
                        m.d.sync += self.row_drive.eq(plane & of_sign)
            with m.If(phase == 0):
                shifted = Cat(Const(0, columns), self.column_digit)
                m.d.sync += self.column_digit.eq(Mux(step == 0, self.i_column, shifted))
            with m.If(phase == 3):
                m.d.sync += step.eq(step + 1)
                with m.If(step == params.operand_bits - 1):
                    m.d.sync += running.eq(0)
        with m.Else():
            m.d.sync += [driving.eq(0), self.row_drive.eq(0), self.column_drive.eq(0)]
        return m
