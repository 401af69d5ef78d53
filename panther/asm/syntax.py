"""``docs/pasm.tmLanguage.json``: how editors colour programs, from the instruction table.

A TextMate grammar; VS Code, Sublime Text, the JetBrains editors and GitHub's Linguist read these.
"""

import json
import re
from collections.abc import Iterable

from panther.arch.core import CoreParams, Csr
from panther.arch.isa import INSTRUCTIONS
from panther.arch.mcu import ConfigKey, counter_names
from panther.asm.assembler import DIRECTIVES
from panther.asm.names import FLAGS, OPERATIONS, READER_NAMES, names_of

_NAME = r"[A-Za-z_][0-9A-Za-z_.]*"


def _any(words: Iterable[str]) -> str:
    """Any of the words, as a whole."""
    choices = sorted(set(words), key=lambda word: (-len(word), word))
    return rf"(?<![0-9A-Za-z_.])(?:{'|'.join(map(re.escape, choices))})(?![0-9A-Za-z_.])"


def grammar() -> str:
    """The whole text of the grammar."""
    params = CoreParams()
    banks = {name.partition(".")[2] for name in names_of(params).banks}
    counters = {name.rstrip("0123456789") for name in counter_names(params.mcu.slices.count)}
    counted = "|".join(sorted(f"{re.escape(name)}[0-9]*" for name in counters))
    keywords = [*(csr.name.lower() for csr in Csr), *(key.name.lower() for key in ConfigKey)]
    labels = rf"^(\s*(?:{_NAME}\s*:\s*)*)"
    label = {"captures": {"1": {"patterns": [{"include": "#label"}]}}}
    patterns: list[dict[str, object]] = [
        {"name": "comment.line.pasm", "match": "[;#].*$"},
        {"name": "string.quoted.double.pasm", "match": '"[^"]*"'},
    ]
    for scope, words in (
        ("keyword.control.directive.pasm", DIRECTIVES),
        ("keyword.mnemonic.pasm", INSTRUCTIONS),
    ):
        captures = {**label["captures"], "2": {"name": scope}}
        patterns.append({"match": f"{labels}({_any(words)})", "captures": captures})
    patterns += [
        {"match": rf"{labels}(?=[;#]|$)", **label},
        {"name": "variable.language.bank.pasm",
         "match": rf"(?<![0-9A-Za-z_.])m[0-9]+\.(?:{'|'.join(sorted(banks))}|{counted})"
                  r"(?![0-9A-Za-z_.])"},
        {"name": "variable.language.register.pasm",
         "match": r"(?<![0-9A-Za-z_.])[rsm][0-9]+(?![0-9A-Za-z_.])"},
        {"name": "constant.language.reader.pasm", "match": _any(READER_NAMES)},
        {"name": "storage.modifier.flag.pasm", "match": _any(FLAGS)},
        {"name": "support.function.operation.pasm", "match": _any(OPERATIONS)},
        {"name": "support.constant.pasm", "match": _any(keywords)},
        {"name": "constant.numeric.pasm",
         "match": r"(?<![0-9A-Za-z_.])(?:0[xX][0-9A-Fa-f_]+|0[bB][01_]+|[0-9][0-9_]*)"
                  r"(?![0-9A-Za-z_.])"},
        {"name": "keyword.operator.pasm", "match": r"<<|>>|[-+*/%&|^~]"},
    ]  # fmt: skip
    text = {
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "name": "PANTHER assembly",
        "scopeName": "source.pasm",
        "fileTypes": ["pasm"],
        "patterns": patterns,
        "repository": {
            "label": {"name": "entity.name.function.label.pasm", "match": _NAME},
        },
    }
    return json.dumps(text, indent=2) + "\n"
