"""Write what is derived from the register table of a node: ``make registers``."""

from pathlib import Path

from panther.arch.node_registers import header, manual

DERIVED = {"docs/registers.md": manual, "docs/panther_node.h": header}
"""File, and what makes its text."""


def main() -> None:
    for name, made in DERIVED.items():
        (Path(__file__).parents[2] / name).write_text(made(), encoding="utf-8")
        print(name)


if __name__ == "__main__":
    main()
