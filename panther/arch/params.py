"""Parameters of a matrix compute unit: frozen, keyword-only, checked at birth.

Slice 0 is the least significant one everywhere in the code; the paper prints slicings most
significant first, and only :func:`SliceParams.parse` and :attr:`SliceParams.name` turn them round.
"""

import re
from dataclasses import dataclass, field

from panther.arch.checks import as_tuple, check_range, check_type, shown
from panther.arch.device import MOST_CELL_BITS, DeviceParams

MAX_LINES = 256
MOST_CYCLES = (1 << 30) - 1
"""That an operation may take where it does not take what the RTL does."""
MIN_LINES = 4


@dataclass(frozen=True, kw_only=True)
class SliceParams:
    """How one weight is spread over cells: ``w = sum(c[k] << (k * value_bits))``."""

    value_bits: int = 4
    """Weight bits carried by every slice (p)."""
    cell_bits: tuple[int, ...] = (5, 5, 5, 6, 6, 4, 4, 4)
    """Width of the signed cell of each slice, slice 0 first; what exceeds ``value_bits`` is
    headroom for carries between two CRS."""

    def __post_init__(self) -> None:
        check_range("Value bits", self.value_bits, 1, 8)
        object.__setattr__(self, "cell_bits", as_tuple("Cell bits", self.cell_bits))
        if not self.cell_bits:
            raise ValueError("Slicing must have at least one slice, not 0")
        for k, bits in enumerate(self.cell_bits):
            check_range(f"Cell bits of slice {k}", bits, 1, 16)
            if bits < self.value_bits:
                raise ValueError(
                    f"Cell of slice {k} must hold at least the {self.value_bits} value bits, "
                    f"not {bits}"
                )
        if self.weight_bits > 32:
            raise ValueError(
                f"Weight must have at most 32 bits, not {len(self.cell_bits)} slices x "
                f"{self.value_bits} value bits = {self.weight_bits}"
            )

    @classmethod
    def parse(cls, text: str, *, value_bits: int = 4) -> "SliceParams":
        """Read a slicing: ``44466555`` (one digit a slice, most significant slice first, as the
        paper prints it), ``6x8`` (eight slices whose cells are six bits wide) or ``12-10-8``.

        Raises
        ------
        ValueError
            If the text is neither, or names an impossible slicing.
        """
        if match := re.fullmatch(r"([0-9]{1,2})x([0-9]{1,2})", text):
            bits = (int(match[1]),) * int(match[2])
        elif re.fullmatch(r"[0-9]+", text):
            bits = tuple(int(digit) for digit in reversed(text))
        elif re.fullmatch(r"[0-9]{1,2}(-[0-9]{1,2})+", text):
            bits = tuple(int(part) for part in reversed(text.split("-")))
        else:
            raise ValueError(
                "Slicing must be digits, most significant slice first (44466555), "
                "CELL_BITSxSLICES (6x8), or cell bits joined by dashes (12-10-8), "
                f"not {shown(text)}"
            )
        return cls(value_bits=value_bits, cell_bits=bits)

    @property
    def name(self) -> str:
        """The slicing as the paper prints it, most significant slice first; :func:`parse` reads
        it back.
        """
        if max(self.cell_bits) < 10:
            return "".join(str(bits) for bits in reversed(self.cell_bits))
        if len(set(self.cell_bits)) == 1:
            return f"{self.cell_bits[0]}x{self.count}"
        return "-".join(str(bits) for bits in reversed(self.cell_bits))

    @property
    def count(self) -> int:
        """Number of slices (S)."""
        return len(self.cell_bits)

    @property
    def weight_bits(self) -> int:
        """Nominal width of a weight: value bits of all slices."""
        return self.count * self.value_bits

    def cell_range(self, k: int) -> tuple[int, int]:
        """Least and greatest value a cell of slice ``k`` holds."""
        half = 1 << (self.cell_bits[k] - 1)
        return -half, half - 1

    def room(self, k: int) -> int:
        """How far pulses may move any canonical cell of slice ``k`` without it saturating; of the
        top slice, a cell of 0.
        """
        high = self.cell_range(k)[1]
        return high if k == self.count - 1 else high + 1 - (1 << (self.value_bits - 1))


@dataclass(frozen=True, kw_only=True)
class AdcParams:
    """The converters of every slice: ``code = clip((sum + half a step) >> step_log2, bits)``."""

    bits: tuple[int, ...] | None = None
    """Code width of each slice's ADCs, slice 0 first; ``None`` is lossless (wide enough)."""
    step_log2: tuple[int, ...] | None = None
    """Binary logarithm of each slice's ADC step; ``None`` is 0 everywhere."""
    per_slice: int = 1
    """ADCs of one slice, each serving its share of the columns through a multiplexer."""

    def __post_init__(self) -> None:
        check_range("ADCs per slice", self.per_slice, 1, MAX_LINES)
        for name, attribute, low, high in (
            ("ADC bits", "bits", 2, 24),
            ("ADC step", "step_log2", 0, 16),
        ):
            if (values := getattr(self, attribute)) is not None:
                object.__setattr__(self, attribute, as_tuple(name, values))
                for k, value in enumerate(values):
                    check_range(f"{name} of slice {k}", value, low, high)


@dataclass(frozen=True, kw_only=True)
class TimingParams:
    """How long the analog side takes, in clock cycles."""

    integrate_cycles: int = 4
    """From driving the lines to a settled current that may be sampled."""
    pulse_cycles: int = 1
    """One polarity phase of one OPA step."""
    program_cycles: int = 4
    """Programming one row from its write latches."""

    def __post_init__(self) -> None:
        check_range("Integrate cycles", self.integrate_cycles, 2, 255)
        check_range("Pulse cycles", self.pulse_cycles, 1, 255)
        check_range("Program cycles", self.program_cycles, 2, 255)


@dataclass(frozen=True, kw_only=True)
class OperationCycles:
    """How long each operation takes on a unit that is built otherwise, in clock cycles.

    At transaction level only, to run the same programs on other machines; results are the same.
    ``None`` is what the RTL takes, from the sizes and ``TimingParams``.
    """

    mvm: int | None = None
    """From the cycle in which a command is taken to the first in which the unit is idle again."""
    mtvm: int | None = None
    opa: int | None = None
    crs: int | None = None

    def __post_init__(self) -> None:
        for name in ("mvm", "mtvm", "opa", "crs"):
            if (value := getattr(self, name)) is not None:
                check_range(f"Cycles of {name.upper()}", value, 1, MOST_CYCLES)

    @property
    def are_the_rtls(self) -> bool:
        """Whether no operation takes other cycles than in RTL."""
        return self == OperationCycles()


ROW_DIGITS = ("binary", "naf")
COLUMN_DIGITS = ("unsigned", "balanced")


@dataclass(frozen=True, kw_only=True)
class OpaParams:
    """How an outer product is cut into pulses; ``docs/updates.md`` says it word by word."""

    row_digits: str = "binary"
    """Digits of the row operands' magnitudes: ``binary``, or ``naf``, the signed-digit form with
    the fewest digits that are not 0."""
    column_digits: str = "unsigned"
    """Digits of the column operands' magnitudes: ``unsigned``, 0 to 2**p - 1, or ``balanced``,
    -2**(p-1) to 2**(p-1) - 1, like those of a canonical weight."""
    skip_steps: bool = False
    """Leave out steps in which no row has a digit."""

    def __post_init__(self) -> None:
        for name, value, known in (
            ("Row digits", self.row_digits, ROW_DIGITS),
            ("Column digits", self.column_digits, COLUMN_DIGITS),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, not {shown(value)}")
        check_type("Skip steps", self.skip_steps, bool)

    @property
    def is_signed(self) -> bool:
        """Whether one OPA may both add to a cell and take away from it."""
        return self != OpaParams(skip_steps=self.skip_steps)


@dataclass(frozen=True, kw_only=True)
class McuParams:
    """One matrix compute unit: the slices of one weight matrix and their digital periphery."""

    rows: int = 128
    """Word lines, driven in MVM."""
    columns: int = 128
    """Bit lines, read in MVM."""
    operand_bits: int = 16
    """Width of a data word: inputs, errors and outputs; also the number of bit steps."""
    slices: SliceParams = field(default_factory=SliceParams)
    """How a weight is spread over cells."""
    adc: AdcParams = field(default_factory=AdcParams)
    """The converters."""
    timing: TimingParams = field(default_factory=TimingParams)
    """Speed of the analog side."""
    cycles: OperationCycles = field(default_factory=OperationCycles)
    """Other latencies of whole operations, at transaction level."""
    opa: OpaParams = field(default_factory=OpaParams)
    """How outer products are encoded."""
    headroom: int = 0
    """Row groups of the headroom tracker, with which no OPA loses anything; 0: there is none."""
    device: DeviceParams = field(default_factory=DeviceParams)
    """Physics of the analog side; the digital side knows nothing of it."""

    def __post_init__(self) -> None:
        check_range("Rows", self.rows, MIN_LINES, MAX_LINES)
        check_range("Columns", self.columns, MIN_LINES, MAX_LINES)
        check_range("Operand bits", self.operand_bits, 2, 16)
        check_type("Slices", self.slices, SliceParams)
        check_type("ADC", self.adc, AdcParams)
        check_type("Timing", self.timing, TimingParams)
        check_type("Cycles", self.cycles, OperationCycles)
        check_type("OPA", self.opa, OpaParams)
        check_type("Device", self.device, DeviceParams)
        check_range("Headroom groups", self.headroom, 0, self.rows)
        if self.headroom and self.rows % self.headroom:
            raise ValueError(
                f"Headroom groups must divide the {self.rows} rows, not {self.headroom}"
            )
        if self.headroom and self.cycles.opa is not None:
            raise ValueError(
                "Cycles of OPA must be left to the RTL with headroom groups, for they depend on "
                f"the rows that are resolved, not {self.cycles.opa}"
            )
        if not self.device.is_ideal and max(self.slices.cell_bits) > MOST_CELL_BITS:
            raise ValueError(
                f"Cells must have at most {MOST_CELL_BITS} bits with device effects, "
                f"not {max(self.slices.cell_bits)}"
            )
        for name, values in (("bits", self.adc.bits), ("steps", self.adc.step_log2)):
            if values is not None and len(values) != self.slices.count:
                raise ValueError(
                    f"ADC {name} must be given for each of the {self.slices.count} slices, "
                    f"not for {len(values)}"
                )
        for name, lines in (("rows", self.rows), ("columns", self.columns)):
            if lines % self.adc.per_slice:
                raise ValueError(
                    f"ADCs per slice must divide the {lines} {name}, not {self.adc.per_slice}"
                )
        for k, bits in enumerate(self.adc_bits):
            if bits < self.slices.cell_bits[k]:
                raise ValueError(
                    f"ADC of slice {k} must have at least the {self.slices.cell_bits[k]} bits of "
                    f"a cell, or a row could not be read back, not {bits}"
                )
        if self.digit_bits > 31:
            raise ValueError(
                f"Balanced digits of a column must fit 31 bits, not {self.digit_bits}: use fewer "
                "slices or more value bits"
            )
        if self.sum_bits > 63:
            raise ValueError(
                f"Shift-and-add sum must fit 63 bits, not {self.sum_bits}: use fewer lines, "
                "narrower cells or fewer ADC bits"
            )

    def check_rtl(self) -> None:
        """Refuse a unit that only the transaction level can be.

        Raises
        ------
        ValueError
            If operations take other cycles than in RTL.
        """
        if not self.cycles.are_the_rtls:
            raise ValueError(
                "Cycles of operations must be those of the RTL where there is RTL, not given: "
                "cycles.mvm and its like are for the transaction level"
            )

    @property
    def lossless_bits(self) -> tuple[int, ...]:
        """Code width of each slice that no sum can exceed."""
        lines = max(self.rows, self.columns)
        return tuple(bits + (lines - 1).bit_length() for bits in self.slices.cell_bits)

    @property
    def adc_bits(self) -> tuple[int, ...]:
        """Code width of each slice's ADCs."""
        return self.lossless_bits if self.adc.bits is None else self.adc.bits

    @property
    def adc_step_log2(self) -> tuple[int, ...]:
        """Binary logarithm of each slice's ADC step in MVM and MTVM; reading cells back uses a
        range of step 1.
        """
        return self.adc.step_log2 if self.adc.step_log2 is not None else (0,) * self.slices.count

    @property
    def column_sum_bits(self) -> int:
        """Width of one bit step's sum over the slices, as the shift-and-add unit forms it."""
        worst = sum(
            1 << (bits - 1 + step + k * self.slices.value_bits)
            for k, (bits, step) in enumerate(zip(self.adc_bits, self.adc_step_log2, strict=True))
        )
        return worst.bit_length() + 1

    @property
    def sum_bits(self) -> int:
        """Width of the sum over slices and steps, before requantisation."""
        return self.column_sum_bits + self.operand_bits

    @property
    def digit_bits(self) -> int:
        """Width of ``(abs(e) << j) + digit_bias``, whose digits drive the columns in an OPA."""
        return ((1 << (2 * self.operand_bits - 2)) + self.digit_bias).bit_length()

    @property
    def digit_bias(self) -> int:
        """What makes balanced digits unsigned: each 2**(p-1) more, but for the top one; else 0."""
        if self.opa.column_digits == "unsigned":
            return 0
        p = self.slices.value_bits
        return sum(1 << (p * k + p - 1) for k in range(self.slices.count - 1))
