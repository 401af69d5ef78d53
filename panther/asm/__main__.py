"""Write what is derived from the instruction table: ``make isa``."""

from pathlib import Path

from panther.asm.manual import manual
from panther.asm.syntax import grammar

DERIVED = {"docs/isa.md": manual, "docs/pasm.tmLanguage.json": grammar}
"""File, and what makes its text."""


def main() -> None:
    for name, made in DERIVED.items():
        (Path(__file__).parents[2] / name).write_text(made(), encoding="utf-8")
        print(name)


if __name__ == "__main__":
    main()
