"""The instruction set: one table from which everything that knows instructions is derived.

Encoder, decoders (Python and hardware), assembler, disassembler, ``docs/isa.md``, the syntax
description and the random programs all read :data:`INSTRUCTIONS`. A word has 64 bits: the opcode
in [63:58], where several instructions share an opcode a function in [57:54], and the fields where
the table says. Every bit not named is reserved and must be zero.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum

from panther.arch.core import (
    ADDRESS_BITS,
    CSR_BITS,
    LANES,
    MAX_MCUS,
    READERS,
    SCALARS,
    WORD_BITS,
)
from panther.arch.mcu import CONFIG_KEY_BITS, CONFIG_VALUE_BITS

INSTRUCTION_BITS = 64
OPCODE_LSB, OPCODE_BITS = 58, 6
FUNCTION_LSB, FUNCTION_BITS = 54, 4


class Kind(Enum):
    """What a field holds, and so how it is written in a program."""

    NUMBER = "number"
    VECTOR = "register-file address of a vector"
    SCALAR = "scalar register"
    TARGET = "instruction address"
    MCU = "matrix unit"
    MCUS = "set of matrix units"
    OPERATIONS = "set of matrix units with operations"
    KEY = "configuration key of a matrix unit"
    CSR = "control register"
    READERS = "set of readers"
    FLAG = "flag"


class Unit(Enum):
    """Which part of the machine carries an instruction out."""

    CONTROL = "control"
    SCALAR = "scalar unit"
    VECTOR = "vector unit"
    MEMORY = "load and store"
    MATRIX = "matrix units"
    TILE = "tile"


class Function(IntEnum):
    """What a lane of the vector unit computes of ``a`` and ``b``."""

    ADD = 0
    SUB = 1
    RSUB = 2
    MUL = 3
    AND = 4
    OR = 5
    ANDN = 6
    CGT = 7
    CEQ = 8
    MAX = 9
    MIN = 10
    MOV = 11
    SATG = 12
    DIV = 13
    SHL = 14
    SHR = 15
    EXP = 16
    SIGMOID = 17
    TANH = 18
    LOG = 19
    RECIP = 20
    SUM = 21


VECTOR_FUNCTION_BITS = 5
TABLE_FUNCTIONS = (
    Function.EXP, Function.SIGMOID, Function.TANH, Function.LOG, Function.RECIP,
)  # fmt: skip
"""Functions that are looked up in a table."""
WORK = ("mul", "div", "table", "other")
"""What lanes do, as it is counted; see :data:`panther.arch.tile.CORE_COUNTERS`."""


def work(function: Function) -> str:
    """What a lane does for a function, by :data:`WORK`."""
    if function in TABLE_FUNCTIONS:
        return "table"
    return {Function.MUL: "mul", Function.DIV: "div"}.get(function, "other")


class ScalarFunction(IntEnum):
    """What the scalar unit computes of two registers."""

    ADD = 0
    SUB = 1
    MUL = 2
    AND = 3
    OR = 4
    XOR = 5
    SHL = 6
    SHR = 7
    SRA = 8
    SLT = 9


class Condition(IntEnum):
    """When a branch is taken."""

    EQ = 0
    NE = 1
    LT = 2
    GE = 3


@dataclass(frozen=True, kw_only=True)
class Field:
    """A part of an instruction word."""

    name: str
    lsb: int
    """Its lowest bit."""
    bits: int
    kind: Kind = Kind.NUMBER
    meaning: str
    signed: bool = False
    low: int | None = None
    """Least legal value, if not the least that fits."""
    high: int | None = None
    """Greatest legal value, if not the greatest that fits."""
    default: int | None = None
    """Value where a program does not say; flags are 0."""

    @property
    def least(self) -> int:
        """Least legal value."""
        if self.low is not None:
            return self.low
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def greatest(self) -> int:
        """Greatest legal value."""
        if self.high is not None:
            return self.high
        return (1 << (self.bits - self.signed)) - 1

    def take(self, word: int) -> int:
        """The field's value in an instruction word."""
        value = word >> self.lsb & ((1 << self.bits) - 1)
        return value - (1 << self.bits) if self.signed and value >> (self.bits - 1) else value

    def place(self, value: int) -> int:
        """The field's bits of an instruction word.

        Raises
        ------
        ValueError
            If the value is out of the legal range.
        """
        if not self.least <= value <= self.greatest:
            raise ValueError(
                f"{self.name} must be an integer in the range [{self.least}, {self.greatest}], "
                f"not {value}"
            )
        return (value & ((1 << self.bits) - 1)) << self.lsb


@dataclass(frozen=True, kw_only=True)
class Cycles:
    """How long an instruction takes from its decoding to that of the next, waiting apart."""

    fixed: int
    per_group: int = 0
    """For every group of four words."""
    latency: bool = False
    """The memory's latency comes on top."""
    waits: str = ""
    """What it may wait for."""


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """One instruction."""

    mnemonic: str
    opcode: int
    function: int | None = None
    """Value of the function bits, where several instructions share the opcode."""
    fields: tuple[Field, ...] = ()
    """In the order a program writes them."""
    unit: Unit
    lane: Function | None = None
    """What the lanes do, of vector instructions."""
    meaning: str
    """Semantics, one formula."""
    note: str = ""
    """What else a programmer has to know."""
    reads: str = ""
    writes: str = ""
    cycles: Cycles
    example: str

    def field(self, name: str) -> Field | None:
        """The field called ``name``, if the instruction has it."""
        return next((item for item in self.fields if item.name == name), None)

    @property
    def fixed_bits(self) -> int:
        """Mask of the bits that are the same in every word of this instruction."""
        free = 0
        for item in self.fields:
            free |= ((1 << item.bits) - 1) << item.lsb
        return ((1 << INSTRUCTION_BITS) - 1) & ~free

    @property
    def pattern(self) -> int:
        """Those bits' values."""
        word = self.opcode << OPCODE_LSB
        if self.function is not None:
            word |= self.function << FUNCTION_LSB
        return word

    def encode(self, **values: int) -> int:
        """The word with these field values; fields left out take their default.

        Raises
        ------
        ValueError
            If a value is out of range, missing, or of no field.
        """
        word = self.pattern
        for item in self.fields:
            value = values.pop(item.name, item.default)
            if value is None:
                raise ValueError(f"{self.mnemonic} needs {item.name}")
            word |= item.place(int(value))
        if values:
            raise ValueError(f"{self.mnemonic} has no {', '.join(values)}")
        return word

    def matches(self, word: int) -> bool:
        """Whether a word is this instruction, reserved bits and ranges included."""
        return word & self.fixed_bits == self.pattern and all(
            item.least <= item.take(word) <= item.greatest for item in self.fields
        )


# ---- fields, each with one place for all instructions that have it

_D = Field(name="d", lsb=41, bits=ADDRESS_BITS, kind=Kind.VECTOR, meaning="destination")
_A = Field(name="a", lsb=28, bits=ADDRESS_BITS, kind=Kind.VECTOR, meaning="first source")
_B = Field(name="b", lsb=15, bits=ADDRESS_BITS, kind=Kind.VECTOR, meaning="second source")
_IMM = Field(name="imm", lsb=15, bits=13, signed=True, meaning="second source of every element")
_IMM16 = Field(name="imm", lsb=15, bits=WORD_BITS, signed=True, meaning="the word")
_LEN = Field(name="len", lsb=5, bits=10, low=1, meaning="words of the vector")
_SHIFT = Field(name="shift", lsb=0, bits=5, meaning="bits the product is shifted right by")
_RIGHT = Field(name="shift", lsb=0, bits=5, high=15, meaning="bits shifted by")
_UP = Field(name="shift", lsb=0, bits=5, high=15, meaning="bits the dividend is shifted left by")
_FRACTION = Field(name="fraction", lsb=0, bits=5, high=15, meaning="fraction bits of the argument")
_SD = Field(name="sd", lsb=41, bits=5, kind=Kind.SCALAR, meaning="destination")
_SA = Field(name="sa", lsb=27, bits=5, kind=Kind.SCALAR, meaning="first source")
_SB = Field(name="sb", lsb=15, bits=5, kind=Kind.SCALAR, meaning="second source")
_IMM32 = Field(name="imm", lsb=0, bits=32, signed=True, meaning="the value")
_IMM27 = Field(name="imm", lsb=0, bits=27, signed=True, meaning="second source")
_TARGET = Field(
    name="target", lsb=41, bits=ADDRESS_BITS, kind=Kind.TARGET, meaning="where to go on"
)
_END = Field(
    name="end", lsb=41, bits=ADDRESS_BITS, kind=Kind.TARGET,
    meaning="address behind the last instruction of the body",
)  # fmt: skip
_TIMES = Field(name="sb", lsb=15, bits=5, kind=Kind.SCALAR, meaning="times the body is run")
_COUNT = Field(name="count", lsb=0, bits=24, meaning="times the body is run")
_BASE = Field(name="base", lsb=27, bits=5, kind=Kind.SCALAR, meaning="register with an address")
_OFFSET = Field(name="offset", lsb=15, bits=12, signed=True, meaning="words added to it")
_INTO = Field(name="d", lsb=45, bits=ADDRESS_BITS, kind=Kind.VECTOR, meaning="destination")
_FROM = Field(name="a", lsb=45, bits=ADDRESS_BITS, kind=Kind.VECTOR, meaning="source")
_READERS = Field(
    name="readers", lsb=32, bits=READERS, kind=Kind.READERS, default=0,
    meaning="who has to take the words: bit n core n, bit 8 the send unit",
)  # fmt: skip
_TAKE = Field(
    name="take", lsb=0, bits=1, kind=Kind.FLAG, default=0,
    meaning="wait for this reader's bit and clear it",
)  # fmt: skip
_PLAIN = Field(
    name="plain", lsb=0, bits=1, kind=Kind.FLAG, default=0,
    meaning="do not wait; the words have no readers",
)  # fmt: skip
_FIFO = Field(name="fifo", lsb=45, bits=4, meaning="receive queue")

# ---- cycles

_SIMPLE = Cycles(fixed=2)
_VECTOR = Cycles(fixed=3, per_group=1, waits="banks of XbarIn and XbarOut in use")
_DIVIDE = Cycles(fixed=3, per_group=18, waits="banks of XbarIn and XbarOut in use")

_TABLE: list[Instruction] = []


def _add(mnemonic: str, opcode: int, function: int | None = None, **rest: object) -> None:
    _TABLE.append(
        Instruction(mnemonic=mnemonic, opcode=opcode, function=function, **rest)  # type: ignore[arg-type]
    )


# opcode 0 stays free: an empty instruction memory is no program
_add("nop", 1, unit=Unit.CONTROL, meaning="nothing", cycles=_SIMPLE, example="nop")
_add("hlt", 2, unit=Unit.CONTROL, meaning="waits until every matrix unit is idle, then halts",
     cycles=Cycles(fixed=2, waits="all matrix units"), example="hlt")  # fmt: skip
_add("jmp", 3, fields=(_TARGET,), unit=Unit.CONTROL, meaning="pc = target",
     note="Going out of a loop ends it.", cycles=_SIMPLE, example="jmp again")  # fmt: skip
for _condition, _sign in zip(Condition, ("==", "!=", "<", ">="), strict=True):
    _add(f"br.{_condition.name.lower()}", 4, int(_condition), fields=(_SA, _SB, _TARGET),
         unit=Unit.CONTROL, meaning=f"if sa {_sign} sb: pc = target",
         note="Signed. Going out of a loop ends it; going to its end does so, too.",
         reads="sa, sb", cycles=_SIMPLE,
         example=f"br.{_condition.name.lower()} s1, s0, again")  # fmt: skip
_add("loop", 5, fields=(_COUNT, _END), unit=Unit.CONTROL,
     meaning="runs the instructions up to end count times; not at all if count is 0",
     note="Going back costs no cycle. Four loops may be nested and may end at one address.",
     cycles=_SIMPLE, example="loop 16, end")  # fmt: skip
_add("loops", 6, fields=(_TIMES, _END), unit=Unit.CONTROL,
     meaning="as loop, sb times; not at all if sb is not positive",
     reads="sb", cycles=_SIMPLE, example="loops s3, end")  # fmt: skip
_add("csr", 7,
     fields=(Field(name="id", lsb=46, bits=CSR_BITS, kind=Kind.CSR, meaning="control register"),
             Field(name="value", lsb=0, bits=32, meaning="its new value")),
     unit=Unit.CONTROL, meaning="csr[id] = value", writes="a control register",
     cycles=_SIMPLE, example="csr rounding, 1")  # fmt: skip
_add("csrr", 8,
     fields=(_SD,
             Field(name="id", lsb=46, bits=CSR_BITS, kind=Kind.CSR, meaning="control register")),
     unit=Unit.CONTROL, meaning="sd = csr[id]",
     note="A counter of a matrix unit is read once that unit is idle.",
     reads="a control register", writes="sd",
     cycles=Cycles(fixed=2, waits="the matrix unit whose counter it is"),
     example="csrr s1, cycle")  # fmt: skip

_add("sset", 9, fields=(_SD, _IMM32), unit=Unit.SCALAR, meaning="sd = imm", writes="sd",
     cycles=_SIMPLE, example="sset s1, 500")  # fmt: skip
_add("sadd", 10, fields=(_SD, _SA, _IMM27), unit=Unit.SCALAR, meaning="sd = sa + imm",
     reads="sa", writes="sd", cycles=_SIMPLE, example="sadd s1, s1, 65")  # fmt: skip
for _scalar, _formula in zip(
    ScalarFunction,
    ("sa + sb", "sa - sb", "sa * sb", "sa & sb", "sa | sb", "sa ^ sb", "sa << (sb mod 32)",
     "sa >> (sb mod 32), zeros come in", "sa >> (sb mod 32), the sign comes in",
     "1 if sa < sb else 0"),
    strict=True,
):  # fmt: skip
    _add(f"salu.{_scalar.name.lower()}", 11, int(_scalar), fields=(_SD, _SA, _SB),
         unit=Unit.SCALAR, meaning=f"sd = {_formula}", note="32 bits, wrapping; slt is signed.",
         reads="sa, sb", writes="sd", cycles=_SIMPLE,
         example=f"salu.{_scalar.name.lower()} s3, s1, s2")  # fmt: skip

# what a lane does, for words a and b; the same function may take b from a vector, a scalar
# register or the instruction
_LANE: dict[Function, str] = {
    Function.ADD: "sat(a + {b})",
    Function.SUB: "sat(a - {b})",
    Function.RSUB: "sat({b} - a)",
    Function.MUL: "sat(round(a * {b} >> shift))",
    Function.AND: "a & {b}",
    Function.OR: "a | {b}",
    Function.ANDN: "a & ~{b}",
    Function.CGT: "-1 if a > {b} else 0",
    Function.CEQ: "-1 if a == {b} else 0",
    Function.MAX: "max(a, {b})",
    Function.MIN: "min(a, {b})",
    Function.MOV: "a",
    Function.SATG: "0 if {b} == 32767 and a < 0 or {b} == -32768 and a > 0 else a",
    Function.DIV: "sat(round((a << shift) / {b}))",
    Function.SHL: "sat(a << shift)",
    Function.SHR: "round(a >> shift)",
    Function.EXP: "exp(-max(a, 0) * 2**-fraction), 14 fraction bits",
    Function.SIGMOID: "1 / (1 + exp(-a * 2**-fraction)), 14 fraction bits",
    Function.TANH: "tanh(a * 2**-fraction), 14 fraction bits",
    Function.LOG: "ln(a * 2**-fraction), 10 fraction bits",
    Function.RECIP: "1 / (a * 2**-fraction), 10 fraction bits",
}
_NOTE: dict[Function, str] = {
    Function.MUL: "Rounds to nearest, ties up, or stochastically (csr rounding).",
    Function.SHR: "Rounds to nearest, ties up, or stochastically (csr rounding).",
    Function.DIV: "Rounds to nearest, ties away from zero.",
    Function.MAX: "The ReLU is vi.max with 0.",
    Function.CGT: "All ones are a mask: v.and with it keeps a word or clears it.",
    Function.CEQ: "All ones are a mask: v.and with it keeps a word or clears it.",
    Function.SATG: "The gradient a of a logit that is saturated outward is dropped.",
    Function.EXP: "At most 23 units of the last place off: 256 points for every factor of two.",
    Function.SIGMOID: "At most 1.3 units of the last place off; at its limit from |argument| = 16.",
    Function.TANH: "At most 2.1 units of the last place off; at its limit from |argument| = 8.",
    Function.LOG: "At most 0.6 units of the last place off. An argument that is not positive gives "
    "-32768, counted as saturated.",
    Function.RECIP: "At most 0.8 units of the last place off; saturates where it does not fit. "
    "An argument of 0 gives 32767, counted as saturated.",
}


def _vector(
    prefix: str,
    opcode: int,
    source: Field | None,
    functions: tuple[Function, ...],
    b: str = "",
    note: str = "",
) -> None:
    for code, function in enumerate(functions):
        name = function.name.lower()
        operands: tuple[Field, ...] = (_D, _A)
        if source is not None and function is not Function.MOV:
            operands += (source,)
        operands += (_LEN,)
        shift = {
            Function.MUL: _SHIFT, Function.DIV: _UP, Function.SHL: _RIGHT, Function.SHR: _RIGHT,
            Function.EXP: _FRACTION, Function.SIGMOID: _FRACTION, Function.TANH: _FRACTION,
            Function.LOG: _FRACTION, Function.RECIP: _FRACTION,
        }.get(function)  # fmt: skip
        if shift is not None:
            operands += (shift,)
        written = {
            "d": "r0", "a": "m0.mvm_out", "b": "r128", "imm": "7", "sb": "s2", "len": "32",
            "shift": "10", "fraction": "10",
        }  # fmt: skip
        _add(f"{prefix}.{name}", opcode, code, fields=operands, unit=Unit.VECTOR, lane=function,
             meaning=f"d[i] = {_LANE[function].format(b=b)}",
             note=" ".join(filter(None, (_NOTE.get(function, ""), note))),
             reads=", ".join(item.name for item in operands[1:] if item.kind is not Kind.NUMBER),
             writes="d",
             cycles=_DIVIDE if function is Function.DIV else _VECTOR,
             example=f"{prefix}.{name} "
             + ", ".join(written[item.name] for item in operands))  # fmt: skip


_BINARY = (
    Function.ADD, Function.SUB, Function.MUL, Function.AND, Function.OR, Function.ANDN,
    Function.CGT, Function.CEQ, Function.MAX, Function.MIN,
)  # fmt: skip
_vector("v", 16, _B, (*_BINARY, Function.MOV, Function.SATG), "b")
_vector("vs", 17, _SB, (*_BINARY, Function.RSUB, Function.DIV), "sb",
        note="Of sb the low 16 bits count, signed; in vs.div all 32.")  # fmt: skip
_vector("vi", 18, _IMM, (*_BINARY, Function.RSUB, Function.DIV), "imm")
_vector(
    "vi", 19, None,
    (Function.SHL, Function.SHR, Function.EXP, Function.SIGMOID, Function.TANH, Function.LOG,
     Function.RECIP),
)  # fmt: skip
_add("vset", 20, fields=(_D, _IMM16, _LEN), unit=Unit.VECTOR, lane=Function.MOV,
     meaning="d[i] = imm", writes="d", cycles=_VECTOR, example="vset r0, 1024, 16")  # fmt: skip
_add("vr.max", 21, 0, fields=(_SD, _A, _LEN), unit=Unit.VECTOR, lane=Function.MAX,
     meaning="sd = max(a[i])", reads="a", writes="sd", cycles=_VECTOR,
     example="vr.max s1, m1.mvm_out, 10")  # fmt: skip
_add("vr.sum", 21, 1, fields=(_SD, _A, _LEN), unit=Unit.VECTOR, lane=Function.SUM,
     meaning="sd = sum(a[i])", note="32 bits: it cannot overflow.", reads="a", writes="sd",
     cycles=_VECTOR, example="vr.sum s2, r16, 10")  # fmt: skip

_add("ld", 24, fields=(_INTO, _BASE, _OFFSET, _LEN, _TAKE), unit=Unit.MEMORY,
     meaning="d[i] = memory[base + offset + i]",
     note="Waits until the words are valid; with take until they are meant for this reader.",
     reads="base, memory", writes="d",
     cycles=Cycles(fixed=2, per_group=1, latency=True,
                   waits="banks of XbarIn in use; words not yet stored"),
     example="ld m0.mvm_in, s1, 0, 64")  # fmt: skip
_add("ld2", 25,
     fields=(_INTO, _BASE, _OFFSET,
             Field(name="len", lsb=7, bits=8, low=1, meaning="words of a row"),
             Field(name="rows", lsb=1, bits=6, low=1, meaning="rows of the window"),
             Field(name="stride", lsb=32, bits=13, meaning="words from one row to the next"),
             _TAKE),
     unit=Unit.MEMORY, meaning="d[row * len + i] = memory[base + offset + row * stride + i]",
     note="Gathers a window (im2col). Each row counts its own groups.",
     reads="base, memory", writes="d",
     cycles=Cycles(fixed=2, per_group=1, latency=True,
                   waits="banks of XbarIn in use; words not yet stored"),
     example="ld2 m0.mvm_in, s1, 0, 9, 3, 28")  # fmt: skip
_add("st", 26, fields=(_FROM, _BASE, _OFFSET, _LEN, _READERS, _PLAIN), unit=Unit.MEMORY,
     meaning="memory[base + offset + i] = a[i]",
     note="Waits until the words are free, unless plain.", reads="a, base", writes="memory",
     cycles=Cycles(fixed=3, per_group=1, waits="banks of XbarOut in use; words not yet taken"),
     example="st m1.mvm_out, s1, 0, 10, plain")  # fmt: skip
_add("inv", 27, fields=(_BASE, _OFFSET, _LEN), unit=Unit.MEMORY,
     meaning="the words become free: nobody has to take them, and a load waits",
     reads="base", writes="memory",
     cycles=Cycles(fixed=2, per_group=1, waits="the memory's port"),
     example="inv s1, 0, 64")  # fmt: skip

_add("mcu", 32,
     fields=(Field(name="operations", lsb=0, bits=3 * MAX_MCUS, low=1, kind=Kind.OPERATIONS,
                   meaning="bit 3 m MVM, 3 m + 1 MTVM, 3 m + 2 OPA of matrix unit m"),),
     unit=Unit.MATRIX,
     meaning="starts the operations of every named unit at once; a unit does MVM, MTVM, OPA in "
     "this order",
     note="Goes on at once; whoever touches a bank in use waits. XbarIn is preserved. What the "
     "operations compute stands above.",
     reads="XbarIn, cells", writes="XbarOut, cells",
     cycles=Cycles(fixed=2, waits="the named units"),
     example="mcu m0:mvm, m1:mtvm+opa")  # fmt: skip
_add("crs", 33,
     fields=(Field(name="mcus", lsb=0, bits=MAX_MCUS, low=1, kind=Kind.MCUS,
                   meaning="bit m names matrix unit m"),),
     unit=Unit.MATRIX, meaning="starts carry resolution in the named units",
     note="Goes on at once.", reads="cells", writes="cells",
     cycles=Cycles(fixed=2, waits="the named units"), example="crs m0, m1")  # fmt: skip
_add("mcfg", 34,
     fields=(Field(name="mcu", lsb=36, bits=3, kind=Kind.MCU, meaning="matrix unit"),
             Field(name="key", lsb=32, bits=CONFIG_KEY_BITS, kind=Kind.KEY,
                   meaning="configuration register"),
             Field(name="value", lsb=0, bits=CONFIG_VALUE_BITS, meaning="its new value")),
     unit=Unit.MATRIX, meaning="configuration register key of the unit = value",
     writes="a configuration register", cycles=Cycles(fixed=2, waits="the named unit"),
     example="mcfg m0, mvm_shift, 28")  # fmt: skip

_add("send", 40,
     fields=(_BASE, _OFFSET, _LEN,
             Field(name="tile", lsb=49, bits=8, meaning="receiving tile"), _FIFO),
     unit=Unit.TILE, meaning="memory[base + offset + i] goes to a receive queue of a tile",
     note="Of tile programs; a core takes it for illegal.", reads="base, memory",
     cycles=Cycles(fixed=2, per_group=1), example="send s1, 0, 64, 3, 0")  # fmt: skip
_add("recv", 41, fields=(_BASE, _OFFSET, _LEN, _FIFO, _READERS), unit=Unit.TILE,
     meaning="memory[base + offset + i] = the next words of a receive queue",
     note="Of tile programs; a core takes it for illegal.", reads="base", writes="memory",
     cycles=Cycles(fixed=2, per_group=1), example="recv s1, 0, 64, 0, core0")  # fmt: skip

INSTRUCTIONS: dict[str, Instruction] = {item.mnemonic: item for item in _TABLE}
"""Every instruction by mnemonic."""

CORE_INSTRUCTIONS = {
    name: item for name, item in INSTRUCTIONS.items() if item.unit is not Unit.TILE
}
"""Those a core carries out."""
TILE_PROGRAM_INSTRUCTIONS = {
    name: item
    for name, item in INSTRUCTIONS.items()
    if item.unit in (Unit.CONTROL, Unit.SCALAR, Unit.TILE)
}
"""Those a tile's sequencer carries out."""


def _by_code() -> dict[tuple[int, int | None], Instruction]:
    found: dict[tuple[int, int | None], Instruction] = {}
    for item in _TABLE:
        code = (item.opcode, item.function)
        if code in found or (item.function is None) != all(
            other.function is None for other in _TABLE if other.opcode == item.opcode
        ):
            raise ValueError(f"{item.mnemonic} must have a code of its own")
        free = (1 << (OPCODE_LSB if item.function is None else FUNCTION_LSB)) - 1
        for part in item.fields:
            mask = ((1 << part.bits) - 1) << part.lsb
            if mask & ~free:
                raise ValueError(f"{part.name} of {item.mnemonic} must not overlap another field")
            free &= ~mask
        found[code] = item
    return found


_CODES = _by_code()
SHARED_OPCODES = frozenset(opcode for opcode, function in _CODES if function is not None)
"""Opcodes that several instructions share."""


def decode(word: int) -> tuple[Instruction, dict[str, int]] | None:
    """The instruction a word is, with its field values; None if it is none.

    Raises
    ------
    ValueError
        If it is no word of 64 bits.
    """
    if not 0 <= word < 1 << INSTRUCTION_BITS:
        raise ValueError(f"Instruction must be a word of {INSTRUCTION_BITS} bits, not {word}")
    opcode = word >> OPCODE_LSB
    function = None
    if opcode in SHARED_OPCODES:
        function = word >> FUNCTION_LSB & ((1 << FUNCTION_BITS) - 1)
    found = _CODES.get((opcode, function))
    if found is None or not found.matches(word):
        return None
    return found, {item.name: item.take(word) for item in found.fields}


def groups(words: int, first: int = 0) -> int:
    """Groups of four that ``words`` words from address ``first`` on lie in."""
    return (first % LANES + words + LANES - 1) // LANES


__all__ = [
    "CORE_INSTRUCTIONS", "INSTRUCTIONS", "INSTRUCTION_BITS", "SCALARS", "SHARED_OPCODES",
    "TILE_PROGRAM_INSTRUCTIONS", "Condition", "Cycles", "Field", "Function", "Instruction",
    "Kind", "ScalarFunction", "Unit", "decode", "groups",
]  # fmt: skip
