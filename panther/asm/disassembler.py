"""Instruction words to program text, which assembles to the same words again."""

from collections.abc import Mapping, Sequence

from panther.arch.core import CoreParams
from panther.arch.isa import INSTRUCTION_BITS, Kind, decode
from panther.asm.names import names_of, operand_fields


def instruction_text(word: int, params: CoreParams, labels: Mapping[int, str] | None = None) -> str:
    """One word as a program writes it; what is no instruction as ``.word``.

    Parameters
    ----------
    word : int
        The word, of 64 bits.
    params : CoreParams
        The core whose names are used.
    labels : Mapping[int, str] | None
        Names of instruction addresses; others are shown as numbers.

    Raises
    ------
    ValueError
        If it is no word.
    """
    found = decode(word)
    if found is None:
        return f".word 0x{word:0{INSTRUCTION_BITS // 4}x}  ; illegal"
    item, values = found
    names = names_of(params)
    parts = list(operand_fields(item))
    while parts and parts[-1].default is not None and values[parts[-1].name] == parts[-1].default:
        parts.pop()
    texts = [names.text(part, values[part.name], labels) for part in parts]
    texts += [part.name for part in item.fields if part.kind is Kind.FLAG and values[part.name]]
    return f"{item.mnemonic} {', '.join(texts)}".rstrip()


def disassemble(words: Sequence[int], params: CoreParams, *, addresses: bool = False) -> str:
    """A program as text, with a label wherever something jumps to.

    Parameters
    ----------
    words : Sequence[int]
        The program, from address 0 on.
    params : CoreParams
        The core whose names are used.
    addresses : bool
        Whether every line ends in a comment with the word's address and bits.
    """
    targets = set()
    for word in words:
        found = decode(word)
        if found is not None:
            item, values = found
            targets |= {values[part.name] for part in item.fields if part.kind is Kind.TARGET}
    labels = {target: f"L{target}" for target in targets if target <= len(words)}
    text = []
    for address, word in enumerate(words):
        if address in labels:
            text.append(f"{labels[address]}:")
        line = f"    {instruction_text(word, params, labels)}"
        if addresses:
            line = f"{line:43} ; {address:4} {word:0{INSTRUCTION_BITS // 4}x}"
        text.append(line)
    if len(words) in labels:
        text.append(f"{labels[len(words)]}:")
    return "".join(f"{line}\n" for line in text)
