"""What programs call the things of a core, and what those names stand for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import MappingProxyType

from panther.arch.core import (
    GENERAL_BASE,
    READERS,
    SCALARS,
    CoreParams,
    csr_names,
)
from panther.arch.isa import INSTRUCTIONS, Field, Instruction, Kind
from panther.arch.mcu import ConfigKey, InBank, Operation, OutBank

OPERATIONS = tuple(item.name.lower() for item in (Operation.MVM, Operation.MTVM, Operation.OPA))
"""Operations an instruction starts, in the order of their bits."""
READER_NAMES = (*(f"core{n}" for n in range(READERS - 1)), "send_unit")
FLAGS = frozenset(
    part.name for item in INSTRUCTIONS.values() for part in item.fields if part.kind is Kind.FLAG
)
LISTS = (Kind.MCUS, Kind.OPERATIONS)
"""Kinds that take all the operands that are left."""

NAMED = (Kind.CSR, Kind.KEY)
"""Kinds whose operands are names first and expressions after."""

# names of one core's machine that another's may have: kept from being a program's own
_KEPT = re.compile(r"(?:r|s|core)[0-9]+|m[0-9]+(?:\..*)?")


def bank_name(bank: InBank | OutBank) -> str:
    """How a program calls a bank, behind ``m0.``."""
    name = bank.name.lower()
    if isinstance(bank, OutBank):
        return f"{name}_out"
    return f"{name}_in" if bank.name in OutBank.__members__ else name


def operand_fields(item: Instruction) -> tuple[Field, ...]:
    """The fields that are written as operands; the others are flags."""
    return tuple(part for part in item.fields if part.kind is not Kind.FLAG)


def form(item: Instruction) -> str:
    """How the instruction is written: ``st a, base, offset, len [, readers] [, plain]``."""
    text = ""
    for part in operand_fields(item):
        name = part.name
        if part.kind is Kind.MCUS:
            name = "m0, m1, ..."
        elif part.kind is Kind.OPERATIONS:
            name = f"m0:{'+'.join(OPERATIONS)}, m1:..."
        comma = ", " if text else ""
        text += f"{comma}{name}" if part.default is None else f" [, {name}]"
    text += "".join(f" [, {part.name}]" for part in item.fields if part.kind is Kind.FLAG)
    return f"{item.mnemonic} {text}".rstrip()


def _listed(prefix: str, count: int) -> str:
    return f"{prefix}0" if count == 1 else f"{prefix}0 to {prefix}{count - 1}"


@dataclass(frozen=True)
class Names:
    """The names of one core."""

    params: CoreParams

    @cached_property
    def banks(self) -> Mapping[str, int]:
        """Address of every bank of XbarIn and XbarOut."""
        found = {}
        for mcu in range(self.params.mcus):
            for bank in InBank:
                found[f"m{mcu}.{bank_name(bank)}"] = self.params.xbar_in(mcu, bank)
            for out in OutBank:
                found[f"m{mcu}.{bank_name(out)}"] = self.params.xbar_out(mcu, out)
        return MappingProxyType(found)

    @cached_property
    def only_in(self) -> Mapping[Kind, Mapping[str, int]]:
        """What operands of each kind may name, in preference to a program's own names."""
        registers = {f"r{n}": GENERAL_BASE + n for n in range(self.params.registers)}
        return MappingProxyType({
            Kind.VECTOR: {**self.banks, **registers},
            Kind.READERS: {name: 1 << bit for bit, name in enumerate(READER_NAMES)},
            Kind.CSR: csr_names(self.params),
            Kind.KEY: {key.name.lower(): int(key) for key in ConfigKey},
        })  # fmt: skip

    @cached_property
    def symbols(self) -> Mapping[str, int]:
        """What directives may name: registers, banks, readers."""
        return MappingProxyType({**self.only_in[Kind.VECTOR], **self.only_in[Kind.READERS]})

    @cached_property
    def _names_in(self) -> Mapping[Kind, Mapping[int, str]]:
        return {kind: {n: name for name, n in self.only_in[kind].items()} for kind in NAMED}

    @cached_property
    def _addresses(self) -> Mapping[int, str]:
        """Every address that exists, as a program writes it."""
        found = {}
        for mcu in range(self.params.mcus):
            for bank in InBank:
                name, first = f"m{mcu}.{bank_name(bank)}", self.params.xbar_in(mcu, bank)
                for n in range(self.params.in_lines(bank)):
                    found[first + n] = f"{name}+{n}" if n else name
            for out in OutBank:
                name, first = f"m{mcu}.{bank_name(out)}", self.params.xbar_out(mcu, out)
                for n in range(self.params.out_lines(out)):
                    found[first + n] = f"{name}+{n}" if n else name
        for n in range(self.params.registers):
            found[GENERAL_BASE + n] = f"r{n}"
        return found

    def kept(self, name: str) -> bool:
        """Whether a program may not use the name for something of its own."""
        return bool(_KEPT.fullmatch(name)) or name in FLAGS or name in READER_NAMES

    def why_not(self, name: str, kind: Kind | None = None) -> str:
        """Why a name of the machine cannot stand in an operand; empty if it is none."""
        if name in FLAGS:
            return f"{name} is a flag: it stands behind the other operands of its instructions"
        if name in self.only_in[Kind.VECTOR]:
            return f"{name} is a {Kind.VECTOR.value} and cannot stand here"
        if name in READER_NAMES:
            return f"{name} is a reader and cannot stand here"
        match = re.fullmatch(r"(r|s|core|m)([0-9]+)(?:\.(.*))?", name)
        if match is None:
            return ""
        if match[1] == "s":
            return f"{name} is a scalar register and cannot stand here"
        if match[1] == "r":
            return f"General register must be {_listed('r', self.params.registers)}, not {name}"
        if match[1] == "core":
            return f"Reader must be one of {', '.join(READER_NAMES)}, not {name}"
        if match[3] is None:
            return f"{name} is a matrix unit and cannot stand here"
        try:
            unit = self.mcu(f"m{match[2]}")
        except ValueError as error:
            return str(error)
        if kind in NAMED:
            return ""
        banks = [bank.partition(".")[2] for bank in self.banks if bank.startswith(f"m{unit}.")]
        return f"Bank of m{unit} must be one of {', '.join(banks)}, not {match[3]}"

    def mcu(self, name: str) -> int:
        """Number of a matrix unit.

        Raises
        ------
        ValueError
            If the core has no such unit.
        """
        match = re.fullmatch(r"m([0-9]{1,3})", name)
        if match is None or int(match[1]) >= self.params.mcus or name != f"m{int(match[1])}":
            raise ValueError(f"Matrix unit must be {_listed('m', self.params.mcus)}, not {name}")
        return int(match[1])

    def scalar(self, name: str) -> int | None:
        """Number of a scalar register; None if it is none."""
        match = re.fullmatch(r"s(0|[1-9][0-9]?)", name)
        return int(match[1]) if match and int(match[1]) < SCALARS else None

    def text(self, part: Field, value: int, labels: Mapping[int, str] | None = None) -> str:
        """A field's value as a program writes it: by name where it has one, else the number."""
        mcus = self.params.mcus
        match part.kind:
            case Kind.SCALAR:
                return f"s{value}"
            case Kind.VECTOR:
                return self._addresses.get(value, str(value))
            case Kind.TARGET:
                return (labels or {}).get(value, str(value))
            case Kind.CSR | Kind.KEY:
                return self._names_in[part.kind].get(value, str(value))
            case Kind.MCU if value < mcus:
                return f"m{value}"
            case Kind.READERS if value and not value >> len(READER_NAMES):
                return "|".join(name for n, name in enumerate(READER_NAMES) if value >> n & 1)
            case Kind.MCUS if value and not value >> mcus:
                return ", ".join(f"m{n}" for n in range(mcus) if value >> n & 1)
            case Kind.OPERATIONS if value and not value >> len(OPERATIONS) * mcus:
                units = []
                for mcu in range(mcus):
                    bits = value >> len(OPERATIONS) * mcu
                    named = [name for n, name in enumerate(OPERATIONS) if bits >> n & 1]
                    if named:
                        units.append(f"m{mcu}:{'+'.join(named)}")
                return ", ".join(units)
            case Kind.MCUS | Kind.OPERATIONS:
                return f"0x{value:x}"
        return str(value)


@lru_cache(maxsize=32)
def names_of(params: CoreParams) -> Names:
    """The names of a core with these parameters."""
    return Names(params)


__all__ = [
    "FLAGS", "LISTS", "NAMED", "OPERATIONS", "READER_NAMES", "Names", "bank_name", "form",
    "names_of", "operand_fields",
]  # fmt: skip
