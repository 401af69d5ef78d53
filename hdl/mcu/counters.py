"""Saturation counters: nothing in the unit saturates unseen."""

from amaranth import Cat, Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from panther.arch.mcu import COUNTER_BITS, counter_names
from panther.arch.params import McuParams


class Counters(wiring.Component):
    """Counts saturation events per slice and per cause; 32 bits each, wrapping.

    Events of one cycle are all counted; a count is visible in the next cycle.

    Parameters
    ----------
    params : McuParams
        Slices and ADCs per slice.

    Members
    -------
    clear : In(1)
        Set every counter to zero.
    requantise : In(per_slice)
        Words that saturated.
    crs_top : In(per_slice)
        Weights whose top slice saturated in a CRS.
    adc_clip, cell_limit : In(per_slice * slices)
        Sums beyond the code range; cells found at the edge of their range. Bit
        ``lane * slices + k``.
    select : In(range(counters))
        Counter to read, in the order of ``panther.arch.mcu.counter_names``.
    value : Out(32)
        Its count.
    """

    def __init__(self, params: McuParams) -> None:
        self.params = params
        lanes, slices = params.adc.per_slice, params.slices.count
        super().__init__(
            {
                "clear": In(1),
                "requantise": In(unsigned(lanes)),
                "crs_top": In(unsigned(lanes)),
                "adc_clip": In(unsigned(lanes * slices)),
                "cell_limit": In(unsigned(lanes * slices)),
                "select": In(range(len(counter_names(slices)))),
                "value": Out(unsigned(COUNTER_BITS)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        slices = self.params.slices.count
        events = [
            self.requantise,
            self.crs_top,
            *(Cat(self.adc_clip[k::slices]) for k in range(slices)),
            *(Cat(self.cell_limit[k::slices]) for k in range(slices)),
        ]
        counts = []
        for name, lanes in zip(counter_names(slices), events, strict=True):
            count = Signal(COUNTER_BITS, name=name)
            with m.If(self.clear):
                m.d.sync += count.eq(0)
            with m.Elif(lanes.any()):
                m.d.sync += count.eq(count + sum(lanes))
            counts.append(count)
        with m.Switch(self.select):
            for n, count in enumerate(counts):
                with m.Case(n):
                    m.d.comb += self.value.eq(count)
        return m
