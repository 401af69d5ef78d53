"""The matrix units of a core at transaction level: the same bits, counts and cycles as ``hdl/mcu``.

Where a unit's array is an :class:`IdealArray` its operations are compiled and work on the memory of
the crossbars themselves. Any other array is driven through its protocol, event by event as the
hardware would, by :func:`start_external`.

An operation is carried out whole when it is started. Whoever respects ``in_free``, ``out_free`` and
``free`` cannot tell.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.analog.array import Array, IdealArray
from models.analog.crossbar import Crossbar
from models.analog.driver import PulseTrain
from models.system import headroom
from models.system.compiled import allocating, compiled
from panther.arch.core import CoreParams
from panther.arch.mcu import (
    RESOLVE_CYCLES,
    ConfigKey,
    InBank,
    Operation,
    OutBank,
    counter_names,
)
from panther.arch.params import McuParams

_REQUANTISE, _CRS_TOP, _ADC_CLIP = range(3)
_SLICES_PER_STAGE = 4
"""Slices the slice-carry unit resolves in a cycle."""


class Count(IntEnum):
    """What units have done, of :data:`panther.arch.tile.MCU_COUNTERS` all but ``busy``."""

    MVM_STEPS = 0
    MTVM_STEPS = 1
    CONVERSIONS = 2
    PULSES = 3
    ROW_READS = 4
    ROW_WRITES = 5


class Design(NamedTuple):
    """What the parameters say of every unit."""

    value_bits: int
    operand_bits: int
    sum_bits: int
    adcs: int
    """Per slice."""
    integrate_cycles: int
    pulse_cycles: int
    program_cycles: int
    cycles: NDArray[np.int64]
    """Those of each ``Operation``, if they are given; else -1."""
    lossless: bool
    """No converter clips or rounds, so a product is one of integers."""
    wrapless: bool
    """No increment of a whole OPA needs more bits than a cell is kept in."""
    naf: bool
    """The rows' operands have digits of both signs."""
    skips: bool
    """Steps without a digit of a row are left out."""
    balanced: bool
    """The columns' operands have digits of both signs."""
    digit_bias: int
    """What makes the columns' digits unsigned, if they are balanced; else 0."""
    digit_offset: int
    """What that is for each slice but the top one."""
    low: NDArray[np.int64]
    """Least value of a cell, by slice."""
    high: NDArray[np.int64]
    span: NDArray[np.int64]
    """The greatest increment that makes a difference."""
    room: NDArray[np.int64]
    """How far pulses may move a canonical cell."""
    adc_low: NDArray[np.int64]
    adc_high: NDArray[np.int64]
    adc_step_log2: NDArray[np.int64]


class Mcus(NamedTuple):
    """All matrix units of one core; the first axis of every array is the unit."""

    cells: NDArray[np.signedinteger]
    """Of compiled units, those OPA writes; shape (units, rows, slices, columns)."""
    copies: NDArray[np.signedinteger]
    """Likewise those that are read with ``ConfigKey.EAGER``."""
    used: NDArray[np.int64]
    """Of units with a headroom tracker: room that may be used, shape (units, groups, slices)."""
    full: NDArray[np.bool_]
    """Likewise the groups that have no room for anything."""
    xbar_in: NDArray[np.int16]
    """Operands, shape (units, ``InBank``, lines)."""
    xbar_out: NDArray[np.int16]
    """Results, shape (units, ``OutBank``, lines)."""
    config: NDArray[np.int64]
    """By ``ConfigKey``; that of CLEAR_COUNTERS is 0."""
    counters: NDArray[np.int64]
    """In the order of ``counter_names``; they wrap when they are read."""
    in_free: NDArray[np.int64]
    """First cycle in which a bank of XbarIn may be written, shape (units, ``InBank``)."""
    out_free: NDArray[np.int64]
    """First cycle in which a bank of XbarOut may be read, shape (units, ``OutBank``)."""
    free: NDArray[np.int64]
    """First cycle in which the unit is idle."""
    busy: NDArray[np.int64]
    """Cycles in which the unit was busy, since the reset."""
    activity: NDArray[np.int64]
    """What it has done since the reset, shape (units, ``Count``)."""
    compiled: NDArray[np.bool_]
    """Whether :func:`start` carries out operations; else it is :func:`start_external`."""
    sum_type: NDArray[np.signedinteger]
    """Empty; as wide as the exact sums of a product need."""
    design: Design


def make_mcus(params: CoreParams, arrays: Sequence[Array]) -> Mcus:
    """The matrix units of a core, as after a reset, on its ``arrays``."""
    if len(arrays) != params.mcus:
        raise ValueError(f"Arrays must be {params.mcus}, one for each MCU, not {len(arrays)}")
    return make_units(params.mcu, arrays)


def make_units(params: McuParams, arrays: Sequence[Array]) -> Mcus:
    """As many units as there are ``arrays``; operands of any width.

    Cells of an ideal array are kept in the units' memory from now on.
    """
    count, slices = len(arrays), params.slices
    kind = Crossbar(params).storage[0].dtype
    cells = np.zeros((count, params.rows, slices.count, params.columns), kind)
    copies = np.zeros_like(cells)
    compiled = np.zeros(count, np.bool_)
    for m, array in enumerate(arrays):
        # a subclass may do anything
        if type(array) is IdealArray:
            array.crossbar.storage = cells[m], copies[m]
            compiled[m] = True
    lines = max(params.rows, params.columns)
    ranges = np.array([slices.cell_range(k) for k in range(slices.count)], np.int64)
    half = 1 << (np.array(params.adc_bits, np.int64) - 1)
    # a word times a cell, summed over all lines
    exact = max(params.lossless_bits) + params.operand_bits <= 32
    config = np.zeros((count, len(ConfigKey)), np.int64)
    config[:, [ConfigKey.ROWS, ConfigKey.COLUMNS]] = params.rows, params.columns
    return Mcus(
        cells=cells,
        copies=copies,
        used=np.zeros((count, params.headroom, slices.count), np.int64),
        full=np.ones((count, params.headroom), np.bool_),
        xbar_in=np.zeros((count, len(InBank), lines), np.int16),
        xbar_out=np.zeros((count, len(OutBank), lines), np.int16),
        config=config,
        counters=np.zeros((count, len(counter_names(slices.count))), np.int64),
        in_free=np.zeros((count, len(InBank)), np.int64),
        out_free=np.zeros((count, len(OutBank)), np.int64),
        free=np.zeros(count, np.int64),
        busy=np.zeros(count, np.int64),
        activity=np.zeros((count, len(Count)), np.int64),
        compiled=compiled,
        sum_type=np.zeros(0, np.int32 if exact else np.int64),
        design=Design(
            value_bits=slices.value_bits,
            operand_bits=params.operand_bits,
            sum_bits=params.sum_bits,
            adcs=params.adc.per_slice,
            integrate_cycles=params.timing.integrate_cycles,
            pulse_cycles=params.timing.pulse_cycles,
            program_cycles=params.timing.program_cycles,
            cycles=_given_cycles(params),
            lossless=not any(params.adc_step_log2)
            and all(np.greater_equal(params.adc_bits, params.lossless_bits)),
            wrapless=_greatest_increment(params) + (1 << (max(slices.cell_bits) - 1))
            <= np.iinfo(kind).max,
            naf=params.opa.row_digits == "naf",
            skips=params.opa.skip_steps,
            balanced=params.opa.column_digits == "balanced",
            digit_bias=params.digit_bias,
            digit_offset=1 << (slices.value_bits - 1) if params.digit_bias else 0,
            low=ranges[:, 0].copy(),
            high=ranges[:, 1].copy(),
            span=ranges[:, 1] - ranges[:, 0],
            room=np.array([slices.room(k) for k in range(slices.count)], np.int64),
            adc_low=-half,
            adc_high=half - 1,
            adc_step_log2=np.array(params.adc_step_log2, np.int64),
        ),
    )


def _given_cycles(params: McuParams) -> NDArray[np.int64]:
    """By ``Operation``; -1 where the periphery says how long it takes."""
    given = (getattr(params.cycles, operation.name.lower(), None) for operation in Operation)
    return np.array([-1 if cycles is None else cycles for cycles in given], np.int64)


def _greatest_increment(params: McuParams) -> int:
    """The most that all bit steps of an OPA together can add to a cell."""
    slices, bits = params.slices, params.operand_bits
    digit = (1 << slices.value_bits) - 1
    top = sum(
        1 << max(0, bits - 1 + step - slices.weight_bits + slices.value_bits)
        for step in range(bits)
    )
    return max(bits * digit, top)


@compiled
def _groups(mcus, m, key):  # type: ignore[no-untyped-def]
    """Line groups that hold a line in use: of rows, or of columns."""
    adcs = mcus.design.adcs
    return (mcus.config[m, key] + adcs - 1) // adcs


@compiled
def row_digits(design, operand):  # type: ignore[no-untyped-def]
    """The digits of an operand of a row: where they are not 0, and where they are negative; bit
    ``j`` is step ``j``.
    """
    magnitude = abs(np.int64(operand))
    digits, negative = magnitude, np.int64(0)
    if design.naf:
        half = magnitude >> 1
        digits = half ^ (magnitude + half)
        negative = digits & half
    return digits, digits ^ negative if operand < 0 else negative


@compiled
def used_steps(mcus, m):  # type: ignore[no-untyped-def]
    """The steps of an OPA in which a row has a digit, bit by bit."""
    used = np.int64(0)
    for row in range(mcus.cells.shape[1]):
        digits, _ = row_digits(mcus.design, mcus.xbar_in[m, InBank.OPA_ROWS, row])
        used |= digits
    return used


@compiled
def _row_cycles(mcus, m):  # type: ignore[no-untyped-def]
    """Cycles in which a row is resolved."""
    design = mcus.design
    stages = (mcus.cells.shape[2] + _SLICES_PER_STAGE - 1) // _SLICES_PER_STAGE
    if mcus.full.shape[1]:
        stages += RESOLVE_CYCLES
    groups = _groups(mcus, m, ConfigKey.COLUMNS)
    return groups + design.integrate_cycles + design.program_cycles + stages + 4


@compiled
def duration(mcus, m, operation):  # type: ignore[no-untyped-def]
    """Cycles from the one in which a command is taken to the first in which ``busy`` is low; an
    OPA's, in a unit without a headroom tracker, may depend on the operands there are now.
    """
    design = mcus.design
    if design.cycles[operation] >= 0:
        return design.cycles[operation]
    if operation == Operation.OPA:
        if not design.skips:
            return 4 * design.operand_bits * design.pulse_cycles + 3
        used = used_steps(mcus, m)
        cycles = 3
        while used:
            # a step that is left out takes a cycle, for the columns' digits to be shifted
            cycles += 4 * design.pulse_cycles if used & 1 else 1
            used >>= 1
        return cycles
    if operation == Operation.CRS:
        return mcus.config[m, ConfigKey.ROWS] * _row_cycles(mcus, m) + 2
    groups = _groups(mcus, m, ConfigKey.ROWS if operation == Operation.MTVM else ConfigKey.COLUMNS)
    # the next step settles while this one is converted
    step = max(groups, design.integrate_cycles + 2)
    return (design.operand_bits - 1) * step + groups + design.integrate_cycles + 8


@compiled
def configure(mcus, m, key, value):  # type: ignore[no-untyped-def]
    """Set a configuration register of an idle unit; False if it was refused."""
    value &= 0xFFFFFFFF
    _, rows, _, columns = mcus.cells.shape
    if key == ConfigKey.ROWS:
        accepted = 1 <= value <= rows
    elif key == ConfigKey.COLUMNS:
        accepted = 1 <= value <= columns
    elif key == ConfigKey.MVM_SHIFT or key == ConfigKey.MTVM_SHIFT:
        accepted = value < mcus.design.sum_bits
    elif key == ConfigKey.EAGER:
        accepted = value <= 1
    else:
        accepted = key == ConfigKey.CLEAR_COUNTERS
        if accepted:
            mcus.counters[m] = 0
        return accepted
    if accepted:
        mcus.config[m, key] = value
    return accepted


@compiled
def counter(mcus, m, n):  # type: ignore[no-untyped-def]
    """Saturation counter ``n`` of an idle unit."""
    return mcus.counters[m, n] & 0xFFFFFFFF


@compiled
def start(mcus, m, operations, now):  # type: ignore[no-untyped-def]
    """Give an idle, compiled unit its operations, bit ``Operation`` each, in cycle ``now``.

    The first is handed over in the next cycle, each further one when the one before is done.
    """
    handed = now + 1
    if operations >> Operation.MVM & 1:
        _multiply(mcus, m, False)
        handed = _occupy(mcus, m, Operation.MVM, handed, duration(mcus, m, Operation.MVM))
    if operations >> Operation.MTVM & 1:
        _multiply(mcus, m, True)
        handed = _occupy(mcus, m, Operation.MTVM, handed, duration(mcus, m, Operation.MTVM))
    if operations >> Operation.OPA & 1:
        if mcus.full.shape[1]:
            cycles = _accumulate_tracked(mcus, m)
        else:
            _accumulate(mcus, m)
            cycles = duration(mcus, m, Operation.OPA)
        handed = _occupy(mcus, m, Operation.OPA, handed, cycles)
    if operations >> Operation.CRS & 1:
        _resolve(mcus, m)
        handed = _occupy(mcus, m, Operation.CRS, handed, duration(mcus, m, Operation.CRS))


def start_external(mcus: Mcus, m: int, operations: int, now: int, array: Array) -> None:
    """Do as :func:`start`, by the events its pins would show to ``array``."""
    handed = now + 1
    for operation in (Operation.MVM, Operation.MTVM, Operation.OPA, Operation.CRS):
        if operations >> operation & 1:
            cycles = duration(mcus, m, int(operation))
            if operation is Operation.OPA and mcus.full.shape[1]:
                cycles = _accumulate_tracked_external(mcus, m, array)
            elif operation is Operation.OPA:
                _accumulate_external(mcus, m, array)
            elif operation is Operation.CRS:
                _resolve_external(mcus, m, array)
            else:
                _multiply_external(mcus, m, array, transpose=operation is Operation.MTVM)
            handed = _occupy(mcus, m, int(operation), handed, cycles)


@compiled
def _occupy(mcus, m, operation, handed, cycles):  # type: ignore[no-untyped-def]
    """Banks and unit are in use until the operation is done; returns when that is."""
    done = handed + cycles
    mcus.busy[m] += done - handed - 1
    if operation == Operation.OPA:
        mcus.in_free[m, InBank.OPA_ROWS] = done
        mcus.in_free[m, InBank.OPA_COLUMNS] = done
        if not mcus.full.shape[1]:
            _count_pulses(mcus, m)
    elif operation == Operation.CRS:
        _count_rows(mcus, m, mcus.config[m, ConfigKey.ROWS])
    else:  # MVM and MTVM have the numbers of their banks, and of their counts
        mcus.in_free[m, operation] = done
        mcus.out_free[m, operation] = done
        steps = mcus.design.operand_bits
        key = ConfigKey.ROWS if operation == Operation.MTVM else ConfigKey.COLUMNS
        mcus.activity[m, operation] += steps
        mcus.activity[m, Count.CONVERSIONS] += steps * _groups(mcus, m, key)
    mcus.free[m] = done
    return done


@compiled
def _count_pulses(mcus, m):  # type: ignore[no-untyped-def]
    """Count the polarity phases of an OPA of the operands there are now."""
    steps = np.int64(mcus.design.operand_bits)
    if mcus.design.skips:
        steps = np.int64(0)
        used = used_steps(mcus, m)
        while used:
            steps += used & 1
            used >>= 1
    mcus.activity[m, Count.PULSES] += 4 * steps


@compiled
def _count_rows(mcus, m, rows):  # type: ignore[no-untyped-def]
    """Count rows that are read, resolved and written."""
    activity = mcus.activity[m]
    activity[Count.ROW_READS] += rows
    activity[Count.ROW_WRITES] += rows


# MVM and MTVM


@allocating
def _multiply(mcus, m, transpose):  # type: ignore[no-untyped-def]
    """Every line drives, whether in use or not; results are those of the lines in use."""
    design = mcus.design
    cells = mcus.copies[m] if mcus.config[m, ConfigKey.EAGER] else mcus.cells[m]
    rows, slices, columns = cells.shape
    bank = 1 if transpose else 0
    drive = mcus.xbar_in[m, bank, : columns if transpose else rows]
    lines = mcus.config[m, ConfigKey.ROWS if transpose else ConfigKey.COLUMNS]
    totals = np.zeros(lines, np.int64)
    # columns are summed up all at once, rows one by one
    sums = np.empty((slices, lines if transpose else _width(lines, columns)), mcus.sum_type.dtype)
    if design.lossless:
        if transpose:
            _dot_rows(cells, drive, sums)
        else:
            _dot_columns(cells, drive, sums)
        for k in range(slices):
            for line in range(lines):
                totals[line] += np.int64(sums[k, line]) << (k * design.value_bits)
    else:
        bits = np.empty(drive.size, np.int16)
        for step in range(design.operand_bits):
            for i in range(drive.size):
                bits[i] = (drive[i] >> step) & 1
            if transpose:
                _dot_rows(cells, bits, sums)
            else:
                _dot_columns(cells, bits, sums)
            _convert(mcus, m, sums[:, :lines], step, totals)
    _requantise(mcus, m, bank, totals)


@compiled
def _width(columns, most):  # type: ignore[no-untyped-def]
    """Columns worth looking at if only the first ones matter: all, where they are one piece."""
    wide = (columns + 15) & ~15
    return wide if 2 * wide <= most else most


@compiled
def _used(operands):  # type: ignore[no-untyped-def]
    """Words up to the last one that is not 0."""
    for n in range(operands.size, 0, -1):
        if operands[n - 1]:
            return n
    return 0


@compiled
def _dot_columns(cells, drive, sums):  # type: ignore[no-untyped-def]
    """``sums[k, column] = sum(drive[row] * cells[row, k, column])``, for as many columns."""
    rows, slices, columns = cells.shape
    wide = sums.dtype.type
    width = sums.shape[1]
    if width < columns:
        sums[:] = 0
        for row in range(rows):
            level = wide(drive[row])
            if level:
                for k in range(slices):
                    for i in range(width):
                        sums[k, i] = wide(sums[k, i] + wide(level * cells[row, k, i]))
        return
    flat_cells = cells.reshape(cells.shape[0], -1)
    flat_sums = sums.reshape(-1)
    flat_sums[:] = 0
    for row in range(flat_cells.shape[0]):
        level = wide(drive[row])
        if level:
            for i in range(flat_sums.size):
                flat_sums[i] = wide(flat_sums[i] + wide(level * flat_cells[row, i]))


@compiled
def _dot_rows(cells, drive, sums):  # type: ignore[no-untyped-def]
    """``sums[k, row] = sum(drive[column] * cells[row, k, column])``, for as many rows."""
    slices, columns = cells.shape[1], _used(drive)
    wide = sums.dtype.type
    for row in range(sums.shape[1]):
        for k in range(slices):
            total = wide(0)
            for column in range(columns):
                total = wide(total + wide(wide(drive[column]) * cells[row, k, column]))
            sums[k, row] = total


@compiled
def _convert(mcus, m, sums, step, totals):  # type: ignore[no-untyped-def]
    """Digitise the sums of one bit step, and add them up over slices and steps."""
    design = mcus.design
    is_sign = step == design.operand_bits - 1
    for k in range(sums.shape[0]):
        step_log2, low, high = design.adc_step_log2[k], design.adc_low[k], design.adc_high[k]
        half = (1 << step_log2) >> 1
        place = step + step_log2 + k * design.value_bits
        clipped = 0
        for line in range(sums.shape[1]):
            exact = (np.int64(sums[k, line]) + half) >> step_log2
            code = min(max(exact, low), high)
            clipped += code != exact
            totals[line] += (-code if is_sign else code) << place
        mcus.counters[m, _ADC_CLIP + k] += clipped


@compiled
def _requantise(mcus, m, bank, totals):  # type: ignore[no-untyped-def]
    """Round to nearest, ties up, and saturate into XbarOut."""
    shift = mcus.config[m, ConfigKey.MVM_SHIFT + bank]
    high = (1 << (mcus.design.operand_bits - 1)) - 1
    saturated = 0
    for line in range(totals.size):
        # one fraction bit is kept, so adding one to it adds half an LSB
        rounded = (((totals[line] << 1) >> shift) + 1) >> 1
        word = min(max(rounded, -high - 1), high)
        saturated += word != rounded
        mcus.xbar_out[m, bank, line] = word
    mcus.counters[m, _REQUANTISE] += saturated


def _multiply_external(mcus: Mcus, m: int, array: Array, *, transpose: bool) -> None:
    design = mcus.design
    _, rows, _, columns = mcus.cells.shape
    bank = OutBank.MTVM if transpose else OutBank.MVM
    eager = bool(mcus.config[m, ConfigKey.EAGER])
    drive = mcus.xbar_in[m, bank, : columns if transpose else rows]
    lines = mcus.config[m, ConfigKey.ROWS if transpose else ConfigKey.COLUMNS]
    totals = np.zeros(lines, np.int64)
    places = design.adc_step_log2 + design.value_bits * np.arange(len(design.low))
    for step in range(design.operand_bits):
        bits = ((drive >> step) & 1).astype(np.uint8)
        conversion = array.convert(bits, transpose=transpose, fine=False, copies=eager)
        codes = _wrapped(conversion.code[:lines], design.adc_low, design.adc_high)
        step_sum = (codes << places).sum(axis=1) << step
        totals += -step_sum if step == design.operand_bits - 1 else step_sum
        _count(mcus, m, _ADC_CLIP, conversion.over[:lines])
    _requantise(mcus, m, int(bank), totals)


# OPA


@allocating
def _accumulate(mcus, m):  # type: ignore[no-untyped-def]
    """With plain digits all pulses on one cell have one sign, so a row saturates once and not at
    every pulse.
    """
    design = mcus.design
    _, rows, slices, columns = mcus.cells.shape
    narrow = mcus.cells.dtype.type
    operands = mcus.xbar_in[m, InBank.OPA_ROWS, :rows]
    # columns whose operand is 0 stay as they are
    errors = mcus.xbar_in[m, InBank.OPA_COLUMNS, :columns]
    wide = _width(_used(errors), columns)
    width = slices * wide
    # what each bit step adds to all cells of a row
    steps = np.empty((design.operand_bits, width), mcus.cells.dtype)
    _digits(design, errors[:wide], used_steps(mcus, m), steps)
    low, high = np.empty(width, mcus.cells.dtype), np.empty(width, mcus.cells.dtype)
    for k in range(slices):
        low[k * wide : (k + 1) * wide] = design.low[k]
        high[k * wide : (k + 1) * wide] = design.high[k]
    total, cells = np.empty(width, mcus.cells.dtype), np.empty(width, mcus.cells.dtype)
    for row in range(rows):
        magnitude = abs(np.int64(operands[row]))
        if magnitude == 0:
            continue
        if design.naf or design.digit_bias:
            _pulse_row(mcus, m, row, steps, low, high, cells)
            continue
        total[:] = 0
        step = 0
        while magnitude:
            if magnitude & 1:
                if design.wrapless:
                    for i in range(width):
                        total[i] = narrow(total[i] + steps[step, i])
                else:
                    for i in range(width):
                        # more than the span of a cell makes no difference
                        pulsed = narrow(total[i] + steps[step, i])
                        span = narrow(high[i] - low[i])
                        total[i] = min(max(pulsed, narrow(-span)), span)
            magnitude >>= 1
            step += 1
        if operands[row] < 0:
            for i in range(width):
                total[i] = narrow(-total[i])
        for k in range(slices):
            for i in range(wide):
                cells[k * wide + i] = mcus.cells[m, row, k, i]
        for i in range(width):
            cells[i] = min(max(narrow(cells[i] + total[i]), low[i]), high[i])
        for k in range(slices):
            for i in range(wide):
                mcus.cells[m, row, k, i] = cells[k * wide + i]


@compiled
def _pulse_row(mcus, m, row, steps, low, high, cells):  # type: ignore[no-untyped-def]
    """Pulse by pulse; ``cells`` is as wide as what a step adds to a row."""
    slices, width = mcus.cells.shape[2], cells.size
    wide = width // slices
    narrow = cells.dtype.type
    for k in range(slices):
        for i in range(wide):
            cells[k * wide + i] = mcus.cells[m, row, k, i]
    digits, negative = row_digits(mcus.design, mcus.xbar_in[m, InBank.OPA_ROWS, row])
    step = 0
    while digits >> step:
        if digits >> step & 1:
            sign = narrow(-1 if negative >> step & 1 else 1)
            for i in range(width):
                pulsed = narrow(cells[i] + narrow(sign * steps[step, i]))
                cells[i] = min(max(pulsed, low[i]), high[i])
        step += 1
    for k in range(slices):
        for i in range(wide):
            mcus.cells[m, row, k, i] = cells[k * wide + i]


@allocating
def _digits(design, errors, used, steps):  # type: ignore[no-untyped-def]
    """The digits of ``abs(e) << step`` with the sign of e, no greater than a cell can tell; of the
    steps in ``used``.
    """
    columns, slices = errors.size, design.low.size
    narrow = steps.dtype.type
    magnitudes, signs = np.empty(columns, np.int32), np.empty(columns, np.int32)
    for column in range(columns):
        error = np.int32(errors[column])
        signs[column] = error >> 31
        magnitudes[column] = abs(error)
    bias = np.int32(design.digit_bias)
    for step in range(design.operand_bits):
        if used >> step & 1:
            shift = np.int32(step)
            for k in range(slices):
                # digits above the top slice widen it
                whole = k == slices - 1
                mask = np.int32(-1 if whole else (1 << design.value_bits) - 1)
                less = np.int32(0 if whole else design.digit_offset)
                span = np.int32(design.span[k])
                place = np.int32(k * design.value_bits)
                for column in range(columns):
                    value = np.int32(np.int32(magnitudes[column] << shift) + bias)
                    digit = min(np.int32(np.int32(value >> place) & mask) - less, span)
                    steps[step, k * columns + column] = narrow(
                        np.int32(digit ^ signs[column]) - signs[column]
                    )


@compiled
def _fill_digits(design, operands, digits, negative):  # type: ignore[no-untyped-def]
    for row in range(operands.size):
        digits[row], negative[row] = row_digits(design, operands[row])


def _accumulate_external(mcus: Mcus, m: int, array: Array) -> None:
    design = mcus.design
    _, rows, _, columns = mcus.cells.shape
    operands = mcus.xbar_in[m, InBank.OPA_ROWS, :rows]
    errors = mcus.xbar_in[m, InBank.OPA_COLUMNS, :columns].astype(np.int32)
    digits, negatives = np.empty(rows, np.int64), np.empty(rows, np.int64)
    _fill_digits(design, operands, digits, negatives)
    row_drive, column_drive, column_value, negative = [], [], [], []
    for step in range(design.operand_bits):
        driven = (digits >> step) & 1
        if design.skips and not driven.any():
            continue
        for row_negative in (False, True):
            for column_negative in (False, True):
                row_drive.append(driven * ((negatives >> step & 1) == row_negative))
                column_drive.append((errors < 0) == column_negative)
                column_value.append((np.abs(errors) << step) + design.digit_bias)
                negative.append(row_negative != column_negative)
    if not row_drive:
        return
    array.pulse(
        PulseTrain(
            row_drive=np.array(row_drive, np.uint8),
            column_drive=np.array(column_drive, np.uint8),
            column_value=np.array(column_value, np.int32),
            negative=np.array(negative, np.uint8),
        )
    )


# OPA with a headroom tracker


@compiled
def _rest(mcus, m, plan, kept):  # type: ignore[no-untyped-def]
    """Rows that are not pulsed are as those whose operand is 0."""
    for row in range(kept.size):
        operand = mcus.xbar_in[m, InBank.OPA_ROWS, row]
        kept[row] = operand
        if plan[headroom.group_of(mcus, row)] != headroom.PULSE:
            mcus.xbar_in[m, InBank.OPA_ROWS, row] = 0


@compiled
def _look_cycles(mcus, m, plan):  # type: ignore[no-untyped-def]
    """Cycles of an OPA, the rows resolved not yet counted; of the operands that are pulsed, whose
    pulses it counts.
    """
    cycles = mcus.design.operand_bits + 4
    for group in range(plan.size):
        if plan[group] == headroom.PULSE:
            _count_pulses(mcus, m)
            return cycles + duration(mcus, m, Operation.OPA) - 1
    return cycles


@allocating
def _accumulate_tracked(mcus, m):  # type: ignore[no-untyped-def]
    """Pulse the rows that have room, resolve the others; returns the cycles it takes."""
    _, rows, slices, _ = mcus.cells.shape
    plan = np.empty(mcus.full.shape[1], np.int64)
    digits, negative = np.empty(rows, np.int64), np.empty(rows, np.int64)
    _fill_digits(mcus.design, mcus.xbar_in[m, InBank.OPA_ROWS, :rows], digits, negative)
    headroom.look(mcus, m, digits, plan)
    kept = np.empty(rows, np.int16)
    _rest(mcus, m, plan, kept)
    _accumulate(mcus, m)
    cycles = _look_cycles(mcus, m, plan)
    mcus.xbar_in[m, InBank.OPA_ROWS, :rows] = kept
    loaded = _groups(mcus, m, ConfigKey.COLUMNS) * mcus.design.adcs
    summed = np.empty((slices, loaded), np.int32)
    resolved = 0
    for row in range(mcus.config[m, ConfigKey.ROWS]):
        group = headroom.group_of(mcus, row)
        if plan[group] == headroom.RESOLVE:
            if row % (rows // plan.size) == 0:
                headroom.begin(mcus, m, group)
            cells = mcus.cells[m, row]
            _add_row(mcus, m, row, cells, summed)
            cells[:, :loaded] = summed
            mcus.copies[m, row, :, :loaded] = cells[:, :loaded]
            resolved += 1
    _count_rows(mcus, m, resolved)
    return cycles + resolved * _row_cycles(mcus, m) + (resolved > 0)


@allocating
def _add_row(mcus, m, row, cells, summed):  # type: ignore[no-untyped-def]
    """The cells of a row, shape (slices, columns), with its outer product, canonical: ``summed``,
    shape (slices, columns that are written).
    """
    design = mcus.design
    slices, loaded = summed.shape
    in_use = mcus.config[m, ConfigKey.COLUMNS]
    _count_limits(mcus, m, cells)
    operand = np.int32(mcus.xbar_in[m, InBank.OPA_ROWS, row])
    most = np.int32(1 << 20)  # more makes no difference to a cell
    for k in range(slices):
        place = np.int32(min(k * design.value_bits, 31))
        mask = np.int32((1 << design.value_bits) - 1)
        for column in range(loaded):
            error = mcus.xbar_in[m, InBank.OPA_COLUMNS, column] if column < in_use else 0
            digit = np.int32(operand * np.int32(error)) >> place
            # the top digit keeps everything above it, and the sign
            digit = digit & mask if k < slices - 1 else min(max(digit, -most), most)
            summed[k, column] = cells[k, column] + digit
    _carry(mcus, m, summed, loaded)
    headroom.measure(mcus, m, row, summed[slices - 1, :in_use])


def _accumulate_tracked_external(mcus: Mcus, m: int, array: Array) -> int:
    rows = mcus.cells.shape[1]
    plan = np.empty(mcus.full.shape[1], np.int64)
    digits, negative = np.empty(rows, np.int64), np.empty(rows, np.int64)
    _fill_digits(mcus.design, mcus.xbar_in[m, InBank.OPA_ROWS, :rows], digits, negative)
    headroom.look(mcus, m, digits, plan)
    kept = np.empty(rows, np.int16)
    _rest(mcus, m, plan, kept)
    if headroom.PULSE in plan:
        _accumulate_external(mcus, m, array)
    cycles = int(_look_cycles(mcus, m, plan))
    mcus.xbar_in[m, InBank.OPA_ROWS, :rows] = kept
    size = rows // plan.size
    resolved = 0
    for group in np.flatnonzero(plan == headroom.RESOLVE).tolist():
        headroom.begin(mcus, m, group)
        end = min(group * size + size, int(mcus.config[m, ConfigKey.ROWS]))
        for row in range(group * size, end):
            _resolve_row_external(mcus, m, array, row, add=True)
            resolved += 1
    _count_rows(mcus, m, resolved)
    return cycles + resolved * int(_row_cycles(mcus, m)) + (resolved > 0)


# CRS


@allocating
def _resolve(mcus, m):  # type: ignore[no-untyped-def]
    """Row by row: line groups with a column in use are read, resolved, and written."""
    cells = mcus.cells[m]
    loaded = _groups(mcus, m, ConfigKey.COLUMNS) * mcus.design.adcs
    for row in range(mcus.config[m, ConfigKey.ROWS]):
        _resolve_row(mcus, m, row, cells[row], loaded)
        mcus.copies[m, row, :, :loaded] = cells[row, :, :loaded]


@allocating
def _resolve_row(mcus, m, row, cells, loaded):  # type: ignore[no-untyped-def]
    """Make the first ``loaded`` columns of the cells of a row, shape (slices, columns), canonical;
    counts columns in use only.
    """
    _count_limits(mcus, m, cells)
    _carry(mcus, m, cells, loaded)
    groups = mcus.full.shape[1]
    if groups:
        if row % (mcus.cells.shape[1] // groups) == 0:
            headroom.begin(mcus, m, headroom.group_of(mcus, row))
        in_use = mcus.config[m, ConfigKey.COLUMNS]
        headroom.measure(mcus, m, row, cells[cells.shape[0] - 1, :in_use])


@compiled
def _count_limits(mcus, m, cells):  # type: ignore[no-untyped-def]
    """Count cells in use that are at an end of their range; shape (slices, columns)."""
    design = mcus.design
    slices = cells.shape[0]
    narrow = cells.dtype.type
    in_use = mcus.config[m, ConfigKey.COLUMNS]
    for k in range(slices):
        low, high = narrow(design.low[k]), narrow(design.high[k])
        at_limit = narrow(0)
        for column in range(in_use):
            cell = cells[k, column]
            at_limit = narrow(at_limit + narrow((cell == low) | (cell == high)))
        mcus.counters[m, _ADC_CLIP + slices + k] += at_limit


@allocating
def _carry(mcus, m, cells, loaded):  # type: ignore[no-untyped-def]
    """Make the first ``loaded`` columns of ``cells``, shape (slices, columns), canonical."""
    design = mcus.design
    slices = cells.shape[0]
    narrow = cells.dtype.type
    in_use = mcus.config[m, ConfigKey.COLUMNS]
    value_bits = design.value_bits
    half = narrow(1 << (value_bits - 1))
    carries = np.zeros(loaded, cells.dtype)
    for k in range(slices):
        low, high = narrow(design.low[k]), narrow(design.high[k])
        if k < slices - 1:
            for column in range(loaded):
                total = narrow(cells[k, column] + carries[column])
                carry = narrow(narrow(total + half) >> value_bits)
                cells[k, column] = narrow(total - narrow(carry << value_bits))
                carries[column] = carry
        else:
            saturated = narrow(0)
            for column in range(loaded):
                total = narrow(cells[k, column] + carries[column])
                resolved = min(max(total, low), high)
                cells[k, column] = resolved
                if column < in_use:
                    saturated = narrow(saturated + narrow(resolved != total))
            mcus.counters[m, _CRS_TOP] += saturated


def _resolve_external(mcus: Mcus, m: int, array: Array) -> None:
    for row in range(mcus.config[m, ConfigKey.ROWS]):
        _resolve_row_external(mcus, m, array, row, add=False)


def _resolve_row_external(mcus: Mcus, m: int, array: Array, row: int, *, add: bool) -> None:
    """A row is read, resolved, perhaps with its outer product, and written."""
    design = mcus.design
    _, rows, slices, _ = mcus.cells.shape
    in_use = mcus.config[m, ConfigKey.COLUMNS]
    loaded = _groups(mcus, m, int(ConfigKey.COLUMNS)) * design.adcs
    drive = np.zeros(rows, np.uint8)
    drive[row] = 1
    conversion = array.convert(drive, transpose=False, fine=True, copies=False)
    _count(mcus, m, _ADC_CLIP, conversion.over[:in_use])
    codes = _wrapped(conversion.code, design.adc_low, design.adc_high)
    limited = np.clip(codes, design.low, design.high).T
    cells = np.ascontiguousarray(limited, mcus.cells.dtype)
    if add:
        summed = np.empty((slices, loaded), np.int32)
        _add_row(mcus, m, row, cells, summed)
    else:
        _resolve_row(mcus, m, row, cells, loaded)
        summed = cells[:, :loaded]
    array.program(row, summed.T.astype(np.int16))


def _wrapped(
    codes: NDArray[np.int32], low: NDArray[np.int64], high: NDArray[np.int64]
) -> NDArray[np.int64]:
    """As many low bits of the codes, shape (lines, slices), as wires carry."""
    return ((codes - low) & (high - low)) + low


def _count(mcus: Mcus, m: int, first: int, events: NDArray[np.bool_]) -> None:
    """Count events, shape (lines, slices), in the counters of each slice."""
    counts = np.count_nonzero(events, axis=0)
    mcus.counters[m, first : first + len(counts)] += counts
