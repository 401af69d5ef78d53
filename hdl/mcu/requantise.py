"""Requantisation: round a sum to a data word by a programmable shift."""

from amaranth import Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.mcu.adc_control import tag_layout
from panther.arch.mcu import SHIFT_BITS
from panther.arch.params import McuParams


class Requantise(wiring.Component):
    """``saturate((sum + half) >> shift)`` with half an LSB of the result: nearest, ties up.

    Two cycles, fully pipelined.

    Parameters
    ----------
    params : McuParams
        Width of sums and words, and ADCs per slice.

    Members
    -------
    shift : In(6)
        Shift, 0 to ``sum_bits - 1``.
    i_valid, o_valid : In(1), Out(1)
        Data are present: no back-pressure.
    i_tag, o_tag : In(tag_layout(params)), Out(tag_layout(params))
        Line group.
    i_sum : In(ArrayLayout(signed(sum_bits), per_slice))
        Sums.
    o_word : Out(ArrayLayout(signed(operand_bits), per_slice))
        Words.
    o_saturated : Out(per_slice)
        Lanes in use whose word saturated.
    """

    def __init__(self, params: McuParams) -> None:
        self.params = params
        lanes = params.adc.per_slice
        super().__init__(
            {
                "shift": In(unsigned(SHIFT_BITS)),
                "i_valid": In(1),
                "i_tag": In(tag_layout(params)),
                "i_sum": In(data.ArrayLayout(signed(params.sum_bits), lanes)),
                "o_valid": Out(1),
                "o_tag": Out(tag_layout(params)),
                "o_word": Out(data.ArrayLayout(signed(params.operand_bits), lanes)),
                "o_saturated": Out(unsigned(lanes)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        valid = Signal()
        tag = Signal(tag_layout(self.params))
        m.d.sync += [
            valid.eq(self.i_valid),
            tag.eq(self.i_tag),
            self.o_valid.eq(valid),
            self.o_tag.eq(tag),
        ]
        high = (1 << (self.params.operand_bits - 1)) - 1
        for lane in range(self.params.adc.per_slice):
            # one fraction bit is kept, so adding one to it adds half an LSB
            scaled = Signal(signed(self.params.sum_bits + 1), name=f"scaled{lane}")
            rounded = Signal(signed(self.params.sum_bits + 1), name=f"rounded{lane}")
            above, below = Signal(name=f"above{lane}"), Signal(name=f"below{lane}")
            m.d.sync += scaled.eq((self.i_sum[lane] << 1) >> self.shift)
            m.d.comb += [
                rounded.eq((scaled + 1) >> 1),
                above.eq(rounded > high),
                below.eq(rounded < -high - 1),
            ]
            m.d.sync += [
                self.o_word[lane].eq(
                    Mux(above, Const(high), Mux(below, Const(-high - 1), rounded))
                ),
                self.o_saturated[lane].eq(valid & tag.lanes[lane] & (above | below)),
            ]
        return m
