"""Fan-out: one bus to many, by the upper bits of the address."""

from functools import reduce
from operator import or_

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.host.bus import BusError, BusSignature, request_layout, response_layout


class FanOut(wiring.Component):
    """Hands each request to the bus it belongs to, and its response back; DECERR if to none.

    Requests and responses are registered on their way, so the buses may lie far apart.

    Parameters
    ----------
    buses : int
        How many.
    low_bits : int
        Width of an address of each of them.
    address_bits : int
        Width of a whole address.
    data_bits : int
        Width of a word.

    Members
    -------
    bus : In(BusSignature(address_bits=address_bits, data_bits=data_bits))
        Requests.
    o : Out(BusSignature(address_bits=low_bits, data_bits=data_bits)).array(buses)
        Those whose address is ``n << low_bits`` and above, for bus n.
    """

    def __init__(self, buses: int, *, low_bits: int, address_bits: int, data_bits: int) -> None:
        self.buses, self.low_bits, self.data_bits = buses, low_bits, data_bits
        super().__init__(
            {
                "bus": In(BusSignature(address_bits=address_bits, data_bits=data_bits)),
                "o": Out(BusSignature(address_bits=low_bits, data_bits=data_bits)).array(buses),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        request, response = self.bus.request, self.bus.response
        kept = Signal(request_layout(self.low_bits, self.data_bits))
        answer = Signal(response_layout(self.data_bits))
        offered = Signal(self.buses)
        m.d.comb += response.payload.eq(answer)
        answers = []
        for n, bus in enumerate(self.o):
            m.d.comb += [
                bus.request.valid.eq(offered[n]),
                bus.request.payload.eq(kept),
                bus.response.ready.eq(1),
            ]
            came = bus.response.valid.replicate(len(answer.as_value()))
            answers.append(bus.response.payload.as_value() & came)
        taken = Cat(bus.request.ready for bus in self.o)
        answered = Cat(bus.response.valid for bus in self.o).any()
        high = request.p.address[self.low_bits :]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += request.ready.eq(1)
                m.d.sync += [getattr(kept, name).eq(getattr(request.p, name)) for name in
                             ("write", "address", "data", "strobe", "last")]  # fmt: skip
                with m.If(request.valid):
                    m.d.sync += answer.error.eq(BusError.DECERR)
                    m.next = "ANSWER"
                    for n in range(self.buses):
                        with m.If(high == n if len(high) else 1):
                            m.d.sync += offered[n].eq(1)
                            m.next = "WAIT"
            with m.State("WAIT"):
                m.d.sync += offered.eq(offered & ~taken)
                with m.If(answered):
                    m.d.sync += answer.eq(reduce(or_, answers))
                    m.next = "ANSWER"
            with m.State("ANSWER"):
                m.d.comb += response.valid.eq(1)
                m.next = "IDLE"
        return m
