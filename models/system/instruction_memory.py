"""The instruction memory, decoded once when a program is loaded."""

from collections.abc import Container, Iterator
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.system.register_file import bank_of
from panther.arch.checks import check_range
from panther.arch.core import (
    CSR_COUNTERS,
    CSR_COUNTERS_STRIDE,
    READ_ONLY_CSRS,
    CoreParams,
    Csr,
    Fault,
    csr_names,
)
from panther.arch.isa import (
    CORE_INSTRUCTIONS,
    INSTRUCTION_BITS,
    TILE_PROGRAM_INSTRUCTIONS,
    WORK,
    Function,
    Instruction,
    Kind,
    ScalarFunction,
    Unit,
    decode,
    work,
)
from panther.arch.mcu import Operation
from panther.arch.node import NodeParams
from panther.arch.tile import TILE_CSRS, TileFault


class Do(IntEnum):
    """What the core does for an instruction: one number for all that differ in a column only."""

    NOTHING = 0
    HALT = 1
    JUMP = 2
    BRANCH = 3
    LOOP = 4
    WRITE_CSR = 5
    READ_CSR = 6
    SET = 7
    SCALAR = 8
    VECTOR = 9
    FILL = 10
    REDUCE = 11
    LOAD = 12
    STORE = 13
    RELEASE = 14
    OPERATE = 15
    CONFIGURE = 16
    SEND = 17
    RECEIVE = 18


class Source(IntEnum):
    """Where the second operand comes from."""

    IMMEDIATE = 0
    SCALAR = 1
    VECTOR = 2


class Column(IntEnum):
    """Numbers of a decoded instruction."""

    DO = 0
    FAULT = 1
    """The first fault that shows in the word and its address alone."""
    FUNCTION = 2
    """Vector function, scalar function or condition."""
    SOURCE = 3
    D = 4
    """Destination: register-file address or scalar register."""
    A = 5
    """First source: register-file address, or the matrix unit."""
    B = 6
    """Second source: register-file address."""
    SA = 7
    """First source or base: scalar register."""
    SB = 8
    """Second source: scalar register."""
    VALUE = 9
    """Immediate, offset, count, new value; of operations four bits a unit."""
    KEY = 10
    """Control register or configuration key."""
    LENGTH = 11
    SHIFT = 12
    TARGET = 13
    ROWS = 14
    STRIDE = 15
    FLAG = 16
    """Take or plain."""
    READERS = 17
    WAITS = 18
    """Whether one of the next four says something."""
    XBAR_IN = 19
    """XbarIn bank that is written, or -1."""
    XBAR_OUT_A = 20
    """XbarOut bank that is read, or -1."""
    XBAR_OUT_B = 21
    """The second one."""
    UNITS = 22
    """Matrix units that must be idle, one bit each."""
    LOW = 23
    """The word's low 32 bits."""
    HIGH = 24
    TILE = 25
    FIFO = 26
    WORDS_READ = 27
    """Words of the register file."""
    WORDS_WRITTEN = 28
    WORK = 29
    """What the lanes do, by :data:`panther.arch.isa.WORK`."""
    ELEMENTS = 30
    """For how many elements they do it."""
    TIMES = 31
    """How often it has retired: beside what else is looked at then."""
    CYCLES = 32
    """Cycles from its D to there."""


class InstructionMemory(NamedTuple):
    """A decoded instruction for every address, and how often it was carried out; what is not
    loaded is illegal.
    """

    rows: NDArray[np.int64]
    """Shape (instructions, len(Column))."""


_OF_FIELD = {
    "d": Column.D, "sd": Column.D, "a": Column.A, "mcu": Column.A, "b": Column.B,
    "sa": Column.SA, "base": Column.SA, "sb": Column.SB, "imm": Column.VALUE,
    "offset": Column.VALUE, "count": Column.VALUE, "value": Column.VALUE,
    "operations": Column.VALUE, "mcus": Column.VALUE, "id": Column.KEY, "key": Column.KEY,
    "len": Column.LENGTH, "shift": Column.SHIFT, "fraction": Column.SHIFT,
    "target": Column.TARGET, "end": Column.TARGET, "rows": Column.ROWS,
    "stride": Column.STRIDE, "take": Column.FLAG, "plain": Column.FLAG,
    "readers": Column.READERS, "tile": Column.TILE, "fifo": Column.FIFO,
}  # fmt: skip
_OF_STEM = {
    "nop": Do.NOTHING, "hlt": Do.HALT, "jmp": Do.JUMP, "br": Do.BRANCH, "loop": Do.LOOP,
    "loops": Do.LOOP, "csr": Do.WRITE_CSR, "csrr": Do.READ_CSR, "sset": Do.SET,
    "sadd": Do.SCALAR, "salu": Do.SCALAR, "v": Do.VECTOR, "vs": Do.VECTOR, "vi": Do.VECTOR,
    "vset": Do.FILL, "vr": Do.REDUCE, "ld": Do.LOAD, "ld2": Do.LOAD, "st": Do.STORE,
    "inv": Do.RELEASE, "mcu": Do.OPERATE, "crs": Do.OPERATE, "mcfg": Do.CONFIGURE,
    "send": Do.SEND, "recv": Do.RECEIVE,
}  # fmt: skip
OPERATION_BITS = 4
"""Bits a matrix unit has of the operations: MVM, MTVM, OPA and CRS."""
_MCU_OPERATIONS = 3


def work_of(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """What the instructions did that have retired: how many they are, words of the register file
    they read, and wrote, and elements the lanes worked on by :data:`panther.arch.isa.WORK`; see
    :data:`panther.arch.tile.CORE_COUNTERS`.
    """
    times = rows[:, Column.TIMES]
    elements = times * rows[:, Column.ELEMENTS]
    return np.array(
        [
            times.sum(), times @ rows[:, Column.WORDS_READ], times @ rows[:, Column.WORDS_WRITTEN],
            *(elements[rows[:, Column.WORK] == n].sum() for n in range(len(WORK))),
        ],
        np.int64,
    )  # fmt: skip


def profile_of(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each instruction ``TIMES`` and ``CYCLES``, shape (instructions, 2)."""
    return rows[:, [Column.TIMES, Column.CYCLES]]


def load(
    params: CoreParams, words: NDArray[np.uint64], bad_parity: Container[int] = ()
) -> InstructionMemory:
    """Decode a program that begins at address 0.

    Parameters
    ----------
    params
        The core it is for.
    words
        Its words of 64 bits.
    bad_parity
        Addresses whose parity bit is wrong.

    Raises
    ------
    ValueError
        If it does not fit.
    """
    rows = _decoded(params.instructions, words, CORE_INSTRUCTIONS, bad_parity)
    for address, word in enumerate(words):
        row = rows[address]
        if row[Column.FAULT] == Fault.NONE:
            instruction, values = _fields(int(word))
            if instruction.unit is Unit.MATRIX:
                row[Column.VALUE] = _operations(_stem(instruction), values)
            faults = [f for f in _faults(params, address, instruction, values, row) if f]
            row[Column.FAULT] = min(faults, default=Fault.NONE)
            _note_waits(params, instruction, values, row)
            _note_work(instruction, values, row)
    return InstructionMemory(rows)


def load_tile_program(
    params: NodeParams, words: NDArray[np.uint64], bad_parity: Container[int] = ()
) -> InstructionMemory:
    """The same for a tile's sequencer.

    Parameters
    ----------
    params
        The node it is for.
    words
        Its words of 64 bits.
    bad_parity
        Addresses whose parity bit is wrong.

    Raises
    ------
    ValueError
        If it does not fit.
    """
    tile = params.tile
    rows = _decoded(tile.instructions, words, TILE_PROGRAM_INSTRUCTIONS, bad_parity)
    for address, word in enumerate(words):
        row = rows[address]
        if row[Column.FAULT] == Fault.NONE:
            _, values = _fields(int(word))
            do = row[Column.DO]
            if do == Do.LOOP and not address + 1 < values["end"] <= tile.instructions:
                row[Column.FAULT] = Fault.LOOP_RANGE
            elif do in (Do.READ_CSR, Do.WRITE_CSR) and values["id"] not in TILE_CSRS:
                row[Column.FAULT] = Fault.CSR
            elif do == Do.WRITE_CSR and not _may_write(values["id"], values["value"]):
                row[Column.FAULT] = Fault.CSR
            elif row[Column.TILE] >= params.tiles or row[Column.FIFO] >= tile.fifos:
                row[Column.FAULT] = TileFault.DESTINATION
    return InstructionMemory(rows)


def _decoded(
    instructions: int,
    words: NDArray[np.uint64],
    legal: Container[str],
    bad_parity: Container[int],
) -> NDArray[np.int64]:
    """Rows with the instructions' fields and the faults PARITY and ILLEGAL."""
    check_range("Words of a program", len(words), 0, instructions)
    rows = np.zeros((instructions, len(Column)), np.int64)
    rows[:, Column.FAULT] = Fault.ILLEGAL
    rows[:, Column.ROWS] = 1
    rows[:, [Column.XBAR_IN, Column.XBAR_OUT_A, Column.XBAR_OUT_B]] = -1
    for address, word in enumerate(words):
        _decode(int(word), legal, rows[address])
    for address in range(instructions):
        if address in bad_parity:
            rows[address, Column.FAULT] = Fault.PARITY
    return rows


def _fields(word: int) -> tuple[Instruction, dict[str, int]]:
    found = decode(word)
    assert found is not None
    return found


def _stem(instruction: Instruction) -> str:
    return instruction.mnemonic.partition(".")[0]


def _decode(word: int, legal: Container[str], row: NDArray[np.int64]) -> None:
    row[Column.LOW], row[Column.HIGH] = word & 0xFFFFFFFF, word >> INSTRUCTION_BITS // 2
    found = decode(word) if word else None
    if found is None or found[0].mnemonic not in legal:
        return
    instruction, values = found
    row[Column.FAULT] = Fault.NONE
    row[Column.DO] = _OF_STEM[_stem(instruction)]
    for name, value in values.items():
        row[_OF_FIELD[name]] = value
    if "b" in values:
        row[Column.SOURCE] = Source.VECTOR
    elif "sb" in values:
        row[Column.SOURCE] = Source.SCALAR
    if instruction.lane is not None:
        row[Column.FUNCTION] = instruction.lane
    elif instruction.function is not None:
        row[Column.FUNCTION] = instruction.function
    elif _stem(instruction) == "sadd":
        row[Column.FUNCTION] = ScalarFunction.ADD


def _operations(stem: str, values: dict[str, int]) -> int:
    """Four bits a unit, bit n operation n; of a configuration the value."""
    if stem == "mcfg":
        return values["value"]
    found, unit = 0, 0
    rest = values["operations" if stem == "mcu" else "mcus"]
    while rest:
        if stem == "mcu":
            bits, rest = rest % (1 << _MCU_OPERATIONS), rest >> _MCU_OPERATIONS
        else:
            bits, rest = (rest & 1) << Operation.CRS, rest >> 1
        found |= bits << OPERATION_BITS * unit
        unit += 1
    return found


def _faults(
    params: CoreParams,
    address: int,
    instruction: Instruction,
    values: dict[str, int],
    row: NDArray[np.int64],
) -> Iterator[Fault]:
    do = row[Column.DO]
    if do == Do.LOOP and not address + 1 < values["end"] <= params.instructions:
        yield Fault.LOOP_RANGE
    words = values.get("len", 0) * values.get("rows", 1)
    for item in instruction.fields:
        if item.kind is Kind.VECTOR:
            first = values[item.name]
            bank = bank_of(params, first)
            written = item.name == "d"
            if bank is None or first + words > bank.end or (written and bank.xbar_out >= 0):
                yield Fault.REGISTER
            if written and do == Do.VECTOR:
                for source in (values["a"], values.get("b", first)):
                    if source < first < source + words:
                        yield Fault.OVERLAP
    if do == Do.OPERATE and row[Column.VALUE] >> OPERATION_BITS * params.mcus:
        yield Fault.MASK
    if do == Do.CONFIGURE and values["mcu"] >= params.mcus:
        yield Fault.MASK
    if instruction.lane is Function.DIV and row[Column.SOURCE] == Source.IMMEDIATE:
        if values["imm"] == 0:
            yield Fault.DIVISION
    if do in (Do.READ_CSR, Do.WRITE_CSR) and values["id"] not in csr_names(params).values():
        yield Fault.CSR
    if do == Do.WRITE_CSR and not _may_write(values["id"], values["value"]):
        yield Fault.CSR


def _may_write(csr: int, value: int) -> bool:
    if csr >= CSR_COUNTERS or csr in READ_ONLY_CSRS:
        return False
    if csr == Csr.ROUNDING:
        return value <= 1
    return value != 0 or csr not in (Csr.SEED, Csr.WATCHDOG)


def _note_work(instruction: Instruction, values: dict[str, int], row: NDArray[np.int64]) -> None:
    """What is counted of an instruction when it retires."""
    words = values.get("len", 0) * values.get("rows", 1)
    for item in instruction.fields:
        if item.kind is Kind.VECTOR:
            row[Column.WORDS_WRITTEN if item.name == "d" else Column.WORDS_READ] += words
    if instruction.lane is not None:
        row[Column.WORK] = WORK.index(work(instruction.lane))
        row[Column.ELEMENTS] = words


def _note_waits(
    params: CoreParams, instruction: Instruction, values: dict[str, int], row: NDArray[np.int64]
) -> None:
    """What of the matrix units an instruction has to wait for."""
    for item in instruction.fields:
        bank = bank_of(params, values[item.name]) if item.kind is Kind.VECTOR else None
        if bank is None:
            continue
        if item.name == "d":
            row[Column.XBAR_IN] = bank.xbar_in
        else:
            row[Column.XBAR_OUT_A if item.name == "a" else Column.XBAR_OUT_B] = bank.xbar_out
    do = row[Column.DO]
    if do == Do.HALT:
        row[Column.UNITS] = (1 << params.mcus) - 1
    elif do == Do.OPERATE:
        for m in range(params.mcus):
            if row[Column.VALUE] >> OPERATION_BITS * m & ((1 << OPERATION_BITS) - 1):
                row[Column.UNITS] |= 1 << m
    elif do == Do.CONFIGURE:
        row[Column.UNITS] = 1 << values["mcu"]
    elif do == Do.READ_CSR and values["id"] >= CSR_COUNTERS:
        row[Column.UNITS] = 1 << (values["id"] - CSR_COUNTERS) // CSR_COUNTERS_STRIDE
    banks = row[[Column.XBAR_IN, Column.XBAR_OUT_A, Column.XBAR_OUT_B]]
    row[Column.WAITS] = bool(row[Column.UNITS] or (banks >= 0).any())
