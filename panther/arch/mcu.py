"""What a matrix compute unit can be told: operations, register banks, configuration keys.

The numbers are wire values; hardware, models, testbenches and the instruction set share them.
"""

from enum import IntEnum


class Operation(IntEnum):
    """What one command makes the unit do."""

    MVM = 0
    """Rows driven, columns read: y = W x."""
    MTVM = 1
    """Columns driven, rows read: x' = W^T e."""
    OPA = 2
    """Outer product accumulated in place, carry-free: W += x e^T."""
    CRS = 3
    """Carry resolution of every configured row."""
    READ = 4
    """One row of cells into the row buffer."""
    WRITE = 5
    """The row buffer into one row of cells."""


OPERATION_BITS = 3


class InBank(IntEnum):
    """Banks of XbarIn, one operand vector each."""

    MVM = 0
    MTVM = 1
    OPA_ROWS = 2
    OPA_COLUMNS = 3


class OutBank(IntEnum):
    """Banks of XbarOut, one result vector each."""

    MVM = 0
    MTVM = 1


IN_BANK_BITS = 2
OUT_BANK_BITS = 1
INDEX_BITS = 8

LANES = 4
"""Words moved per cycle: into XbarIn, out of XbarOut, through a vector unit; also the words of a
memory group. A power of two."""
LANE_BITS = 2
LANE_COUNT_BITS = 3


class ConfigKey(IntEnum):
    """Configuration registers."""

    ROWS = 0
    """Rows in use: read by MTVM, resolved by CRS."""
    COLUMNS = 1
    """Columns in use: read by MVM."""
    MVM_SHIFT = 2
    """Requantisation shift of MVM."""
    MTVM_SHIFT = 3
    """Requantisation shift of MTVM."""
    CLEAR_COUNTERS = 4
    """Writing anything clears every saturation counter."""


CONFIG_KEY_BITS = 4
CONFIG_VALUE_BITS = 32
SHIFT_BITS = 6
COUNTER_BITS = 32


def counter_names(slices: int) -> tuple[str, ...]:
    """Names of the saturation counters of a unit with ``slices`` slices, in address order."""
    return (
        "requantise",
        "crs_top",
        *(f"adc_clip_{k}" for k in range(slices)),
        *(f"cell_limit_{k}" for k in range(slices)),
    )
