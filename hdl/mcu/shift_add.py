"""Shift-and-add: weigh the ADC codes of a line by slice and by step, and add them up."""

from amaranth import Module, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.analog import code_layout, groups
from hdl.mcu.adc_control import tag_layout
from panther.arch.params import McuParams


class ShiftAdd(wiring.Component):
    """Sum over steps ``j`` and slices ``k`` of ``code << (j + k * value_bits + step_log2[k])``.

    The last step weighs the sign bit and is subtracted. Sums of all lines are kept in a memory and
    shifted right once a step, so every step adds at the same place and no bit is lost. A sum
    appears two cycles after the last step's code; a line may not come again within two cycles.

    Parameters
    ----------
    params : McuParams
        Lines, slices, converters and operand bits.

    Members
    -------
    i_valid : In(1)
        Codes are present. Codes read back from cells (``i_tag.read``) are not for this unit.
    i_tag : In(tag_layout(params))
        Line group and place in the operation.
    i_code : In(code_layout(params))
        Codes.
    o_valid : Out(1)
        Sums are present: one cycle, no back-pressure.
    o_tag : Out(tag_layout(params))
        Their line group.
    o_sum : Out(ArrayLayout(signed(sum_bits), per_slice))
        Sums.
    """

    def __init__(self, params: McuParams) -> None:
        self.params = params
        self.sums = data.ArrayLayout(signed(params.sum_bits), params.adc.per_slice)
        super().__init__(
            {
                "i_valid": In(1),
                "i_tag": In(tag_layout(params)),
                "i_code": In(code_layout(params)),
                "o_valid": Out(1),
                "o_tag": Out(tag_layout(params)),
                "o_sum": Out(self.sums),
            }
        )

    def elaborate(self, platform) -> Module:
        params = self.params
        m = Module()
        m.submodules.sums = sums = Memory(
            shape=unsigned(self.sums.size), depth=max(2, groups(params)), init=[]
        )
        read, write = sums.read_port(), sums.write_port()
        valid = Signal()
        tag = Signal(tag_layout(params))
        m.d.comb += [
            read.en.eq(self.i_valid),
            read.addr.eq(self.i_tag.index),
            write.en.eq(valid),
            write.addr.eq(tag.index),
        ]
        m.d.sync += [
            valid.eq(self.i_valid & ~self.i_tag.read),
            tag.eq(self.i_tag),
            self.o_valid.eq(valid & tag.last),
            self.o_tag.eq(tag),
        ]
        before = data.View(self.sums, read.data)
        after = Signal(self.sums)
        m.d.comb += write.data.eq(after)
        m.d.sync += self.o_sum.eq(after)
        for lane in range(params.adc.per_slice):
            code = self.i_code[lane]
            step_sum = Signal(signed(params.column_sum_bits), name=f"step_sum{lane}")
            m.d.sync += step_sum.eq(
                sum(
                    code[f"slice{k}"] << (k * params.slices.value_bits + step)
                    for k, step in enumerate(params.adc_step_log2)
                )
            )
            old = Signal(signed(params.sum_bits), name=f"old{lane}")
            place = params.operand_bits - 1
            with m.If(~tag.first):
                m.d.comb += old.eq(before[lane] >> 1)
            with m.If(tag.last):
                m.d.comb += after[lane].eq(old - (step_sum << place))
            with m.Else():
                m.d.comb += after[lane].eq(old + (step_sum << place))
        return m
