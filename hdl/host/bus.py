"""The bus behind every host interface: one request, then its response."""

from enum import IntEnum

from amaranth import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out


class BusError(IntEnum):
    """How a request went; the numbers are AXI's."""

    OKAY = 0
    SLVERR = 2
    """Whoever the address belongs to refuses."""
    DECERR = 3
    """The address belongs to nobody."""


ERROR_BITS = 2


def request_layout(address_bits: int, data_bits: int) -> data.StructLayout:
    """One request: a word written where ``strobe`` says, or read.

    ``address`` counts bytes and is a multiple of the word's; ``last`` ends a burst. ``data`` and
    ``strobe`` mean something in a write only.
    """
    return data.StructLayout(
        {
            "write": unsigned(1),
            "address": unsigned(address_bits),
            "data": unsigned(data_bits),
            "strobe": unsigned(data_bits // 8),
            "last": unsigned(1),
        }
    )


def response_layout(data_bits: int) -> data.StructLayout:
    """What became of a request; ``error`` is a ``BusError``, ``data`` means nothing after one."""
    return data.StructLayout({"data": unsigned(data_bits), "error": unsigned(ERROR_BITS)})


class BusSignature(wiring.Signature):
    """Requests and responses, as the requester sees them.

    A request stays offered, unchanged, until it is taken. Its response comes in a later cycle,
    however much later, and is taken at once; only then is the next request offered. Whoever answers
    answers every request.

    Parameters
    ----------
    address_bits : int
        Width of an address, which counts bytes.
    data_bits : int
        Width of a word, whole bytes.

    Members
    -------
    request : Out(stream.Signature(request_layout(address_bits, data_bits)))
        Words to write, or wanted.
    response : In(stream.Signature(response_layout(data_bits)))
        One for each request.
    """

    def __init__(self, *, address_bits: int, data_bits: int) -> None:
        self.address_bits, self.data_bits = address_bits, data_bits
        super().__init__(
            {
                "request": Out(stream.Signature(request_layout(address_bits, data_bits))),
                "response": In(stream.Signature(response_layout(data_bits))),
            }
        )
