"""Write what is derived from the register tables: ``make registers``."""

from pathlib import Path

from panther.arch import mcu_ip_manual
from panther.arch.node_registers import header, manual

DERIVED = {
    "docs/registers.md": manual,
    "docs/panther_node.h": header,
    "docs/mcu-ip.md": mcu_ip_manual.manual,
    "docs/panther_mcu_ip.h": mcu_ip_manual.header,
}
"""File, and what makes its text."""


def main() -> None:
    for name, made in DERIVED.items():
        (Path(__file__).parents[2] / name).write_text(made(), encoding="utf-8")
        print(name)


if __name__ == "__main__":
    main()
