"""An assembled program, what can be wrong with its text, and its file."""

import os
import stat
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from panther.arch.core import ADDRESS_BITS
from panther.arch.isa import INSTRUCTION_BITS

WORD_BYTES = INSTRUCTION_BITS // 8
MAX_WORDS = 1 << ADDRESS_BITS
"""Words a program can have at most, whatever the core."""


@dataclass(frozen=True, kw_only=True)
class Diagnostic:
    """One mistake in a source file."""

    file: str
    line: int = 0
    """Counted from 1; 0 if the file as a whole is meant."""
    column: int = 0
    message: str
    source: str = ""
    """The line's text."""

    def __str__(self) -> str:
        if not self.line:
            return f"{self.file}: error: {self.message}"
        # a mark under the right character, and nothing a terminal would obey
        shown = "".join(c if c.isprintable() else " " if c == "\t" else "?" for c in self.source)
        first = max(0, self.column - 100)
        shown = shown[first : first + 120]
        return (
            f"{self.file}:{self.line}:{self.column}: error: {self.message}\n"
            f"    {shown}\n"
            f"    {' ' * (self.column - 1 - first)}^"
        )


class AssemblyError(Exception):
    """A program's text is wrong; ``str()`` is everything that is, by place.

    Attributes
    ----------
    diagnostics : tuple[Diagnostic, ...]
        At least one.
    """

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(str(item) for item in self.diagnostics))


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of the source."""

    file: str
    number: int
    text: str
    address: int | None = None
    """Of the word the line makes, if it makes one."""

    def __str__(self) -> str:
        return f"{self.file}:{self.number}"


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program by address, and where every word comes from."""

    words: tuple[int, ...]
    """From address 0 on; what ``.org`` leaves out is 0, which is no instruction."""
    labels: Mapping[str, int]
    constants: Mapping[str, int]
    """Names defined by ``.equ``."""
    lines: tuple[Line, ...]
    """All lines read, those of included files where they are included."""

    @property
    def symbols(self) -> dict[str, int]:
        """Labels and constants."""
        return {**self.labels, **self.constants}

    @cached_property
    def source(self) -> Mapping[int, Line]:
        """The line that made each word; holes have none."""
        return {line.address: line for line in self.lines if line.address is not None}

    def where(self, address: int) -> str:
        """``file:line`` of a word, or its address if no line made it."""
        line = self.source.get(address)
        return f"address {address}" if line is None else str(line)

    @property
    def binary(self) -> bytes:
        """The program's file: the words, least significant byte first, and nothing else."""
        return struct.pack(f"<{len(self.words)}Q", *self.words)

    @property
    def listing(self) -> str:
        """Every source line with the address and word it made, and the symbols."""
        main = self.lines[0].file if self.lines else ""
        places = [str(line) if line.file != main else str(line.number) for line in self.lines]
        width = max([4, *map(len, places)])
        text = [f"{'addr':4}  {'word':16}  {'line':>{width}}  source"]
        for line, place in zip(self.lines, places, strict=True):
            made = " " * 22
            if line.address is not None:
                made = f"{line.address:4}  {self.words[line.address]:016x}"
            text.append(f"{made}  {place:>{width}}  {line.text}".rstrip())
        if self.symbols:
            longest = max(map(len, self.symbols))
            text += ["", f"{'symbol':{longest}}  {'value':>12}  kind"]
        for name, value in sorted(self.symbols.items()):
            kind = "label" if name in self.labels else "constant"
            text.append(f"{name:{longest}}  {value:12}  {kind}")
        return "\n".join(text) + "\n"


def read_regular(path: str | Path, limit: int) -> tuple[bytes, tuple[int, int]]:
    """A file's contents and identity, without waiting for what is no file.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no regular file, or larger than ``limit`` bytes.
    """
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"{path} must be a regular file")
    with open(path, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"{path} must have at most {limit} bytes, not {found.st_size}")
    return data, (found.st_dev, found.st_ino)


def read_binary(path: str | Path) -> tuple[int, ...]:
    """The words of a program's file.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it does not consist of words, or of more than a core can address.
    """
    data, _ = read_regular(path, MAX_WORDS * WORD_BYTES)
    if len(data) % WORD_BYTES:
        raise ValueError(
            f"{path} must consist of words of {WORD_BYTES} bytes, not of {len(data)} bytes"
        )
    return struct.unpack(f"<{len(data) // WORD_BYTES}Q", data)
