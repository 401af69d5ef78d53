"""A core: its parameters, its register-file address map, its control registers and fault causes.

Register-file addresses are 13 bits and count words of 16 bits. Every bank of XbarIn and XbarOut has
a block of its own, the same for every crossbar of at most 128 lines, so a program need not know the
crossbar it runs on::

    0     XbarIn of MCU m at 512 m: MVM, MTVM, OPA_ROWS, OPA_COLUMNS, 128 words apart
    4096  XbarOut of MCU m at 4096 + 256 m: MVM, MTVM, 128 words apart
    6144  general registers

Crossbars of more than 128 lines have blocks of 256 words, and a core at most four of them.
"""

from dataclasses import dataclass, field
from enum import IntEnum

from panther.arch.checks import check_range, check_type
from panther.arch.mcu import LANES as LANES
from panther.arch.mcu import ConfigKey, InBank, OutBank, counter_names
from panther.arch.params import McuParams

LOOP_DEPTH = 4
"""Hardware loops that may be nested."""
SCALARS = 32
"""Scalar registers of 32 bits; number 0 is always zero."""
MAX_MCUS = 8
MAX_MEMORY_WORDS = 1 << 21
RTL_MEMORY_WORDS = 1 << 15
"""Most words of a memory that the RTL's addresses reach: 64 KiB."""
READERS = 9
"""Readers of a memory group: eight cores and the send unit."""

WORD_BITS = 16
ADDRESS_BITS = 13
XBAR_OUT_BASE = 4096
GENERAL_BASE = 6144
BLOCK = 128


@dataclass(frozen=True, kw_only=True)
class CoreParams:
    """One core: its matrix compute units and how much it can hold."""

    mcu: McuParams = field(default_factory=McuParams)
    """Every unit of the core is like this one."""
    mcus: int = 2
    """Number of matrix compute units."""
    registers: int = 1024
    """General registers, words of 16 bits: 2 KiB as in the paper's core data memory."""
    instructions: int = 512
    """Words of the instruction memory, 64 bits and a parity bit each."""
    memory_words: int = 32768
    """Words of 16 bits the core can address: the 64 KiB of its tile. In RTL there cannot be
    more."""
    memory_cycles: int = 2
    """From the cycle in which the memory takes a load to that of its answer."""

    def __post_init__(self) -> None:
        check_type("MCU", self.mcu, McuParams)
        check_range("MCUs", self.mcus, 1, MAX_MCUS)
        check_range("Registers", self.registers, LANES, (1 << ADDRESS_BITS) - GENERAL_BASE)
        check_range("Instructions", self.instructions, 2, 1 << ADDRESS_BITS)
        check_range("Memory words", self.memory_words, LANES, MAX_MEMORY_WORDS)
        check_range("Memory cycles", self.memory_cycles, 1, 16)
        for name, value in (("Registers", self.registers), ("Memory words", self.memory_words)):
            if value % LANES:
                raise ValueError(f"{name} must be a multiple of {LANES}, not {value}")
        if self.mcu.operand_bits != WORD_BITS:
            raise ValueError(
                f"Operands of a core's crossbars must have {WORD_BITS} bits, "
                f"not {self.mcu.operand_bits}"
            )
        if self.mcus * self.block > MAX_MCUS * BLOCK:
            raise ValueError(
                f"A core must have at most {MAX_MCUS * BLOCK // self.block} crossbars of more "
                f"than {BLOCK} lines, not {self.mcus}"
            )

    def check_rtl(self) -> None:
        """Refuse a core that only the transaction level can be.

        Raises
        ------
        ValueError
            If its memory or its units are none of the RTL's.
        """
        self.mcu.check_rtl()
        if self.memory_words > RTL_MEMORY_WORDS:
            raise ValueError(
                f"Memory words must be at most {RTL_MEMORY_WORDS} in RTL, not {self.memory_words}"
            )

    @property
    def block(self) -> int:
        """Words from one bank of XbarIn or XbarOut to the next."""
        return BLOCK if max(self.mcu.rows, self.mcu.columns) <= BLOCK else 2 * BLOCK

    def xbar_in(self, mcu: int, bank: InBank) -> int:
        """Address of the first word of a bank of XbarIn."""
        return (len(InBank) * mcu + bank) * self.block

    def xbar_out(self, mcu: int, bank: OutBank) -> int:
        """Address of the first word of a bank of XbarOut."""
        return XBAR_OUT_BASE + (len(OutBank) * mcu + bank) * self.block

    def in_lines(self, bank: InBank) -> int:
        """Words of a bank of XbarIn."""
        rows = bank in (InBank.MVM, InBank.OPA_ROWS)
        return self.mcu.rows if rows else self.mcu.columns

    def out_lines(self, bank: OutBank) -> int:
        """Words of a bank of XbarOut."""
        return self.mcu.columns if bank == OutBank.MVM else self.mcu.rows

    @property
    def stored_words(self) -> int:
        """Words the register file stores: a copy of XbarIn, then the general registers."""
        return self.mcus * len(InBank) * self.block + self.registers


class MemoryOp(IntEnum):
    """What a request asks of the memory; one request concerns one group of four words."""

    LOAD = 0
    """Waits until the group is valid, and with ``take`` until this reader's bit is set; answers
    with its words; ``take`` clears the bit, and the group is free when no bit is left."""
    STORE = 1
    """Waits until the group is free, then writes and sets the readers' bits; ``plain`` does not
    wait and leaves the group valid, with no readers."""
    RELEASE = 2
    """Makes the group free."""


MEMORY_OP_BITS = 2


class Csr(IntEnum):
    """Control and status registers.

    A start sets ``cycle`` and ``retired`` to 0, and forgets the loops and the fault of the run
    before. All else stays: program, registers, memory, control registers, and each matrix unit's
    operands, results, cells, configuration and counters. Only a reset brings the values below back.
    """

    ROUNDING = 0
    """0: to nearest, ties toward plus infinity; 1: stochastic. Of vector multiplications and
    right shifts."""
    SEED = 1
    """State of the generator behind stochastic rounding."""
    WATCHDOG = 2
    """Cycles an instruction may wait before the core stops."""
    CYCLE = 3
    """Cycles since the start."""
    RETIRED = 4
    """Instructions retired since the start."""
    SATURATED = 5
    """Words the vector unit has saturated."""


CSR_BITS = 12
CSR_COUNTERS = 1024
CSR_COUNTERS_STRIDE = 128
CSR_CONFIG = 96
"""Of a matrix unit's registers the first one that holds its configuration: behind all counters that
a unit of 32 slices has."""
CONFIG_READABLE = tuple(key for key in ConfigKey if key is not ConfigKey.CLEAR_COUNTERS)
"""What can be read of it, each key at its number."""
WATCHDOG_DEFAULT = 1 << 20
SEED_DEFAULT = 1
READ_ONLY_CSRS = (Csr.CYCLE, Csr.RETIRED)
CSR_VALUES = {
    Csr.ROUNDING: (range(2), 0),
    Csr.SEED: (range(1, 1 << 32), SEED_DEFAULT),
    Csr.WATCHDOG: (range(1, 1 << 32), WATCHDOG_DEFAULT),
    Csr.SATURATED: (range(1 << 32), 0),
}
"""What may be written to each register that is not read-only, and what it is after a reset."""


def csr_names(params: CoreParams) -> dict[str, int]:
    """Every control and status register by name: ``cycle``, ``m0.adc_clip_3``, ``m0.rows``."""
    names = {csr.name.lower(): int(csr) for csr in Csr}
    for mcu in range(params.mcus):
        first = CSR_COUNTERS + CSR_COUNTERS_STRIDE * mcu
        for n, name in enumerate(counter_names(params.mcu.slices.count)):
            names[f"m{mcu}.{name}"] = first + n
        for key in CONFIG_READABLE:
            names[f"m{mcu}.{key.name.lower()}"] = first + CSR_CONFIG + key
    return names


class Fault(IntEnum):
    """Why a core stopped. Where an instruction has several faults the lowest number is reported,
    and a fault has no effect but to stop: nothing of the instruction is done, except that a
    transfer which runs into the watchdog may be half way through.
    """

    NONE = 0
    """It did not: it runs, or it halted."""
    PC = 1
    """The instruction's address lies past the end of the instruction memory."""
    PARITY = 2
    """The instruction's word and its parity bit disagree."""
    ILLEGAL = 3
    """Unknown opcode or function, a reserved bit that is not 0, a field out of its range."""
    LOOP_RANGE = 4
    """A loop ends before its body begins, or past the end of the instruction memory."""
    LOOP_DEPTH = 5
    """A fifth loop inside of four."""
    REGISTER = 6
    """A vector leaves its bank, names registers that do not exist, or writes XbarOut."""
    OVERLAP = 7
    """A vector would overwrite words it has yet to read: the destination begins inside a source,
    behind the source's first word."""
    MEMORY = 8
    """An address outside the memory."""
    ALIGNMENT = 9
    """A synchronised access that does not begin at a group of four words."""
    MASK = 10
    """A mask names a matrix unit that does not exist."""
    CONFIG = 11
    """A matrix unit refused a configuration: unknown key, or a value out of range."""
    DIVISION = 12
    """Division by zero."""
    CSR = 13
    """Unknown control register, one that is read-only, or a value it must not have."""
    WATCHDOG = 14
    """The instruction waited too long: for a word nobody stores, a reader that never takes, or
    a matrix unit."""


FAULT_BITS = 4
