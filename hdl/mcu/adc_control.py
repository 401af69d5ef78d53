"""S&H and ADC control: sample a settled current, convert it one group of lines a cycle."""

from amaranth import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.analog import group_shape
from hdl.mcu.bit_stream import settled_layout
from panther.arch.mcu import INDEX_BITS
from panther.arch.params import McuParams


def tag_layout(params: McuParams) -> data.StructLayout:
    """What travels beside the codes of one conversion."""
    return data.StructLayout(
        {
            "index": group_shape(params),
            "lanes": unsigned(params.adc.per_slice),
            "first": unsigned(1),
            "last": unsigned(1),
            "read": unsigned(1),
            "end": unsigned(1),
        }
    )


class AdcControl(wiring.Component):
    """Samples when its converters are free, then converts the lines group by group.

    ``ceil(lines / per_slice)`` cycles a sample; the next sample may be taken in the cycle of the
    last conversion, so converters never idle while currents settle fast enough.

    Parameters
    ----------
    params : McuParams
        Lines and ADCs per slice.

    Members
    -------
    i : In(stream.Signature(settled_layout()))
        Settled currents; the transfer is the S&H strobe.
    lines : In(range(max_lines + 1))
        Lines to convert; stable while ``busy``.
    busy : Out(1)
        Conversions are left.
    sample, convert : Out(1)
        Strobes to the array.
    mux : Out(group_shape(params))
        Line group being converted.
    o_valid : Out(1)
        The array's codes are those of the conversion described by ``o_tag``.
    o_tag : Out(tag_layout(params))
        Line group, which of its lanes are in use, the step's place in its operation, and whether
        it is the sample's last group.
    """

    i: stream.Interface

    def __init__(self, params: McuParams) -> None:
        self.params = params
        super().__init__(
            {
                "i": In(stream.Signature(settled_layout())),
                "lines": In(unsigned(INDEX_BITS + 1)),
                "busy": Out(1),
                "sample": Out(1),
                "convert": Out(1),
                "mux": Out(group_shape(params)),
                "o_valid": Out(1),
                "o_tag": Out(tag_layout(params)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        lanes = self.params.adc.per_slice
        held = Signal(settled_layout())
        # first line of the group after the current one; the sample ends where it reaches lines
        following = Signal(INDEX_BITS + 2)
        end = Signal()
        m.d.comb += [
            end.eq(following >= self.lines),
            self.busy.eq(self.convert),
            self.i.ready.eq(~self.convert | end),
            self.sample.eq(self.i.valid & self.i.ready),
        ]
        with m.If(self.sample):
            m.d.sync += [
                held.eq(self.i.payload),
                self.convert.eq(1),
                self.mux.eq(0),
                following.eq(lanes),
            ]
        with m.Elif(end):
            m.d.sync += self.convert.eq(0)
        with m.Elif(self.convert):
            m.d.sync += [self.mux.eq(self.mux + 1), following.eq(following + lanes)]

        # the array answers one cycle after the conversion
        m.d.sync += [
            self.o_valid.eq(self.convert),
            self.o_tag.index.eq(self.mux),
            self.o_tag.first.eq(held.first),
            self.o_tag.last.eq(held.last),
            self.o_tag.read.eq(held.read),
            self.o_tag.end.eq(end),
        ]
        for lane in range(lanes):
            # following is lanes past the group's first line
            m.d.sync += self.o_tag.lanes[lane].eq(following + lane < self.lines + lanes)
        return m
