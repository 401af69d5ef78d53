"""Lines of a program as tokens, and what their expressions are worth.

Expressions are those of C over integers, without assignment and comparison. Whatever the text,
reading it takes bounded time: values, shifts and nesting have limits.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

MAX_LINE = 1000
"""Characters of a line."""
MAX_NESTING = 32
"""Brackets and signs around a number."""
MAX_BITS = 80
"""Bits of an intermediate value, and of a shift."""


class Token(NamedTuple):
    """One token and the column it begins at, counted from 1."""

    kind: str
    """number, name, sign or text."""
    text: str
    column: int


class Mistake(Exception):
    """Something wrong at one place of a line."""

    def __init__(self, column: int, message: str) -> None:
        super().__init__(message)
        self.column = column


_TOKEN = re.compile(
    r"""
      (?P<space> [ \t]+ | [;\#].* )
    | (?P<number> [0-9][0-9A-Za-z_.]* )
    | (?P<name> [A-Za-z_.][0-9A-Za-z_.]* )
    | (?P<sign> << | >> | [-+*/%&|^~():,] )
    | (?P<text> "[^"]*" )
    | (?P<bad> . )
    """,
    re.VERBOSE | re.ASCII,
)
_NUMBER = re.compile(
    r"0x[0-9a-f]+(?:_[0-9a-f]+)*|0b[01]+(?:_[01]+)*|0|[1-9][0-9]*(?:_[0-9]+)*", re.IGNORECASE
)
_PRECEDENCE = {
    "|": 1, "^": 2, "&": 3, "<<": 4, ">>": 4, "+": 5, "-": 5, "*": 6, "/": 6, "%": 6,
}  # fmt: skip
OPERATORS = tuple(_PRECEDENCE)


def tokens(line: str) -> tuple[list[Token], Mistake | None]:
    """The tokens of a line up to its first mistake, comments left out."""
    if len(line) > MAX_LINE:
        return [], Mistake(
            MAX_LINE + 1, f"Line must have at most {MAX_LINE} characters, not {len(line)}"
        )
    if not line.isprintable():
        for column, character in enumerate(line, 1):
            if character != "\t" and not character.isprintable():
                return [], Mistake(column, f"Character U+{ord(character):04X} must not be used")
    found: list[Token] = []
    for match in _TOKEN.finditer(line):
        kind = match.lastgroup
        if kind == "space":
            continue
        text, column = match[0], match.start() + 1
        if kind == "bad" or kind is None:
            if text == '"':
                return found, Mistake(column, "Text must end with a quotation mark")
            return found, Mistake(column, f"Character {text!r} has no meaning here")
        found.append(Token(kind, text, column))
    return found, None


def _divide(left: int, right: int) -> int:
    """As C does: toward zero."""
    quotient = abs(left) // abs(right)
    return -quotient if (left < 0) != (right < 0) else quotient


class _Reader:
    def __init__(self, found: Sequence[Token], value_of: Callable[[Token], int]) -> None:
        self.tokens = found
        self.value_of = value_of
        self.at = 0

    def binary(self, least: int, depth: int) -> int:
        left = self.unary(depth)
        while self.at < len(self.tokens):
            sign = self.tokens[self.at]
            precedence = _PRECEDENCE.get(sign.text, 0)
            if precedence < least or not precedence:
                break
            self.at += 1
            left = _bounded(sign, _apply(sign, left, self.binary(precedence + 1, depth)))
        return left

    def unary(self, depth: int) -> int:
        if self.at == len(self.tokens):
            last = self.tokens[-1]
            raise Mistake(last.column, f"Expression must go on after {last.text!r}")
        token = self.tokens[self.at]
        if depth > MAX_NESTING:
            raise Mistake(token.column, f"Expression must nest at most {MAX_NESTING} deep")
        self.at += 1
        if token.kind == "number":
            if not _NUMBER.fullmatch(token.text):
                raise Mistake(
                    token.column,
                    f"Number must be decimal, hexadecimal (0x1f) or binary (0b101), "
                    f"not {token.text!r}",
                )
            return _bounded(token, int(token.text, 0))
        if token.kind == "name":
            return self.value_of(token)
        match token.text:
            case "-":
                return -self.unary(depth + 1)
            case "+":
                return self.unary(depth + 1)
            case "~":
                return ~self.unary(depth + 1)
            case "(":
                value = self.binary(1, depth + 1)
                if self.at == len(self.tokens) or self.tokens[self.at].text != ")":
                    raise Mistake(token.column, "Bracket must be closed")
                self.at += 1
                return value
        raise Mistake(token.column, f"Expression must not have {token.text!r} here")


def _bounded(token: Token, value: int) -> int:
    if value.bit_length() > MAX_BITS:
        raise Mistake(token.column, f"Value must have at most {MAX_BITS} bits")
    return value


def _apply(sign: Token, left: int, right: int) -> int:
    match sign.text:
        case "|":
            return left | right
        case "^":
            return left ^ right
        case "&":
            return left & right
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "<<" | ">>":
            if not 0 <= right <= MAX_BITS:
                raise Mistake(
                    sign.column,
                    f"Shift must be an integer in the range [0, {MAX_BITS}], not {right}",
                )
            return left << right if sign.text == "<<" else left >> right
    if right == 0:
        raise Mistake(sign.column, f"Divisor of {sign.text} must not be 0")
    quotient = _divide(left, right)
    return quotient if sign.text == "/" else left - quotient * right


def evaluate(found: Sequence[Token], value_of: Callable[[Token], int]) -> int:
    """What an expression is worth; ``value_of`` knows the names.

    Raises
    ------
    Mistake
        If it is none, or too large.
    """
    reader = _Reader(found, value_of)
    value = reader.binary(1, 0)
    if reader.at < len(found):
        token = found[reader.at]
        raise Mistake(token.column, f"Expression must end before {token.text!r}")
    return value
