"""AXI4 slave: bursts, one beat after the other, on the bus behind it."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Member, Out

from hdl.host.bus import ERROR_BITS, BusError, BusSignature

DATA_BITS = 64
STROBE_BITS = DATA_BITS // 8
ALIGNMENT_BITS = 3
LENGTH_BITS, SIZE_BITS, BURST_BITS = 8, 3, 2
INCREMENTING = 1
"""The kind of burst that is carried out."""
PAGE_BITS = 12
"""No burst may cross a multiple of 4 KiB."""


def axi4_members(address_bits: int, id_bits: int) -> dict[str, Member]:
    """The pins of an AXI4 slave; without those it would not look at (lock, cache, prot, qos)."""

    def address(channel: str) -> dict[str, Member]:
        return {
            f"s_axi_{channel}id": In(unsigned(id_bits)),
            f"s_axi_{channel}addr": In(unsigned(address_bits)),
            f"s_axi_{channel}len": In(unsigned(LENGTH_BITS)),
            f"s_axi_{channel}size": In(unsigned(SIZE_BITS)),
            f"s_axi_{channel}burst": In(unsigned(BURST_BITS)),
            f"s_axi_{channel}valid": In(1),
            f"s_axi_{channel}ready": Out(1),
        }

    return {
        **address("aw"),
        "s_axi_wdata": In(unsigned(DATA_BITS)),
        "s_axi_wstrb": In(unsigned(STROBE_BITS)),
        "s_axi_wlast": In(1),
        "s_axi_wvalid": In(1),
        "s_axi_wready": Out(1),
        "s_axi_bid": Out(unsigned(id_bits)),
        "s_axi_bresp": Out(unsigned(ERROR_BITS)),
        "s_axi_bvalid": Out(1),
        "s_axi_bready": In(1),
        **address("ar"),
        "s_axi_rid": Out(unsigned(id_bits)),
        "s_axi_rdata": Out(unsigned(DATA_BITS)),
        "s_axi_rresp": Out(unsigned(ERROR_BITS)),
        "s_axi_rlast": Out(1),
        "s_axi_rvalid": Out(1),
        "s_axi_rready": In(1),
    }


def _worse(first, second):  # type: ignore[no-untyped-def]
    return Mux(first > second, first, second)


class Axi4(wiring.Component):
    """Turns INCR bursts of up to 256 whole words of 64 bits into requests, one a beat.

    One write burst and one read burst are under way at a time, each with its id. Both kinds take
    turns burst by burst, but a beat that cannot go on (no data yet, responses not taken) holds up
    its own kind only: the other one goes on meanwhile. All outputs come from registers. On a slave
    that takes at once and answers in the next cycle a beat takes two cycles; three more pass from
    one burst of a kind to the next.

    A burst that is not INCR, is narrower than a word, is not aligned to words, or crosses 4 KiB (or
    the end of the address space) never gets to the bus: its data are taken, and its beats all read
    0, with SLVERR. Every beat read has its own response, a write burst the worst of its beats'.

    WLAST at the wrong beat is SLVERR as well. If it comes too early, the burst ends there. If it is
    not there at the end, the burst ends all the same; data that follow are dropped, up to WLAST or
    to the next address that is taken.

    Parameters
    ----------
    address_bits : int
        Width of an address, at least 4.
    id_bits : int
        Width of an id, at least 1.

    Members
    -------
    s_axi_* :
        See ``axi4_members``.
    bus : Out(BusSignature(address_bits=address_bits, data_bits=64))
        Requests.
    """

    def __init__(self, *, address_bits: int, id_bits: int) -> None:
        if address_bits <= ALIGNMENT_BITS:
            raise ValueError(f"Address bits must be at least 4, not {address_bits}")
        if id_bits < 1:
            raise ValueError(f"Id bits must be at least 1, not {id_bits}")
        self.address_bits, self.id_bits = address_bits, id_bits
        super().__init__(
            {
                **axi4_members(address_bits, id_bits),
                "bus": Out(BusSignature(address_bits=address_bits, data_bits=DATA_BITS)),
            }
        )

    def _refused(self, channel: str):  # type: ignore[no-untyped-def]
        """Whether the burst a channel asks for is not to be carried out."""
        pin = {
            name: getattr(self, f"s_axi_{channel}{name}")
            for name in ("addr", "len", "size", "burst")
        }
        words = pin["addr"][ALIGNMENT_BITS : min(PAGE_BITS, self.address_bits)]
        return (
            (pin["burst"] != INCREMENTING)
            | (pin["size"] != ALIGNMENT_BITS)
            | (pin["addr"][:ALIGNMENT_BITS] != 0)
            | (words + pin["len"] >= 1 << len(words))
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        request, response = self.bus.request, self.bus.response

        # write burst: from its address to the handshake of its response
        writing, write_refused, write_ended = Signal(), Signal(), Signal()
        write_address = Signal(self.address_bits)
        write_left = Signal(LENGTH_BITS)
        write_error = Signal(ERROR_BITS)
        dropping = Signal()
        m.d.comb += self.s_axi_awready.eq(~writing)

        # one beat of its data
        has_data, data_last = Signal(), Signal()
        write_data = Signal(DATA_BITS)
        strobe = Signal(STROBE_BITS)
        m.d.comb += self.s_axi_wready.eq(~has_data)
        with m.If(self.s_axi_wvalid & self.s_axi_wready):
            m.d.sync += [
                has_data.eq(1),
                write_data.eq(self.s_axi_wdata),
                strobe.eq(self.s_axi_wstrb),
                data_last.eq(self.s_axi_wlast),
            ]

        # read burst: from its address until its last beat is asked for, then until that is taken
        reading, read_refused, read_ended = Signal(), Signal(), Signal()
        read_address = Signal(self.address_bits)
        read_left = Signal(LENGTH_BITS)
        m.d.comb += self.s_axi_arready.eq(~reading)

        # two beats of its data, so one may be asked for while another one waits to be taken
        beat = data.StructLayout(
            {"data": unsigned(DATA_BITS), "error": unsigned(ERROR_BITS), "last": unsigned(1)}
        )
        front, behind, arrived = Signal(beat), Signal(beat), Signal(beat)
        has_front, has_behind, arrives, taken = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            self.s_axi_rvalid.eq(has_front),
            self.s_axi_rdata.eq(front.data),
            self.s_axi_rresp.eq(front.error),
            self.s_axi_rlast.eq(front.last),
            taken.eq(has_front & self.s_axi_rready),
        ]
        with m.If(taken):
            m.d.sync += [front.eq(behind), has_front.eq(has_behind), has_behind.eq(0)]
        with m.If(arrives):
            with m.If(has_front & ~taken):
                m.d.sync += [behind.eq(arrived), has_behind.eq(1)]
            with m.Else():
                m.d.sync += [front.eq(arrived), has_front.eq(1)]

        # the bus: one beat at a time, of the kind whose turn it is if that has one
        may_write, may_read = Signal(), Signal()
        waiting, held, chosen, write = Signal(), Signal(), Signal(), Signal()
        writes_turn = Signal(init=1)
        asked, answered, last = Signal(), Signal(), Signal()
        write_ends = Signal()
        read_last = Signal()
        m.d.comb += [
            may_write.eq(writing & ~write_ended & ~write_refused & has_data),
            may_read.eq(reading & ~read_ended & ~read_refused & ~has_behind),
            write.eq(Mux(held, chosen, may_write & (writes_turn | ~may_read))),
            write_ends.eq(data_last | (write_left == 0)),
            read_last.eq(read_left == 0),
            last.eq(Mux(write, write_ends, read_last)),
            request.valid.eq(~waiting & (may_write | may_read)),
            request.p.write.eq(write),
            request.p.address.eq(Mux(write, write_address, read_address)),
            request.p.data.eq(write_data),
            request.p.strobe.eq(strobe),
            request.p.last.eq(last),
            response.ready.eq(1),
            asked.eq(request.valid & request.ready),
            answered.eq(waiting & response.valid),
        ]
        m.d.sync += held.eq(request.valid & ~request.ready)
        with m.If(request.valid):
            m.d.sync += chosen.eq(write)
        with m.If(asked):
            m.d.sync += waiting.eq(1)
            with m.If(last):
                m.d.sync += writes_turn.eq(~write)
        with m.If(answered):
            m.d.sync += waiting.eq(0)

        # a beat of data is dealt with
        used = Signal()
        m.d.comb += used.eq(Mux(write_refused, writing & ~write_ended & has_data, asked & write))
        with m.If(used):
            m.d.sync += [
                has_data.eq(0),
                write_address.eq(write_address + STROBE_BITS),
                write_left.eq(write_left - 1),
                write_ended.eq(write_ends),
                dropping.eq((write_left == 0) & ~data_last),
            ]
            with m.If(data_last != (write_left == 0)):
                m.d.sync += write_error.eq(_worse(write_error, BusError.SLVERR))
        with m.Elif(dropping & has_data):
            m.d.sync += [has_data.eq(0), dropping.eq(~data_last)]

        with m.If(answered & chosen):
            m.d.sync += write_error.eq(_worse(write_error, response.p.error))
        with m.If(writing & write_ended & ~(waiting & chosen) & ~self.s_axi_bvalid):
            m.d.sync += [self.s_axi_bvalid.eq(1), self.s_axi_bresp.eq(write_error)]
        with m.If(self.s_axi_bvalid & self.s_axi_bready):
            m.d.sync += [self.s_axi_bvalid.eq(0), writing.eq(0)]
        with m.If(self.s_axi_awvalid & self.s_axi_awready):
            m.d.sync += [
                writing.eq(1),
                write_refused.eq(self._refused("aw")),
                write_ended.eq(0),
                write_address.eq(self.s_axi_awaddr),
                write_left.eq(self.s_axi_awlen),
                write_error.eq(Mux(self._refused("aw"), BusError.SLVERR, BusError.OKAY)),
                dropping.eq(0),
                self.s_axi_bid.eq(self.s_axi_awid),
            ]

        # a beat is asked for, or answered without
        refused = Signal()
        m.d.comb += [
            refused.eq(reading & read_refused & ~read_ended & ~has_behind),
            arrives.eq((answered & ~chosen) | refused),
            arrived.last.eq(Mux(refused, read_last, read_ended)),
        ]
        with m.If(refused):
            m.d.comb += arrived.error.eq(BusError.SLVERR)
        with m.Else():
            m.d.comb += [arrived.data.eq(response.p.data), arrived.error.eq(response.p.error)]
        with m.If((asked & ~write) | refused):
            m.d.sync += [
                read_address.eq(read_address + STROBE_BITS),
                read_left.eq(read_left - 1),
                read_ended.eq(read_last),
            ]
        with m.If(taken & front.last):
            m.d.sync += reading.eq(0)
        with m.If(self.s_axi_arvalid & self.s_axi_arready):
            m.d.sync += [
                reading.eq(1),
                read_refused.eq(self._refused("ar")),
                read_ended.eq(0),
                read_address.eq(self.s_axi_araddr),
                read_left.eq(self.s_axi_arlen),
                self.s_axi_rid.eq(self.s_axi_arid),
            ]
        return m
