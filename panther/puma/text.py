"""The text: files of a folder, lines of a file, operands of a line.

Every line is checked by itself here: a known instruction, with the operands it has to have and no
others, each a number in its range. What lines mean together is for others.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

SEQUENCER = 8
"""Number of a tile's own program where cores are numbered 0 to 7; as in ``panther.arch.tile``."""
MATRIX_OPERATIONS = ("mvm", "mtvm", "opa")
"""What the three bits of ``train`` stand for, in this order."""
MCUS = 2
"""Matrix units of a core; the register numbers leave room for no more."""
INPUTS = 384
"""Registers of a matrix unit's inputs, and as many of its outputs."""
GENERAL = 2 * MCUS * INPUTS
"""The first general register."""
REGISTERS = 4096
"""Registers a program may name."""
MEMORY_WORDS = 1 << 15
MAX_TILES = 16
"""Senders are numbered in four bits."""
MAX_CORES = 8
MAX_BYTES = 1 << 22
"""Of a file: far more than any program needs."""
_NAME = re.compile(r"(?P<name>.+)-tile(?P<tile>\d{1,3})(?:-core(?P<core>\d{1,3}))?\.puma")
_LONGEST_LINE = 400

_ADDRESS = range(MEMORY_WORDS)
_REGISTER = range(REGISTERS)
_LENGTH = range(1, 1024)
_WIDTH = range(1, 17)
_COUNT = range(1, 256)
_SENDER = range(MAX_TILES)
_WORD = range(-(1 << 15), 1 << 15)
_TRANSFER = {"mem_addr": _ADDRESS, "vtile_id": _SENDER, "vec": _LENGTH}

# instruction -> operands with their ranges
_OPERANDS: dict[str, dict[str, range]] = {
    "set": {"d1": _REGISTER, "imm": _WORD, "vec": _LENGTH},
    "load": {"d1": _REGISTER, "r1": _REGISTER, "load_width": _WIDTH, "vec": _LENGTH},
    "store": {
        "d1": _REGISTER, "r1": _REGISTER, "counter": _COUNT, "store_width": _WIDTH, "vec": _LENGTH,
    },
    "copy": {"d1": _REGISTER, "r1": _REGISTER, "vec": _LENGTH, "src_type": range(1, 2)},
    "alu add": {"d1": _REGISTER, "r1": _REGISTER, "r2": _REGISTER, "vec": _LENGTH},
    "alu sub": {"d1": _REGISTER, "r1": _REGISTER, "r2": _REGISTER, "vec": _LENGTH},
    "alu relu": {"d1": _REGISTER, "r1": _REGISTER, "vec": _LENGTH},
    "alui mul": {"d1": _REGISTER, "r1": _REGISTER, "vec": _LENGTH},
    "train": {},
    "mvm": {},
    "hlt": {},
    "send": {**_TRANSFER, "send_width": _WIDTH, "target_addr": _SENDER},
    "receive": {**_TRANSFER, "receive_width": _WIDTH, "counter": _COUNT},
    "halt": {},
}  # fmt: skip
_OF_SEQUENCERS = ("send", "receive", "halt")
_CONSTANT = 1 << 12
"""1.0 as the constant of an ``alui``."""


class PumaError(ValueError):
    """A mistake in the text; the message begins with its file and line."""


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """One line."""

    name: str
    """``alu add`` for ``alu('add', ...)``."""
    operands: Mapping[str, int]
    """Numbers by name; ``imm`` of ``alui mul`` as Q4.12."""
    operations: tuple[frozenset[str], ...]
    """Of ``train`` and ``mvm`` what each matrix unit does; otherwise empty."""
    where: str
    """``file:line``."""
    text: str

    @property
    def length(self) -> int:
        """Words of the vector: rows times their width where there are rows."""
        widths = [value for name, value in self.operands.items() if name.endswith("_width")]
        return self.operands.get("vec", 0) * (widths[0] if widths else 1)


Unit = tuple[int, int]
"""Tile, and core or ``SEQUENCER``."""


@dataclass(frozen=True, kw_only=True)
class PumaProgram:
    """A program: a list of instructions for every core and every tile."""

    name: str
    units: Mapping[Unit, tuple[Instruction, ...]]
    """By tile and unit, in this order."""
    tiles: int
    cores: int
    """Of every tile."""

    def opcodes(self) -> dict[str, int]:
        """How often every instruction stands in the text, all files together."""
        counts = Counter(line.name for lines in self.units.values() for line in lines)
        return {name: counts[name] for name in _OPERANDS if counts[name]}

    def operations(self) -> dict[str, int]:
        """How often every operation of a matrix unit is started."""
        counts = Counter(
            operation
            for lines in self.units.values()
            for line in lines
            for unit in line.operations
            for operation in unit
        )
        return {name: counts[name] for name in MATRIX_OPERATIONS}


def read_program(folder: str | Path) -> PumaProgram:
    """Read all files of a folder.

    Raises
    ------
    PumaError
        If there is no program, a file of it is missing or cut, or a line is wrong.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise PumaError(f"{folder} must be a folder with files like NAME-tile0-core0.puma")
    files = dict(_files(folder))
    if not files:
        raise PumaError(f"{folder} must hold files like NAME-tile0-core0.puma")
    names = sorted({name for name, _ in files.values()})
    if len(names) > 1:
        raise PumaError(f"{folder} must hold one program, not {', '.join(names)}")
    found = {unit: file for file, (_, unit) in files.items()}
    tiles = 1 + max(tile for tile, _ in found)
    cores = 1 + max((unit for _, unit in found if unit != SEQUENCER), default=-1)
    if not cores:
        raise PumaError(f"{folder} must hold programs of cores, {names[0]}-tile0-core0.puma")
    units = [(tile, unit) for tile in range(tiles) for unit in (*range(cores), SEQUENCER)]
    for tile, unit in units:
        if (tile, unit) not in found:
            core = "" if unit == SEQUENCER else f"-core{unit}"
            raise PumaError(f"{folder / f'{names[0]}-tile{tile}{core}.puma'} is missing")
    return PumaProgram(
        name=names[0], tiles=tiles, cores=cores,
        units={unit: _read_file(found[unit], unit[1] == SEQUENCER) for unit in units},
    )  # fmt: skip


def _files(folder: Path) -> Iterator[tuple[Path, tuple[str, Unit]]]:
    """Files with the program's name and their unit."""
    seen: dict[tuple[str, Unit], Path] = {}
    for file in sorted(folder.glob("*.puma")):
        match = _NAME.fullmatch(file.name)
        if match is None:
            raise PumaError(f"{file} must be named like NAME-tile0.puma or NAME-tile0-core0.puma")
        tile, core = int(match["tile"]), match["core"]
        if tile >= MAX_TILES or (core is not None and int(core) >= MAX_CORES):
            raise PumaError(f"{file} must be for one of {MAX_TILES} tiles and of {MAX_CORES} cores")
        owner = match["name"], (tile, SEQUENCER if core is None else int(core))
        if owner in seen:
            raise PumaError(f"{file} must not be for the same unit as {seen[owner].name}")
        seen[owner] = file
        yield file, owner


def _read_file(file: Path, sequencer: bool) -> tuple[Instruction, ...]:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise PumaError(f"{file} cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise PumaError(f"{file} must have at most {MAX_BYTES} bytes")
    if not data.isascii():
        raise PumaError(f"{file} must be ASCII text")
    found: list[Instruction] = []
    last = "halt" if sequencer else "hlt"
    for number, text in enumerate(data.decode().splitlines(), 1):
        if not text.strip():
            continue
        where = f"{file}:{number}"
        if found and found[-1].name == last:
            raise PumaError(f"{where}: nothing must follow {last}()")
        found.append(_read_line(text.strip(), where, sequencer))
    if not found or found[-1].name != last:
        line = found[-1].where if found else f"{file}:1"
        raise PumaError(f"{line}: program must end with {last}(): the file has been cut")
    return tuple(found)


def _read_line(text: str, where: str, sequencer: bool) -> Instruction:
    """One instruction in Python's call syntax."""
    if len(text) > _LONGEST_LINE:
        raise PumaError(f"{where}: a line must have at most {_LONGEST_LINE} characters")
    try:
        call = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        call = None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise PumaError(f"{where}: {text!r} must be an instruction: NAME(OPERAND=NUMBER, ...)")
    name, arguments = call.func.id, call.args
    if name in ("alu", "alui") and arguments:
        function = arguments[0]
        if isinstance(function, ast.Constant) and isinstance(function.value, str):
            name, arguments = f"{name} {function.value}", arguments[1:]
    if name not in _OPERANDS:
        raise PumaError(f"{where}: instruction must be one of {', '.join(_OPERANDS)}, not {name}")
    if (name in _OF_SEQUENCERS) is not sequencer:
        owner = "tiles" if name in _OF_SEQUENCERS else "cores"
        raise PumaError(f"{where}: {name} must stand in programs of {owner} only")
    operations: tuple[frozenset[str], ...] = ()
    if name in ("train", "mvm"):
        operations = _operations(name, arguments, where)
    elif arguments:
        raise PumaError(f"{where}: operands of {name} must be given by name")
    operands = _operands(name, call.keywords, where)
    line = Instruction(
        name=name, operands=operands, operations=operations, where=where, text=text
    )  # fmt: skip
    if line.length > _LENGTH[-1]:
        raise PumaError(f"{where}: a vector must have at most {_LENGTH[-1]} words")
    return line


def _operations(name: str, arguments: list[ast.expr], where: str) -> tuple[frozenset[str], ...]:
    kinds = MATRIX_OPERATIONS if name == "train" else MATRIX_OPERATIONS[:1]
    if len(arguments) == 1 and isinstance(arguments[0], ast.List):
        # strings that follow each other are one in Python
        items = arguments[0].elts
        if len(items) == 1 and isinstance(items[0], ast.Constant):
            bits = items[0].value
            if isinstance(bits, str) and re.fullmatch(f"[01]{{{MCUS * len(kinds)}}}", bits):
                return tuple(
                    frozenset(
                        kind
                        for kind, bit in zip(kinds, bits[m * len(kinds) :], strict=False)
                        if bit == "1"
                    )
                    for m in range(MCUS)
                )
    example = "train(['100''011'])" if name == "train" else "mvm(['10'])"
    raise PumaError(f"{where}: {name} must name {MCUS} matrix units, as {example} does")


def _operands(name: str, keywords: list[ast.keyword], where: str) -> dict[str, int]:
    ranges = dict(_OPERANDS[name])
    expected = [*ranges, "imm"] if name == "alui mul" else list(ranges)
    given: dict[str, int | float] = {}
    for keyword in keywords:
        key = keyword.arg
        if key not in expected:
            raise PumaError(f"{where}: operands of {name} must be {', '.join(expected)}, not {key}")
        if key in given:
            raise PumaError(f"{where}: {key} must be given once")
        given[key] = _number(keyword.value, key, where)
    if missing := [key for key in expected if key not in given]:
        raise PumaError(f"{where}: {name} must have operand {', '.join(missing)}")
    found: dict[str, int] = {}
    for key, value in given.items():
        if name == "alui mul" and key == "imm":
            # to nearest, ties up, as everything is rounded
            scaled = value * _CONSTANT + 0.5
            if not _WORD[0] <= scaled < _WORD[-1] + 1:
                raise PumaError(f"{where}: imm must be a number of Q4.12, -8 to 8, not {value}")
            found[key] = int(scaled // 1)
        elif not isinstance(value, int) or value not in ranges[key]:
            first, last = ranges[key][0], ranges[key][-1]
            raise PumaError(
                f"{where}: {key} must be an integer from {first} to {last}, not {value}"
            )
        else:
            found[key] = value
    return found


def _number(node: ast.expr, key: str, where: str) -> int | float:
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node, sign = node.operand, -1
    value = node.value if isinstance(node, ast.Constant) else None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return sign * value
    raise PumaError(f"{where}: {key} must be a number")
