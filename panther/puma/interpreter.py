"""An interpreter of the text: counts as counts, addresses from registers, products from weights.

It shares nothing with the translation, nor with models, hardware or golden: numpy and the
definitions of ``docs/puma.md`` only.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from panther.arch.params import McuParams
from panther.puma.state import FirstState, Matrix
from panther.puma.text import (
    GENERAL,
    INPUTS,
    MEMORY_WORDS,
    REGISTERS,
    Instruction,
    PumaError,
    PumaProgram,
    Unit,
)

Ints = NDArray[np.int64]
_OUTPUTS = GENERAL // 2
_LEAST, _GREATEST = -(1 << 15), (1 << 15) - 1


class Blocked(PumaError):
    """Programs wait for each other; the message says who waits where."""


@dataclass(kw_only=True)
class Machine:
    """All there is at the end of a run."""

    registers: dict[Unit, Ints]
    """Of every core, by the numbers of the text."""
    memory: Ints
    """Words of every tile, by the addresses of the text; shape (tiles, words)."""
    counts: Ints
    """How many will still read each word; shape of ``memory``."""
    cells: dict[Matrix, Ints]
    """Of every matrix unit in use, shape (slices, rows, columns)."""
    saturated: int = 0
    """Words that sums, products or requantisation have saturated."""
    executed: Counter[str] = field(default_factory=Counter)
    """Lines by instruction, and operations of matrix units by name."""


def interpret(
    program: PumaProgram,
    mcu: McuParams,
    start: FirstState,
    shift: int,
    order: Sequence[Unit] | None = None,
) -> Machine:
    """Run a program.

    Parameters
    ----------
    program
        What to run.
    mcu
        Size and slicing of the matrix units.
    start
        Weights and inputs.
    shift
        Requantisation shift of MVM and MTVM.
    order
        Whose turn it is; every unit goes on as long as it can. That of the text if left out.

    Raises
    ------
    Blocked
        If it does not come to its end.
    PumaError
        If a word is used as an address that is none.
    """
    cores = [unit for unit, lines in program.units.items() if lines[-1].name == "hlt"]
    machine = Machine(
        registers={unit: np.zeros(REGISTERS, np.int64) for unit in cores},
        memory=np.zeros((program.tiles, MEMORY_WORDS), np.int64),
        counts=np.zeros((program.tiles, MEMORY_WORDS), np.int64),
        cells={place: cells.astype(np.int64) for place, cells in start.cells.items()},
    )
    machine.memory[0] = start.words
    _store_inputs(program, machine)
    queues: dict[tuple[int, int], deque[Ints]] = {}
    at = dict.fromkeys(order or program.units, 0)
    moved = True
    while moved:
        moved = False
        for unit in at:
            lines = program.units[unit]
            while at[unit] < len(lines) and _step(
                machine, unit, lines[at[unit]], mcu, shift, queues
            ):
                machine.executed[lines[at[unit]].name] += 1
                at[unit] += 1
                moved = True
    waiting = [program.units[unit][n] for unit, n in at.items() if n < len(program.units[unit])]
    if waiting:
        places = ", ".join(f"{line.name} at {line.where}" for line in waiting)
        raise Blocked(f"{waiting[0].where}: programs wait for each other: {places}")
    return machine


def _store_inputs(program: PumaProgram, machine: Machine) -> None:
    """The host stores what tile 0 sends and does not get from anybody."""
    lines = [line for (tile, _), unit in program.units.items() if tile == 0 for line in unit]
    received = np.zeros(MEMORY_WORDS, np.bool_)
    for line in lines:
        if line.name == "receive":
            received[line.operands["mem_addr"] :][: line.length] = True
    for line in lines:
        if line.name == "send":
            first = line.operands["mem_addr"]
            if not received[first : first + line.length].any():
                machine.counts[0, first : first + line.length] += 1


def _step(
    machine: Machine,
    unit: Unit,
    line: Instruction,
    mcu: McuParams,
    shift: int,
    queues: dict[tuple[int, int], "deque[Ints]"],
) -> bool:
    """One line of a unit; False if it has to wait."""
    operands, count = line.operands, line.length
    tile = unit[0]
    if line.name in ("load", "store", "send", "receive"):
        if "mem_addr" in operands:
            first = operands["mem_addr"]
        else:
            pointer = operands["r1" if line.name == "load" else "d1"]
            first = int(machine.registers[unit][pointer])
        if not 0 <= first <= MEMORY_WORDS - count:
            raise PumaError(f"{line.where}: address must lie in the memory, not be {first}")
        words = machine.memory[tile, first : first + count]
        counts = machine.counts[tile, first : first + count]
        if line.name in ("load", "send"):
            if (counts == 0).any():
                return False
            counts -= 1
            if line.name == "load":
                machine.registers[unit][operands["d1"] : operands["d1"] + count] = words
            else:
                key = operands["target_addr"], operands["vtile_id"]
                queues.setdefault(key, deque()).append(words.copy())
            return True
        if counts.any():
            return False
        if line.name == "store":
            words[:] = machine.registers[unit][operands["r1"] : operands["r1"] + count]
        else:
            queue = queues.get((tile, operands["vtile_id"]))
            if not queue:
                return False
            message = queue.popleft()
            if len(message) != count:
                raise PumaError(
                    f"{line.where}: message must have {count} words, not {len(message)}"
                )
            words[:] = message
        counts[:] = operands["counter"]
        return True
    if line.operations:
        for m, operations in enumerate(line.operations):
            if operations:
                _matrix(machine, unit, m, operations, mcu, shift)
    elif "d1" in operands:
        registers = machine.registers[unit]
        registers[operands["d1"] : operands["d1"] + count] = _vector(machine, line, registers)
    return True


def _vector(machine: Machine, line: Instruction, registers: Ints) -> Ints:
    """What an instruction makes of its registers."""
    operands, count = line.operands, line.length
    a = registers[operands.get("r1", 0) :][:count].copy()
    b = registers[operands.get("r2", 0) :][:count].copy()
    if line.name == "set":
        return np.full(count, operands["imm"], np.int64)
    if line.name == "alu add":
        return _limited(machine, a + b)
    if line.name == "alu sub":
        return _limited(machine, a - b)
    if line.name == "alu relu":
        return np.where(a > 0, a, 0)
    if line.name == "alui mul":
        return _limited(machine, a * operands["imm"] + (1 << 11) >> 12)
    return a


def _limited(machine: Machine, values: Ints) -> Ints:
    limited = np.clip(values, _LEAST, _GREATEST)
    machine.saturated += int(np.count_nonzero(limited != values))
    return limited


def _matrix(
    machine: Machine, unit: Unit, m: int, operations: frozenset[str], mcu: McuParams, shift: int
) -> None:
    """What a matrix unit does; both products see the weights as they are before the update."""
    cells = machine.cells[(*unit, m)]
    registers = machine.registers[unit]
    into, out = INPUTS * m, _OUTPUTS + INPUTS * m
    weights = sum(
        cells[k] * (1 << k * mcu.slices.value_bits) for k in range(mcu.slices.count)
    )  # fmt: skip
    half = 1 << shift - 1 if shift else 0
    machine.executed.update(operations)
    if "mvm" in operations:
        total = registers[into : into + mcu.rows] @ weights
        registers[out : out + mcu.columns] = _limited(machine, total + half >> shift)
    if "mtvm" in operations:
        total = weights @ registers[into + 128 : into + 128 + mcu.columns]
        registers[out + 128 : out + 128 + mcu.rows] = _limited(machine, total + half >> shift)
    if "opa" in operations:
        rows = registers[into + 256 : into + 256 + mcu.rows]
        columns = registers[out + 256 : out + 256 + mcu.columns]
        _outer_product(cells, rows, columns, mcu)


def _outer_product(cells: Ints, rows: Ints, columns: Ints, mcu: McuParams) -> None:
    """Add the outer product bit by bit of the rows, digit by digit of the columns.

    In step b the rows whose absolute value has bit b are driven, and to cell k goes digit k of the
    column's absolute value times ``2**b``, with the product's sign.
    """
    p, top = mcu.slices.value_bits, mcu.slices.count - 1
    sign = np.sign(columns)
    for b in range(mcu.operand_bits):
        driven = np.where(np.abs(rows) & 1 << b, np.sign(rows), 0)
        lines = np.flatnonzero(driven)
        if not lines.size:
            continue
        value = np.abs(columns) * (1 << b)
        for k in range(top + 1):
            digit = value // (1 << k * p)
            if k < top:
                digit = digit % (1 << p)
            low, high = mcu.slices.cell_range(k)
            moved = cells[k, lines] + driven[lines, None] * (sign * digit)
            cells[k, lines] = np.clip(moved, low, high)
