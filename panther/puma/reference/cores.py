"""What a core's program asks the tile memory for, how long it computes, and what that accesses.

An instruction begins when the one before has ended, and fetch and decode cost time only at the
start: a core's program is a list of requests with cycles in between. None of its counts depends on
when it runs.
"""

import math
from collections import Counter
from dataclasses import dataclass

from panther.puma.masks import addresses
from panther.puma.reference.quirks import Quirks
from panther.puma.text import GENERAL, INPUTS, MCUS, Instruction, PumaProgram, Unit

LANES = 4
"""ALUs of a core."""
ROW = 16
"""Words of a row of the tile memory."""
SIZE = 128
"""Rows and columns of an array."""
INPUT_BITS = 16
"""Array accesses of a product, one a bit of the operand."""
SLICES = 8
"""Arrays of a product."""
PHASES = 4
"""Pulses of an array access of an outer product, one for every pair of signs."""
FIRST_CYCLE = 2
"""In which a core's first instruction executes: fetched in cycle 0, decoded in cycle 1."""


@dataclass(frozen=True, kw_only=True)
class Latencies:
    """Cycles of a matrix unit's operations."""

    mvm: int
    """A product, transposed or not."""
    opa: int
    """An outer product."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A row that a core loads or stores."""

    load: bool
    address: int
    width: int
    """Words."""
    counter: int
    """How many will read it; 0 of a load."""
    gap: int
    """Cycles the core computes before it."""
    where: str
    """``file:line``."""


@dataclass(frozen=True, kw_only=True)
class CoreWork:
    """A core's program."""

    requests: tuple[Request, ...]
    tail: int
    """Cycles the core computes after the last request."""
    counts: Counter[str]
    """Accesses by component and action."""


def core_work(program: PumaProgram, unit: Unit, latencies: Latencies, quirks: Quirks) -> CoreWork:
    """Take a core's program apart.

    Raises
    ------
    PumaError
        If an address is not known before the run.
    """
    lines = program.units[unit]
    requests: list[Request] = []
    gap = 0
    counts = Counter({"instruction_memory.fetch": len(lines) + quirks.fetch_past_end})
    for line, address in zip(lines, addresses(lines), strict=True):
        _count(line, counts, quirks)
        if line.name not in ("load", "store"):
            gap += _cycles(line, latencies, quirks)
            continue
        assert address is not None
        width = line.length // line.operands["vec"]
        for first in range(address, address + line.length, width):
            requests.append(
                Request(
                    load=line.name == "load", address=first, width=width,
                    counter=line.operands.get("counter", 0), gap=gap, where=line.where,
                )
            )  # fmt: skip
            gap = 0
    return CoreWork(requests=tuple(requests), tail=gap, counts=counts)


def _cycles(line: Instruction, latencies: Latencies, quirks: Quirks) -> int:
    """From the beginning of an instruction to that of the next one."""
    if line.name == "hlt":
        return 0
    if line.name == "copy":
        return 1 if quirks.copies_in_one_cycle else line.length
    if line.name == "set":
        return line.length
    if line.operations:
        # whatever runs at once takes as long as the longest
        started = frozenset().union(*line.operations)
        cycles = max(
            latencies.mvm if started & {"mvm", "mtvm"} else 0,
            latencies.opa if "opa" in started else 0,
        )
    elif quirks.lanes_rounded_down:
        cycles = line.length // LANES
    else:
        cycles = math.ceil(line.length / LANES)
    # one that takes no time ends when the next cycle looks at it
    return cycles or 2


def _count(line: Instruction, counts: Counter[str], quirks: Quirks) -> None:
    """Add what an instruction accesses."""
    operands, length = line.operands, line.length
    for operations in line.operations:
        for operation in operations:
            _count_operation(operation, counts, quirks)
    if line.name in ("load", "store"):
        # the address
        counts["core_memory.access"] += 1
    if line.name == "store":
        rows = operands["vec"]
        read = rows * ROW if quirks.stores_read_rows else length
        _count_words(operands["r1"], read, counts, write=False)
        return
    if "d1" not in operands:
        return
    if line.name not in ("load", "set"):
        # relu has a second operand in the reference, the first words of XbarIn, which are free
        for name in ("r1", "r2"):
            if name in operands:
                _count_words(operands[name], length, counts, write=False)
    if line.name.startswith("alu"):
        counts["alu.mul" if line.name == "alui mul" else "alu.other"] += length
    _count_words(operands["d1"], length, counts, write=True)


def _count_words(first: int, length: int, counts: Counter[str], *, write: bool) -> None:
    """Registers that are read or written word by word; XbarIn's reads are not counted."""
    outputs = MCUS * INPUTS
    ins = max(0, min(first + length, outputs) - first)
    outs = max(0, min(first + length, GENERAL) - max(first, outputs))
    if write:
        counts["xbar_in.write"] += ins
    counts["xbar_out.access"] += outs
    counts["core_memory.access"] += length - ins - outs


def _count_operation(operation: str, counts: Counter[str], quirks: Quirks) -> None:
    """A matrix operation, bit by bit of its operand."""
    counts["xbar_in.read"] += INPUT_BITS
    if not quirks.converters_in_step:
        # an outer product drives the rows and the columns of each of its arrays
        arrays = 2 * 2 * SLICES if operation == "opa" else 1
        counts["dac.drive"] += INPUT_BITS * SIZE * arrays
    if operation == "opa":
        arrays = SLICES if quirks.half_of_opa else 2 * SLICES
        counts["crossbar.pulse"] += INPUT_BITS * arrays * PHASES
        if not quirks.opa_columns_free:
            counts["xbar_out.access"] += SIZE
        return
    counts[f"crossbar.{operation}_step"] += INPUT_BITS * SLICES
    counts["sample_hold.sample"] += INPUT_BITS * SLICES * SIZE
    if not quirks.converters_in_step:
        counts["adc.convert"] += INPUT_BITS * SLICES * SIZE
    # slices of a column are added to each other, their sum to what stands in XbarOut
    counts["shift_add.add"] += INPUT_BITS * SIZE * (SLICES + 1)
    counts["xbar_out.access"] += INPUT_BITS * SIZE * 2
