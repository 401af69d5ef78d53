import re
import subprocess
from enum import IntEnum

import pytest

from panther.arch.registers import Access, Bits, Register, c_header, check_map, markdown


class Colour(IntEnum):
    RED = 0
    BLUE = 2


CONTROL = Register(
    "control", 0x10, Access.RW,
    (Bits("run", 0, 1, "goes", 1), Bits("colour", 4, 2, "which one", 2, Colour)),
    "What to do.",
)  # fmt: skip
COUNTS = Register("counts", 0x20, Access.RO, (Bits("count", 0, 32, "events"),), "Counters.", 3)
GO = Register("go", 0x14, Access.WO, (), "Writing starts.")


def test_reset_value_and_masks_come_from_the_fields():
    assert CONTROL.reset == 0x21
    assert CONTROL.field("colour").mask == 0x30
    assert COUNTS.end == 0x2C


def test_header_has_every_number_and_is_c(tmp_path):
    text = c_header("A map", "MAP", [CONTROL, GO, COUNTS])
    for line in (
        "#define MAP_CONTROL 0x10u", "#define MAP_CONTROL_RESET 0x21u",
        "#define MAP_CONTROL_COLOUR_MASK 0x30u", "#define MAP_CONTROL_COLOUR_LSB 4u",
        "#define MAP_CONTROL_COLOUR_BLUE 2u", "#define MAP_COUNTS_COUNT 3u", "#define MAP_GO 0x14u",
    ):  # fmt: skip
        assert line in text.splitlines()
    assert "MAP_GO_RESET" not in text
    path = tmp_path / "use.c"
    path.write_text(f"{text}{text}int a[MAP_CONTROL_RUN_MASK + MAP_COUNTS_COUNT == 4 ? 1 : -1];\n")
    subprocess.run(["gcc", "-std=c99", "-Wall", "-Werror", "-fsyntax-only", str(path)], check=True)


def test_table_names_registers_fields_and_values():
    text = markdown([CONTROL, COUNTS])
    assert "| 0x010 | **control** | | | read, write | | What to do. |" in text
    assert "| | | 5:4 | colour | | 0x2 | which one (0 RED, 2 BLUE) |" in text
    assert "| 0x020 + 4 n, n < 3 | **counts** |" in text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Bits("a", 32, 1, ""), "Lowest bit of field a must be an integer in the range"),
        (lambda: Bits("a", 31, 2, ""), "Bits of field a must be an integer in the range"),
        (lambda: Bits("a", 0, 2, "", 4), "Reset value of field a must be an integer in the range"),
        (lambda: Bits("A", 0, 1, ""), ("Field name must be lower case letters, digits and "
                                      "underscores, not 'A'")),
        (lambda: Register("x", 2, Access.RO, (), ""), ("Offset of register x must be a multiple "
                                                      "of 4, not 2")),
        (lambda: Register("x", 0, "RO", (), ""), "Access of register x must be Access, not 'RO'"),
        (lambda: Register("x", 0, Access.RO, (Bits("a", 0, 2, ""), Bits("b", 1, 1, "")), ""),
         "Field b of register x must not share bits with another"),
        (lambda: Register("x", 0, Access.RO, (Bits("a", 0, 1, ""), Bits("a", 1, 1, "")), ""),
         "Fields of register x must have different names"),
        (lambda: CONTROL.field("x"), ("Field of register control must be one of run, colour, "
                                     "not 'x'")),
        (lambda: check_map([GO, GO]), "Registers must have different names"),
        (lambda: check_map([COUNTS, Register("x", 0x28, Access.RO, (), "")]),
         "Register x must not lie in counts, which ends before 0x2c, not at 0x28"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused(make, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        make()
