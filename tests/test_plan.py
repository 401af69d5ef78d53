"""The test plan names tests that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLAN = ROOT / "docs" / "verification.md"

TEST = re.compile(r"`((?:tests|cocotb_tests)/[\w/]+\.py)::(test_\w+)`")


def problems(text: str, root: Path) -> list[str]:
    """What is wrong with the table in ``text``, one line each."""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ][2:]
    found = [] if rows else ["the plan has no rows"]
    seen = set()
    for row in rows:
        name = row[0]
        if len(row) != 4 or not all(row):
            found.append(f"{name}: must have an id, a requirement, a paper section and a test")
            continue
        if name in seen:
            found.append(f"{name}: is there twice")
        seen.add(name)
        if row[3] == "open":
            continue
        if TEST.sub("", row[3]).replace(",", "").strip() or not row[3]:
            found.append(f"{name}: test must be `path.py::test_name` or open, not {row[3]}")
        for path, test in TEST.findall(row[3]):
            file = root / path
            tree = ast.parse(file.read_text(encoding="utf-8")) if file.is_file() else ast.Module([])
            if not any(isinstance(n, ast.FunctionDef) and n.name == test for n in tree.body):
                found.append(f"{name}: {path}::{test} does not exist")
    return found


def test_plan_is_right():
    assert problems(PLAN.read_text(encoding="utf-8"), ROOT) == []


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("", ["the plan has no rows"]),
        ("| a | b | - | open |\n| a | c | - | open |", ["a: is there twice"]),
        ("| a | b | | open |", ["a: must have an id, a requirement, a paper section and a test"]),
        ("| a | b | - | soon |", ["a: test must be `path.py::test_name` or open, not soon"]),
        (
            "| a | b | - | `tests/test_x.py::test_no` |",
            ["a: tests/test_x.py::test_no does not exist"],
        ),
        (
            "| a | b | - | `tests/test_y.py::test_yes` |",
            ["a: tests/test_y.py::test_yes does not exist"],
        ),
        ("| a | b | - | `tests/test_x.py::test_yes`, `tests/test_x.py::test_yes` |", []),
    ],
)
def test_mistakes_are_found(tmp_path, rows, expected):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_x.py").write_text("def test_yes(): pass\n")
    header = "| id | requirement | paper | test |\n|---|---|---|---|\n"
    assert problems(header + rows, tmp_path) == expected
