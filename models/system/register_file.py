"""The register file: XbarIn and XbarOut of every matrix unit, and the general registers."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.system.trace import Event, record
from panther.arch.core import (
    ADDRESS_BITS,
    GENERAL_BASE,
    LANES,
    MAX_MCUS,
    XBAR_OUT_BASE,
    CoreParams,
)
from panther.arch.mcu import InBank, OutBank


class RegisterFile(NamedTuple):
    """One array laid out as the address map; the matrix units see their banks in it.

    The hardware keeps a copy of XbarIn for its own reading. Here that is the same array: a bank is
    only written while no operation reads it.
    """

    words: NDArray[np.int16]


class Bank(NamedTuple):
    """Where a register-file address lies."""

    end: int
    """Address behind the bank's last word."""
    xbar_in: int = -1
    """Number of the XbarIn bank, four to a unit; -1 if it is none."""
    xbar_out: int = -1
    """Number of the XbarOut bank, two to a unit; -1 if it is none."""


def make_register_file() -> RegisterFile:
    """All words 0."""
    return RegisterFile(np.zeros(1 << ADDRESS_BITS, np.int16))


def xbar_in(registers: RegisterFile, params: CoreParams) -> NDArray[np.int16]:
    """Every XbarIn, shape (MCUs, banks, block)."""
    banks = registers.words[:XBAR_OUT_BASE].reshape(-1, len(InBank), params.block)
    return banks[: params.mcus]


def xbar_out(registers: RegisterFile, params: CoreParams) -> NDArray[np.int16]:
    """Every XbarOut, shape (MCUs, banks, block)."""
    banks = registers.words[XBAR_OUT_BASE:GENERAL_BASE].reshape(-1, len(OutBank), params.block)
    return banks[: params.mcus]


def bank_of(params: CoreParams, address: int) -> Bank | None:
    """The bank an address lies in; None if there is none."""
    if address >= GENERAL_BASE:
        return Bank(GENERAL_BASE + params.registers)
    number, _ = divmod(address % XBAR_OUT_BASE, params.block)
    start = address - address % params.block
    if address >= XBAR_OUT_BASE:
        mcu, out = divmod(number, len(OutBank))
        bank = Bank(start + params.out_lines(OutBank(out)), xbar_out=number)
    else:
        mcu, within = divmod(number, len(InBank))
        bank = Bank(start + params.in_lines(InBank(within)), xbar_in=number)
    return bank if mcu < params.mcus <= MAX_MCUS else None


@njit(cache=True, inline="always")
def packed(registers, address, count, lane):  # type: ignore[no-untyped-def]
    """``count`` words from ``address`` on, side by side from ``lane`` on, the others 0."""
    group = 0
    for i in range(count):
        word = np.int64(registers.words[address + i]) & 0xFFFF
        group |= word << (16 * (lane + i))
    return group


@njit(cache=True, inline="always")
def write_group(registers, address, count, lane, group, trace, now):  # type: ignore[no-untyped-def]
    """Write ``count`` words of a packed group from ``lane`` on, in cycle ``now``."""
    group >>= 16 * lane
    for i in range(count):
        registers.words[address + i] = np.int16(group)
        group >>= 16
    if trace.rows.shape[0]:
        data = packed(registers, address, count, 0)
        record(trace, Event.VECTOR, now, address, count, data)


@njit(cache=True, inline="always")
def record_vector(registers, address, count, trace, first, step):  # type: ignore[no-untyped-def]
    """Record that a vector was written, group 0 in cycle ``first``, the others each ``step``
    cycles later.
    """
    if trace.rows.shape[0]:
        for start in range(0, count, LANES):
            words = min(count - start, LANES)
            data = packed(registers, address + start, words, 0)
            record(trace, Event.VECTOR, first, address + start, words, data)
            first += step
