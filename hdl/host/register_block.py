"""Register block: a table of registers on the bus; what they hold is up to who owns them."""

from collections.abc import Sequence

from amaranth import Cat, Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.host.bus import ERROR_BITS, BusError, BusSignature
from panther.arch.registers import REGISTER_BITS, REGISTER_BYTES, Register, check_map

_WORD = (REGISTER_BYTES - 1).bit_length()


class RegisterBlock(wiring.Component):
    """Finds out which register a request means and whether it may do that.

    A register that must not be written, or read, answers SLVERR, an address without one DECERR; in
    both cases the owner sees nothing of it. Addresses are multiples of four.

    Parameters
    ----------
    registers : sequence of Register
        The table.
    address_bits : int
        Width of an address.

    Members
    -------
    bus : In(BusSignature(address_bits=address_bits, data_bits=32))
        Requests.
    write, read : Out(registers)
        Bit n: the register that is number n in the table is written, or read. Stays high until
        ``ready`` is.
    index : Out(...)
        Which of its words.
    data, mask : Out(32)
        What is written, and where: ``data`` is 0 outside of ``mask``.
    value : In(32).array(registers)
        What is read.
    ready, refused : In(1)
        It is done in this cycle, or refused (SLVERR) with ``ready``.
    """

    def __init__(self, registers: Sequence[Register], *, address_bits: int) -> None:
        check_map(registers)
        self.registers = tuple(registers)
        self.address_bits = address_bits
        word = unsigned(REGISTER_BITS)
        super().__init__(
            {
                "bus": In(BusSignature(address_bits=address_bits, data_bits=REGISTER_BITS)),
                "write": Out(len(self.registers)),
                "read": Out(len(self.registers)),
                "index": Out(range(max(2, *(register.count for register in registers)))),
                "data": Out(word),
                "mask": Out(word),
                "value": In(word).array(len(self.registers)),
                "ready": In(1),
                "refused": In(1),
            }
        )

    def number(self, name: str) -> int:
        """Place of a register in the table."""
        return [register.name for register in self.registers].index(name)

    def elaborate(self, platform) -> Module:
        m = Module()
        request, response = self.bus.request, self.bus.response
        writing, reading = Signal(), Signal()
        address = Signal(self.address_bits - _WORD)
        written, strobes = Signal(REGISTER_BITS), Signal(REGISTER_BYTES)
        number = Signal(range(max(2, len(self.registers))))
        error = Signal(ERROR_BITS)
        m.d.comb += [
            self.mask.eq(Cat(strobe.replicate(8) for strobe in strobes)),
            self.data.eq(written & self.mask),
            response.p.error.eq(error),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += request.ready.eq(1)
                m.d.sync += [
                    writing.eq(request.p.write),
                    reading.eq(~request.p.write),
                    address.eq(request.p.address[_WORD:]),
                    written.eq(request.p.data),
                    strobes.eq(request.p.strobe),
                ]
                with m.If(request.valid):
                    m.next = "FIND"
            with m.State("FIND"):
                m.d.sync += error.eq(BusError.DECERR)
                m.next = "ANSWER"
                for n, register in enumerate(self.registers):
                    first = register.offset // REGISTER_BYTES
                    here = address == first
                    if register.count > 1:
                        here = (address >= first) & (address < first + register.count)
                    with m.If(here):
                        m.d.sync += [number.eq(n), self.index.eq(address - first)]
                        allowed = (writing & register.access.writable) | (
                            reading & register.access.readable
                        )
                        with m.If(allowed):
                            m.d.sync += error.eq(BusError.OKAY)
                            m.next = "ACT"
                        with m.Else():
                            m.d.sync += error.eq(BusError.SLVERR)
            with m.State("ACT"):
                with m.Switch(number):
                    for n in range(len(self.registers)):
                        with m.Case(n):
                            m.d.comb += [self.write[n].eq(writing), self.read[n].eq(reading)]
                            m.d.sync += response.p.data.eq(self.value[n])
                with m.If(self.ready):
                    with m.If(self.refused):
                        m.d.sync += error.eq(BusError.SLVERR)
                    m.next = "ANSWER"
            with m.State("ANSWER"):
                m.d.comb += response.valid.eq(1)
                m.next = "IDLE"
        return m


def masked(block: RegisterBlock, kept):  # type: ignore[no-untyped-def]
    """What a register that keeps what is written holds after a write to it."""
    return (kept & ~block.mask) | block.data
