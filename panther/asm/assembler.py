"""Program text to instruction words.

The first pass reads lines, gives every word its address and defines the names; the second encodes.
A mistake costs its line or operand only, so that one run reports all of them.
"""

import difflib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from panther.arch.core import SCALARS, CoreParams
from panther.arch.isa import INSTRUCTION_BITS, INSTRUCTIONS, Field, Instruction, Kind
from panther.asm.expressions import Mistake, Token, evaluate, tokens
from panther.asm.names import (
    LISTS,
    NAMED,
    OPERATIONS,
    READER_NAMES,
    Names,
    form,
    names_of,
    operand_fields,
)
from panther.asm.program import AssemblyError, Diagnostic, Line, Program, read_regular

MAX_BYTES = 1 << 20
"""Bytes of a program's text, each file counted as often as it is included."""
MAX_DEPTH = 16
"""Files included by included files."""
MAX_ERRORS = 1000
"""Mistakes after which the rest of the text is not looked at."""
MAX_HINTS = 50
"""Mistakes for which a similar name is looked for: that is slow in large programs."""

DIRECTIVES = {
    ".equ": ".equ NAME, expression",
    ".org": ".org expression",
    ".word": ".word expression",
    ".include": '.include "file"',
}
"""Form of every directive."""

Operands = list[list[Token]]


class _Enough(Exception):
    """Too many mistakes to go on."""


@dataclass(frozen=True)
class _Symbol:
    value: int | None
    """None if its definition is wrong: who uses the name is not to blame."""
    line: Line
    label: bool


@dataclass(frozen=True)
class _Pending:
    """A word whose operands wait for labels further down."""

    line: Line
    head: Token
    operands: Operands
    address: int


def _split(found: Sequence[Token], expected: str) -> Operands:
    """Operands between commas."""
    parts: Operands = []
    missing = bool(found)
    for token in found:
        if token.text != ",":
            if missing:
                parts.append([])
            parts[-1].append(token)
        elif missing:
            break
        missing = token.text == ","
    if missing:
        raise Mistake(token.column, f"Operand must not be left out: {expected}")
    return parts


def _require(part: Field, value: int, column: int) -> int:
    try:
        part.place(value)
    except ValueError as error:
        raise Mistake(column, str(error)) from error
    return value


class _Assembler:
    def __init__(
        self, params: CoreParams, include: Iterable[str | Path], define: Mapping[str, int]
    ) -> None:
        self.params = params
        self.given = define
        self.names: Names = names_of(params)
        self.include = tuple(Path(folder) for folder in include)
        self.symbols: dict[str, _Symbol] = {}
        self.lines: list[Line] = []
        self.pending: list[_Pending] = []
        self.owner: dict[int, Line] = {}
        self.address = 0
        self.bytes = 0
        self.files: dict[str, int] = {}
        self.found: dict[tuple[int, int, int, str], Diagnostic] = {}
        self.hints = 0

    # ---- mistakes

    def report(self, line: Line, column: int, message: str) -> None:
        order = self.files.setdefault(line.file, len(self.files))
        self.found[order, line.number, column, message] = Diagnostic(
            file=line.file, line=line.number, column=column, message=message, source=line.text
        )
        if len(self.found) >= MAX_ERRORS:
            raise _Enough

    def mistake(self, line: Line, mistake: Mistake) -> None:
        if str(mistake):
            self.report(line, mistake.column, str(mistake))

    def similar(self, name: str, known: Iterable[str]) -> str:
        self.hints += 1
        if self.hints > MAX_HINTS:
            return ""
        candidates = [other for other in known if abs(len(other) - len(name)) <= 2][:1000]
        near = difflib.get_close_matches(name.lower(), candidates, n=1)
        return f"; did you mean {near[0]}?" if near else ""

    # ---- first pass

    def read(self, name: str, data: bytes, folder: Path, open_files: tuple[object, ...]) -> None:
        self.files.setdefault(name, len(self.files))
        for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
            bad = None
            try:
                text = raw.removesuffix(b"\r").decode()
            except UnicodeDecodeError as error:
                text = raw.decode(errors="replace")
                column = len(raw[: error.start].decode()) + 1
                bad = Mistake(column, f"Byte 0x{raw[error.start]:02x} must be part of UTF-8")
            line = Line(file=name, number=number, text=text)
            self.lines.append(line)
            if bad is not None:
                self.report(line, bad.column, str(bad))
                continue
            found, stopped = tokens(text)
            if stopped is not None:
                self.report(line, stopped.column, str(stopped))
            try:
                found = self.take_labels(line, found)
                if stopped is not None:
                    # whatever it was to be, the labels below should keep their addresses
                    self.address += bool(found)
                elif found:
                    self.statement(line, found, folder, open_files)
            except Mistake as mistake:
                self.mistake(line, mistake)
        # what stands behind the last line break is no line if it is empty
        if data.endswith(b"\n") or not data:
            self.lines.pop()

    def take_labels(self, line: Line, found: list[Token]) -> list[Token]:
        while len(found) >= 2 and found[0].kind == "name" and found[1].text == ":":
            self.define(line, found[0], self.address, label=True)
            found = found[2:]
        return found

    def define(self, line: Line, token: Token, value: int | None, *, label: bool) -> None:
        name = token.text
        if self.names.kept(name):
            problem = f"{name} is a name of the machine: choose another one"
        elif name.startswith("."):
            problem = f"Name must begin with a letter or an underscore, not {name!r}"
        elif name in self.symbols:
            problem = f"{name} must be defined once; it is already at {self.symbols[name].line}"
        else:
            self.symbols[name] = _Symbol(value, line, label)
            return
        self.report(line, token.column, problem)

    def statement(
        self, line: Line, found: list[Token], folder: Path, open_files: tuple[object, ...]
    ) -> None:
        head, rest = found[0], found[1:]
        if head.kind != "name":
            raise Mistake(
                head.column,
                f"Line must begin with a label, an instruction or a directive, not {head.text!r}",
            )
        if head.text in INSTRUCTIONS or head.text == ".word":
            self.word(line, head, rest)
        elif head.text in DIRECTIVES:
            operands = _split(rest, DIRECTIVES[head.text])
            if head.text == ".equ":
                self.equ(line, head, operands)
            elif head.text == ".org":
                self.org(head, operands)
            else:
                self.read_included(line, head, operands, folder, open_files)
        elif head.text.startswith("."):
            raise Mistake(
                head.column,
                f"Directive must be one of {', '.join(DIRECTIVES)}, not {head.text}"
                + self.similar(head.text, DIRECTIVES),
            )
        else:
            self.address += 1
            raise Mistake(
                head.column,
                f"Unknown instruction {head.text}" + self.similar(head.text, INSTRUCTIONS),
            )

    def word(self, line: Line, head: Token, rest: list[Token]) -> None:
        address = self.address
        self.address += 1
        if address in self.owner:
            raise Mistake(
                head.column, f"Address {address} must hold one word; {self.owner[address]} fills it"
            )
        self.owner[address] = line
        self.lines[-1] = replace(line, address=address)
        expected = (
            form(INSTRUCTIONS[head.text]) if head.text in INSTRUCTIONS else DIRECTIVES[".word"]
        )
        operands = _split(rest, expected)
        self.pending.append(_Pending(line, head, operands, address))

    def directive_operands(self, head: Token, operands: Operands, count: int) -> None:
        if len(operands) != count:
            raise Mistake(head.column, f"{head.text} must be written {DIRECTIVES[head.text]}")

    def equ(self, line: Line, head: Token, operands: Operands) -> None:
        self.directive_operands(head, operands, 2)
        name = operands[0][0]
        if name.kind != "name" or len(operands[0]) != 1:
            raise Mistake(name.column, f"{head.text} must be written {DIRECTIVES[head.text]}")
        # defined even if its value is wrong: one mistake, one diagnostic
        value = None
        try:
            value = evaluate(operands[1], self.value_above)
            value = self.given.get(name.text, value)
        finally:
            self.define(line, name, value, label=False)

    def org(self, head: Token, operands: Operands) -> None:
        self.directive_operands(head, operands, 1)
        value = evaluate(operands[0], self.value_above)
        if not 0 <= value <= self.params.instructions:
            raise Mistake(
                operands[0][0].column,
                f".org must be an integer in the range [0, {self.params.instructions}], "
                f"not {value}",
            )
        self.address = value

    def read_included(
        self,
        line: Line,
        head: Token,
        operands: Operands,
        folder: Path,
        open_files: tuple[object, ...],
    ) -> None:
        self.directive_operands(head, operands, 1)
        (token, *more) = operands[0]
        if token.kind != "text" or more:
            raise Mistake(token.column, f"{head.text} must be written {DIRECTIVES[head.text]}")
        name = token.text[1:-1]
        if len(open_files) > MAX_DEPTH:
            raise Mistake(token.column, f"Files must be included at most {MAX_DEPTH} deep")
        path = next(
            (where / name for where in (folder, *self.include) if _exists(where / name)),
            folder / name,
        )
        try:
            data, identity = self.load(path)
        except (OSError, ValueError) as error:
            raise Mistake(token.column, _reason(path, error)) from error
        if identity in open_files:
            raise Mistake(token.column, f"{path} must not include itself")
        self.read(str(path), data, path.parent, (*open_files, identity))

    def load(self, path: Path) -> tuple[bytes, object]:
        data, identity = read_regular(path, MAX_BYTES)
        self.bytes += len(data)
        if self.bytes > MAX_BYTES:
            raise ValueError(
                f"Program must have at most {MAX_BYTES} bytes of text, included files counted"
            )
        return data, identity

    # ---- names

    def value_above(self, token: Token) -> int:
        return self.value(token, None, " above this line: .equ and .org do not look ahead")

    def value(self, token: Token, kind: Kind | None = None, where: str = "") -> int:
        """What a name stands for in an operand of a kind, or in a directive."""
        own = self.names.symbols if kind is None else self.names.only_in.get(kind, {})
        if token.text in own:
            return own[token.text]
        if token.text in self.symbols:
            value = self.symbols[token.text].value
            if value is None:
                raise Mistake(token.column, "")
            return value
        reason = self.names.why_not(token.text, kind)
        if not reason:
            known = own if kind in NAMED else [*self.symbols, *self.names.banks, *READER_NAMES]
            reason = (
                f"{token.text} is no {kind.value}"
                if kind is not None and kind in NAMED
                else f"{token.text} must be defined{where}"
            ) + self.similar(token.text, known)
        raise Mistake(token.column, reason)

    # ---- second pass

    def encode(self, item: _Pending) -> int | None:
        """The word, or None if something is wrong with it, which is reported."""
        instruction = INSTRUCTIONS.get(item.head.text)
        if instruction is not None:
            return self.instruction(item, instruction)
        try:
            self.directive_operands(item.head, item.operands, 1)
            value = evaluate(item.operands[0], self.value)
            least, greatest = -(1 << INSTRUCTION_BITS - 1), (1 << INSTRUCTION_BITS) - 1
            if not least <= value <= greatest:
                raise Mistake(
                    item.operands[0][0].column,
                    f".word must be an integer in the range [{least}, {greatest}], not {value}",
                )
        except Mistake as mistake:
            self.mistake(item.line, mistake)
            return None
        return value & greatest

    def instruction(self, item: _Pending, instruction: Instruction) -> int | None:
        operands = list(item.operands)
        values: dict[str, int] = {}
        flags = {part.name for part in instruction.fields if part.kind is Kind.FLAG}
        while operands and len(operands[-1]) == 1 and operands[-1][0].text in flags:
            flag = operands.pop()[0]
            if flag.text in values:
                self.report(item.line, flag.column, f"{flag.text} must be written once")
                return None
            values[flag.text] = 1
        for operand in operands:
            if len(operand) == 1 and operand[0].text in flags:
                reason = self.names.why_not(operand[0].text)
                self.report(item.line, operand[0].column, reason)
                return None
        parts = operand_fields(instruction)
        wrong = None
        if len(operands) > len(parts) and not (parts and parts[-1].kind in LISTS):
            wrong = str(len(parts))
            if any(part.default is not None for part in parts):
                wrong = f"at most {wrong}"
        elif any(part.default is None for part in parts[len(operands) :]):
            wrong = str(len(parts))
            needed = sum(part.default is None for part in parts)
            if needed < len(parts) or parts[-1].kind in LISTS:
                wrong = f"at least {needed}"
        if wrong is not None:
            some = "operand" if wrong.endswith(" 1") or wrong == "1" else "operands"
            self.report(
                item.line,
                item.head.column,
                f"{instruction.mnemonic} takes {wrong if wrong != '0' else 'no'} {some}, "
                f"not {len(operands)}: {form(instruction)}",
            )
            return None
        good = True
        for n, part in enumerate(parts[: len(operands)]):
            own = operands[n:] if part.kind in LISTS else operands[n : n + 1]
            try:
                values[part.name] = self.operand(item, part, own)
            except Mistake as mistake:
                self.mistake(item.line, mistake)
                good = False
        return instruction.encode(**values) if good else None

    def operand(self, item: _Pending, part: Field, own: Operands) -> int:
        first = own[0][0]
        alone = len(own[0]) == 1 and first.kind == "name"
        match part.kind:
            case Kind.SCALAR:
                number = self.names.scalar(first.text) if alone else None
                if number is None:
                    raise Mistake(
                        first.column,
                        f"{part.name} must be a scalar register s0 to s{SCALARS - 1}, "
                        f"not {first.text}",
                    )
                return _require(part, number, first.column)
            case Kind.MCU if alone and _is_mcu(first):
                return _require(part, self.mcu(first), first.column)
            case Kind.MCUS if _is_mcu(first):
                return _require(part, self.mcus(own), first.column)
            case Kind.OPERATIONS if len(own[0]) > 1 and own[0][1].text == ":":
                return _require(part, self.operations(own), first.column)
        if len(own) > 1:
            raise Mistake(own[1][0].column, f"{part.name} must be names, or one number")
        value = evaluate(own[0], lambda token: self.value(token, part.kind))
        return _require(part, value, first.column)

    def mcu(self, token: Token) -> int:
        try:
            return self.names.mcu(token.text)
        except ValueError as error:
            raise Mistake(token.column, str(error)) from error

    def mcus(self, own: Operands) -> int:
        mask = 0
        for operand in own:
            bit = 1 << self.mcu(operand[0])
            if len(operand) > 1:
                raise Mistake(operand[1].column, "Matrix units must be separated by commas")
            if mask & bit:
                raise Mistake(operand[0].column, f"{operand[0].text} must be named once")
            mask |= bit
        return mask

    def operations(self, own: Operands) -> int:
        mask = 0
        for operand in own:
            unit = self.mcu(operand[0])
            whole = (1 << len(OPERATIONS)) - 1 << len(OPERATIONS) * unit
            if mask & whole:
                raise Mistake(operand[0].column, f"{operand[0].text} must be named once")
            shape = [":", *["+"] * (len(operand) // 2 - 1)]
            if [token.text for token in operand[1::2]] != shape or len(operand) % 2 == 0:
                raise Mistake(
                    operand[0].column,
                    f"Operations must be written like m0:{'+'.join(OPERATIONS[:2])}",
                )
            for token in operand[2::2]:
                if token.text not in OPERATIONS:
                    raise Mistake(
                        token.column,
                        f"Operation must be one of {', '.join(OPERATIONS)}, not {token.text}",
                    )
                bit = 1 << len(OPERATIONS) * unit + OPERATIONS.index(token.text)
                if mask & bit:
                    raise Mistake(token.column, f"{token.text} must be named once")
                mask |= bit
        return mask

    def defined(self, *, label: bool) -> dict[str, int]:
        return {
            name: item.value
            for name, item in self.symbols.items()
            if item.label == label and item.value is not None
        }

    def program(self, read: Callable[[], None]) -> Program:
        words: dict[int, int] = {}
        try:
            read()
            for name in self.given.keys() - self.defined(label=False).keys():
                self.found[0, 0, 0, name] = Diagnostic(
                    file=next(iter(self.files)),
                    message=f"What is defined must have an .equ in the program, not {name!r}",
                )
            for item in self.pending:
                word = self.encode(item)
                if word is not None:
                    words[item.address] = word
            size = max(self.owner, default=-1) + 1
            if size > self.params.instructions:
                room = self.params.instructions
                first = next(item for item in self.pending if item.address >= room)
                self.report(
                    first.line,
                    first.head.column,
                    f"Program must have at most {room} instructions, not {size}",
                )
        except _Enough:
            # by place the last one shown need not be the last one found
            self.found[len(self.files), 0, 0, ""] = Diagnostic(
                file=next(iter(self.files)),
                message=f"{MAX_ERRORS} mistakes: the rest of the program was not looked at",
            )
        if self.found:
            raise AssemblyError(self.found[key] for key in sorted(self.found))
        return Program(
            words=tuple(words.get(address, 0) for address in range(size)),
            labels=self.defined(label=True),
            constants=self.defined(label=False),
            lines=tuple(self.lines),
        )


def _is_mcu(token: Token) -> bool:
    return token.text[:1] == "m" and token.text[1:].isdecimal()


def _exists(path: Path) -> bool:
    try:
        os.stat(path)
    except (OSError, ValueError):
        return False
    return True


def _reason(subject: object, error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return f"{subject} cannot be read: {error.strerror}"
    return str(error)


def assemble_text(
    text: str | bytes,
    params: CoreParams,
    *,
    name: str = "<text>",
    include: Iterable[str | Path] = (),
    define: Mapping[str, int] = MappingProxyType({}),
) -> Program:
    """Assemble a program's text; files it includes are looked for in the current folder.

    Parameters
    ----------
    text : str | bytes
        The program; bytes are UTF-8.
    params : CoreParams
        The core it is for.
    name : str
        What diagnostics call the text.
    include : Iterable[str | Path]
        Folders in which included files are looked for after the one of the including file.
    define : Mapping[str, int]
        Values for names, instead of those their ``.equ`` gives them.

    Raises
    ------
    AssemblyError
        If anything is wrong with the text, whatever it is.
    """
    data = text if isinstance(text, bytes) else text.encode(errors="surrogatepass")
    if len(data) > MAX_BYTES:
        message = f"{name} must have at most {MAX_BYTES} bytes, not {len(data)}"
        raise AssemblyError([Diagnostic(file=name, message=message)])
    assembler = _Assembler(params, include, define)
    assembler.bytes = len(data)
    return assembler.program(lambda: assembler.read(name, data, Path(), (None,)))


def assemble_file(
    path: str | Path,
    params: CoreParams,
    *,
    include: Iterable[str | Path] = (),
    define: Mapping[str, int] = MappingProxyType({}),
) -> Program:
    """Assemble a program's file; as :func:`assemble_text`.

    Raises
    ------
    AssemblyError
        If the file cannot be read, or anything is wrong with its text.
    """
    assembler = _Assembler(params, include, define)
    try:
        data, identity = assembler.load(Path(path))
    except (OSError, ValueError) as error:
        message = _reason("Program", error)
        raise AssemblyError([Diagnostic(file=str(path), message=message)]) from error
    return assembler.program(
        lambda: assembler.read(str(path), data, Path(path).parent, (identity,))
    )
