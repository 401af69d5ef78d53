"""Pins of a unit: compared by name, and vectors spread over bit planes."""

from collections.abc import Sequence
from typing import Any

from cocotb.types import Logic

from cocotb_tests.compare import compare


def read(handle: Any) -> int:
    """Unsigned value of a port; the simulators disagree on what a port of one bit is."""
    value = handle.value
    return int(value) if isinstance(value, Logic) else value.to_unsigned()


def compare_pins(unit: str, operation: str, dut: Any, **golden: int) -> None:
    """Compare ports of ``dut``, as unsigned integers, with the values given by port name."""
    for name, value in golden.items():
        compare(unit, f"{operation}, {name}", int(value), read(getattr(dut, name)))


def planes(words: Sequence[int], bits: int) -> int:
    """Bit ``j`` of word ``n`` at ``j * len(words) + n``; negative words in two's complement."""
    lines = len(words)
    return sum(
        (word >> j & 1) << (j * lines + n) for n, word in enumerate(words) for j in range(bits)
    )


def from_planes(port: int, lines: int, bits: int) -> list[int]:
    """The unsigned words of :func:`planes`."""
    return [sum((port >> (j * lines + n) & 1) << j for j in range(bits)) for n in range(lines)]
