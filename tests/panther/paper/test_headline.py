"""Figures printed in docs/paper.md, against the runs they are from."""

import re
from pathlib import Path

import pytest

from panther.cost import point
from panther.paper import converters, machines
from panther.paper.headline import BATCH, CLAIMS, ours
from panther.paper.machines import Accounting

TEXT = (Path(__file__).parents[3] / "docs" / "paper.md").read_text()
MODEL = "mlp-l4"


def printed(start):
    """Lines of the table whose head begins so, by their first cell."""
    (table,) = re.findall(rf"^\| {start}\b.*\n\|[-| ]+\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {name: cells for name, *cells in lines}


@pytest.fixture(scope="module")
def mlp():
    """MLP-L4 on every machine, run here."""
    rows = []
    for machine in machines.RUNS:
        parameters = {"model": MODEL, "crs_period": "none", "memory": "paper",
                      "prices": machine.prices, "timing": machine.timing}  # fmt: skip
        rows.append(parameters | point.run(parameters, lambda share: None))
    return machines.steps(rows)


def test_ratios_of_mlp_l4_are_those_printed(mlp):
    claims = {claim.name: claim for claim in CLAIMS if not claim.convolution}
    table = printed("ratio")
    assert set(table) == set(claims)
    for name, claim in claims.items():
        found = ours(claim, MODEL, mlp)
        paper, step, by_source, *_ = table[name]
        assert paper == f"{claim.paper:g}", name
        assert (step, by_source) == (
            f"{found.step.value:.3g}", f"{found.by_source.value:.3g}"
        ), name  # fmt: skip


def test_converters_of_mlp_l4_are_as_printed(mlp):
    steps = mlp[MODEL]
    digital, without = steps["digital"], steps["digital_mac"]
    made = converters.table("MLP-L4", MODEL, digital, without, BATCH)
    assert [list(row[1:]) for row in made.rows] == list(printed("converters").values())
    # counts do not depend on the prices: run again, it is the same step
    accounting = Accounting(batch=BATCH)
    again = accounting.whole(converters.step_at(MODEL, "panther")).bill.total
    assert again == pytest.approx(accounting.whole(steps["panther"]).bill.total, rel=1e-12)
