"""Vector sequence: walks a vector instruction through its groups of four words."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.core.register_file import COUNT_BITS
from panther.arch.core import ADDRESS_BITS, LANES

LENGTH_BITS = 10


class VectorSequence(wiring.Component):
    """Group 0 is read in the cycle of ``start``, a further one in every cycle with ``ready``.

    Words are handed to the lanes the cycle after, and written the cycle the lanes return them.

    Members
    -------
    start : In(1)
        Begin, with ``d``, ``a``, ``b`` and ``length``, which need to be there in this cycle only.
    d, a, b, length : In(13), In(13), In(13), In(10)
        First words and number of words of the vectors.
    ready : In(1)
        The lanes take a group in the next cycle.
    read, address_a, address_b : Out(1), Out(13), Out(13)
        A group is read.
    o_valid, o_count, o_last : Out(1), Out(3), Out(1)
        The group read in the cycle before is for the lanes.
    written : In(1)
        The lanes return a group.
    address : Out(13)
        Where it goes.
    """

    def __init__(self) -> None:
        address = unsigned(ADDRESS_BITS)
        super().__init__(
            {
                "start": In(1),
                "d": In(address),
                "a": In(address),
                "b": In(address),
                "length": In(unsigned(LENGTH_BITS)),
                "ready": In(1),
                "read": Out(1),
                "address_a": Out(address),
                "address_b": Out(address),
                "o_valid": Out(1),
                "o_count": Out(unsigned(COUNT_BITS)),
                "o_last": Out(1),
                "written": In(1),
                "address": Out(address),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        a, b, d = (Signal(ADDRESS_BITS, name=f"next_{name}") for name in "abd")
        left = Signal(LENGTH_BITS)
        now = Signal(LENGTH_BITS)
        m.d.comb += [
            now.eq(Mux(self.start, self.length, left)),
            self.read.eq(self.start | ((left != 0) & self.ready)),
            self.address_a.eq(Mux(self.start, self.a, a)),
            self.address_b.eq(Mux(self.start, self.b, b)),
            self.address.eq(d),
        ]
        m.d.sync += self.o_valid.eq(self.read)
        with m.If(self.read):
            last = now <= LANES
            m.d.sync += [
                a.eq(self.address_a + LANES),
                b.eq(self.address_b + LANES),
                left.eq(Mux(last, 0, now - LANES)),
                self.o_last.eq(last),
                self.o_count.eq(Mux(last, now, LANES)),
            ]
        with m.If(self.start):
            m.d.sync += d.eq(self.d)
        with m.Elif(self.written):
            m.d.sync += d.eq(d + LANES)
        return m
