"""AXI4-Lite slave: one register access after the other on the bus behind it."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Member, Out

from hdl.host.bus import ERROR_BITS, BusError, BusSignature

DATA_BITS = 32
STROBE_BITS = DATA_BITS // 8
ALIGNMENT_BITS = 2
"""Bits of an address that are 0: words are four bytes."""


def axi_lite_members(address_bits: int) -> dict[str, Member]:
    """The pins of an AXI4-Lite slave; without ``prot``, which it would not look at."""
    return {
        "s_axil_awaddr": In(unsigned(address_bits)),
        "s_axil_awvalid": In(1),
        "s_axil_awready": Out(1),
        "s_axil_wdata": In(unsigned(DATA_BITS)),
        "s_axil_wstrb": In(unsigned(STROBE_BITS)),
        "s_axil_wvalid": In(1),
        "s_axil_wready": Out(1),
        "s_axil_bresp": Out(unsigned(ERROR_BITS)),
        "s_axil_bvalid": Out(1),
        "s_axil_bready": In(1),
        "s_axil_araddr": In(unsigned(address_bits)),
        "s_axil_arvalid": In(1),
        "s_axil_arready": Out(1),
        "s_axil_rdata": Out(unsigned(DATA_BITS)),
        "s_axil_rresp": Out(unsigned(ERROR_BITS)),
        "s_axil_rvalid": Out(1),
        "s_axil_rready": In(1),
    }


class AxiLite(wiring.Component):
    """Turns writes and reads of 32 bits into requests, alternately while there are both.

    Every channel takes one item and then waits until it is dealt with: an address may come before
    or after its data, and a master that does not take responses of one kind does not hold up the
    other kind. All outputs come from registers. An address that is no multiple of four is answered
    with SLVERR and never gets to the bus. Alone, on a slave that takes at once and answers in the
    next cycle, a write or read takes four cycles, from one handshake of an address to the next.

    Parameters
    ----------
    address_bits : int
        Width of an address, at least 3.

    Members
    -------
    s_axil_* :
        See ``axi_lite_members``.
    bus : Out(BusSignature(address_bits=address_bits, data_bits=32))
        Requests; ``last`` is always high.
    """

    def __init__(self, *, address_bits: int) -> None:
        if address_bits <= ALIGNMENT_BITS:
            raise ValueError(f"Address bits must be at least 3, not {address_bits}")
        self.address_bits = address_bits
        super().__init__(
            {
                **axi_lite_members(address_bits),
                "bus": Out(BusSignature(address_bits=address_bits, data_bits=DATA_BITS)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        request, response = self.bus.request, self.bus.response

        # an item of each channel, and whether there is one
        has_write_address, has_write_data, has_read_address = Signal(), Signal(), Signal()
        write_address = Signal(self.address_bits)
        write_data = Signal(DATA_BITS)
        strobe = Signal(STROBE_BITS)
        read_address = Signal(self.address_bits)
        m.d.comb += [
            self.s_axil_awready.eq(~has_write_address),
            self.s_axil_wready.eq(~has_write_data),
            self.s_axil_arready.eq(~has_read_address),
        ]
        with m.If(self.s_axil_awvalid & self.s_axil_awready):
            m.d.sync += [has_write_address.eq(1), write_address.eq(self.s_axil_awaddr)]
        with m.If(self.s_axil_wvalid & self.s_axil_wready):
            m.d.sync += [
                has_write_data.eq(1),
                write_data.eq(self.s_axil_wdata),
                strobe.eq(self.s_axil_wstrb),
            ]
        with m.If(self.s_axil_arvalid & self.s_axil_arready):
            m.d.sync += [has_read_address.eq(1), read_address.eq(self.s_axil_araddr)]
        with m.If(self.s_axil_bready):
            m.d.sync += self.s_axil_bvalid.eq(0)
        with m.If(self.s_axil_rready):
            m.d.sync += self.s_axil_rvalid.eq(0)

        # the one that goes to the bus has a place for its response
        may_write, may_read, write = Signal(), Signal(), Signal()
        address = Signal(self.address_bits)
        m.d.comb += [
            may_write.eq(has_write_address & has_write_data & ~self.s_axil_bvalid),
            may_read.eq(has_read_address & ~self.s_axil_rvalid),
            address.eq(Mux(write, write_address, read_address)),
            request.p.write.eq(write),
            request.p.address.eq(address),
            request.p.data.eq(write_data),
            request.p.strobe.eq(strobe),
            request.p.last.eq(1),
            response.ready.eq(1),
        ]

        ended = Signal()
        error = Signal(ERROR_BITS)
        with m.FSM():
            with m.State("CHOOSE"):
                # one that has ended has nothing to follow it yet, so the other kind comes next
                m.d.sync += write.eq(may_write)
                with m.If(may_write | may_read):
                    m.next = "REQUEST"
            with m.State("REQUEST"):
                with m.If(address[:ALIGNMENT_BITS] != 0):
                    m.d.comb += [ended.eq(1), error.eq(BusError.SLVERR)]
                    m.next = "CHOOSE"
                with m.Else():
                    m.d.comb += request.valid.eq(1)
                    with m.If(request.ready):
                        m.next = "RESPONSE"
            with m.State("RESPONSE"):
                m.d.comb += error.eq(response.p.error)
                with m.If(response.valid):
                    m.d.comb += ended.eq(1)
                    m.next = "CHOOSE"
        with m.If(ended):
            with m.If(write):
                m.d.sync += [
                    has_write_address.eq(0),
                    has_write_data.eq(0),
                    self.s_axil_bvalid.eq(1),
                    self.s_axil_bresp.eq(error),
                ]
            with m.Else():
                m.d.sync += [
                    has_read_address.eq(0),
                    self.s_axil_rvalid.eq(1),
                    self.s_axil_rdata.eq(response.p.data),
                    self.s_axil_rresp.eq(error),
                ]
        return m
