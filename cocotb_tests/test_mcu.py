import re

import pytest

from cocotb_tests.designs import HEADROOM, SETS, mcu_bench
from panther.sim import ROOT

TESTS = 12
ELSEWHERE = ("SMALL_ENCODED", "TINY_NAF", "BINARY_BALANCED")
"""Tried in parts: time is short."""


@pytest.mark.parametrize(
    ("name", "simulator"),
    [
        *[(name, "icarus") for name in SETS if not (SETS[name].rows > 16 or name in ELSEWHERE)],
        *[(name, "verilator") for name in ("ODD", "LANES", "TALL", "FLAT", "PAPER")],
    ],
)
def test_matches_golden(simulate, name, simulator):
    _matches(simulate, name, simulator)


@pytest.mark.parametrize(
    ("name", "simulator"),
    [
        ("COARSE", "icarus"),
        ("PAIRS", "icarus"),
        ("BOTH_SIGNS", "icarus"),
    ],
)
def test_units_with_a_headroom_tracker_match_the_page(simulate, name, simulator):
    _matches(simulate, name, simulator)


def _matches(simulate, name, simulator):
    variables = {"PANTHER_SET": name}
    design = mcu_bench({**SETS, **HEADROOM}[name])
    result = simulate(design, "mcu_tb", simulator, expected=TESTS, variables=variables)
    if name == "PAPER":
        # the README's figures are this unit's
        readme = (ROOT / "README.md").read_text()
        for operation, row in (("MVM", "an MVM"), ("OPA", "an OPA"), ("CRS", "a CRS")):
            cycles = re.search(rf"\| cycles of {row}.*\| (\d+) \|$", readme, re.MULTILINE)[1]
            assert f"{operation}: {cycles} cycles" in result.log
