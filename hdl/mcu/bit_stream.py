"""Bit streaming: apply an operand to the lines one bit a step through the 1-bit DACs."""

from amaranth import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from panther.arch.params import McuParams


def settled_layout() -> data.StructLayout:
    """A settled current: which step of its operation it is, and whether it is a row read-back."""
    return data.StructLayout({"first": unsigned(1), "last": unsigned(1), "read": unsigned(1)})


class BitStream(wiring.Component):
    """Drives bit ``j`` of every operand in step ``j``, least significant bit first.

    A step takes one cycle to change the lines and ``integrate_cycles`` to settle; then the settled
    current is offered until it is sampled. ``operand_bits`` steps after ``start`` the lines return
    to zero.

    Parameters
    ----------
    params : McuParams
        Lines, operand bits and integration time.

    Members
    -------
    start : In(1)
        Begin an operation; only while ``busy`` is low.
    transpose : In(1)
        Drive the columns instead of the rows; stable while ``busy``.
    busy : Out(1)
        Steps are left.
    i_mvm, i_mtvm : In(operand_bits * lines)
        Bit planes of the operands.
    row_drive, column_drive : Out(lines)
        The lines.
    integrate : Out(1)
        High in the first cycle of a step.
    o : Out(stream.Signature(settled_layout()))
        Settled currents.
    """

    o: stream.Interface

    def __init__(self, params: McuParams) -> None:
        self.params = params
        super().__init__(
            {
                "start": In(1),
                "transpose": In(1),
                "busy": Out(1),
                "i_mvm": In(unsigned(params.operand_bits * params.rows)),
                "i_mtvm": In(unsigned(params.operand_bits * params.columns)),
                "row_drive": Out(unsigned(params.rows)),
                "column_drive": Out(unsigned(params.columns)),
                "integrate": Out(1),
                "o": Out(stream.Signature(settled_layout())),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        bits = self.params.operand_bits
        rows, columns = self.params.rows, self.params.columns
        cycles = self.params.timing.integrate_cycles
        step = Signal(range(bits))
        timer = Signal(range(cycles))
        m.d.comb += [
            self.o.p.first.eq(step == 0),
            self.o.p.last.eq(step == bits - 1),
        ]
        m.d.sync += self.integrate.eq(0)
        with m.FSM():
            with m.State("IDLE"):
                with m.If(self.start):
                    m.d.sync += step.eq(0)
                    m.next = "DRIVE"
            with m.State("DRIVE"):
                m.d.comb += self.busy.eq(1)
                m.d.sync += [self.integrate.eq(1), timer.eq(cycles - 1)]
                with m.Switch(step):
                    for j in range(bits):
                        with m.Case(j):
                            with m.If(self.transpose):
                                plane = self.i_mtvm[j * columns : (j + 1) * columns]
                                m.d.sync += self.column_drive.eq(plane)
                            with m.Else():
                                plane = self.i_mvm[j * rows : (j + 1) * rows]
                                m.d.sync += self.row_drive.eq(plane)
                m.next = "SETTLE"
            with m.State("SETTLE"):
                m.d.comb += self.busy.eq(1)
                m.d.sync += timer.eq(timer - 1)
                with m.If(timer == 0):
                    m.next = "SETTLED"
            with m.State("SETTLED"):
                m.d.comb += [self.busy.eq(1), self.o.valid.eq(1)]
                with m.If(self.o.ready):
                    with m.If(self.o.p.last):
                        m.d.sync += [self.row_drive.eq(0), self.column_drive.eq(0)]
                        m.next = "IDLE"
                    with m.Else():
                        m.d.sync += step.eq(step + 1)
                        m.next = "DRIVE"
        return m
