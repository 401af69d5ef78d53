import csv
import io
import json
from html.parser import HTMLParser

import pytest

from panther.arch.network import Kind, Network, Node
from panther.paper import fig11, fig13, headline, machines, sources
from panther.paper.headline import CLAIMS, nearest, time_against_digital
from panther.paper.machines import MACHINES, SOURCE, Accounting
from panther.paper.page import together
from panther.paper.reference import BENCHMARKS, reference_cost, reference_step
from panther.paper.table3 import table3
from tests.panther.paper.synthetic import rows

TOY = Network((
    Node(name="x", kind=Kind.INPUT, shape=(4, 4, 8)),
    Node(name="conv2d_0", kind=Kind.MATRIX, inputs=("x",), shape=(4, 4, 8), kernel=(3, 3),
         padding=(1, 1)),
    Node(name="linear_0", kind=Kind.MATRIX, inputs=("conv2d_0",), shape=(1, 1, 10), kernel=(4, 4)),
    Node(name="loss", kind=Kind.SOFTMAX, inputs=("linear_0",), shape=(1, 1, 10)),
))  # fmt: skip


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setattr(machines, "network", lambda model: TOY)
    machines.gpu.cache_clear()
    yield machines.steps(rows())
    machines.gpu.cache_clear()


class Needs(HTMLParser):
    """What a page needs from elsewhere."""

    def __init__(self):
        super().__init__()
        self.sources, self.links, self.ids = [], [], []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "src":
                self.sources.append(value)
            if name == "href":
                self.links.append(value)
            if name == "id":
                self.ids.append(value)
        assert tag not in ("link", "script", "iframe")


def needs(html):
    found = Needs()
    found.feed(html)
    return found


# ---- the paper's accounting


def test_the_papers_time_ratio_is_had_by_its_accounting():
    assert time_against_digital() == pytest.approx(117436 / (16069 + 21218.75 / 64), rel=1e-6)
    assert time_against_digital() == pytest.approx(7.16, rel=0.01)


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_bills_of_the_replay_are_its_energy(benchmark):
    step = reference_step(benchmark, SOURCE)
    assert step.bill.total == pytest.approx(step.replay.total_j, rel=1e-9)
    more = reference_cost(step, Accounting(batch=2)).bill.total - step.bill.total
    assert more == pytest.approx(step.crossbars * 8 * (6500e-12 + 22606.33e-12) / 2)


def test_what_the_constants_cannot_reach_is_not_reached():
    off = {claim.name: nearest(claim).value / claim.paper for claim in CLAIMS if claim.against}
    assert off["time, digital"] == pytest.approx(1, abs=0.01)
    assert off["energy, convolutions, Base_mvm"] == pytest.approx(1, abs=0.01)
    assert off["energy, digital"] < 0.6
    assert not 0.9 < off["energy, ReRAM"] < 1.1
    assert not 0.95 < off["time, ReRAM"] < 1.05


# ---- ours


def test_ratio_of_a_step_by_hand(toy):
    part = fig11.figure(toy, "time")
    records = {(r["place"], r["machine"]): r for r in part.records}
    ours = 1000 + 640 / 64
    assert records["step", "panther"]["time_s"] == pytest.approx(1e-9 * ours)
    assert records["step", "digital"]["time_ratio"] == pytest.approx(10000 / ours)
    assert records["conv2d_0", "base_opa_mvm"]["time_ratio"] == pytest.approx(600 / (600 + 10))
    places = {r["place"] for r in part.records}
    assert places == {"step", "convolutions", "FC layers", "conv2d_0", "linear_0"}


def test_energy_by_groups_is_all_of_it(toy):
    for record in fig11.figure(toy, "energy").records:
        if record["machine"] != "gpu_roofline":
            groups = [v for name, v in record.items()
                      if name.endswith("_j") and not name.startswith("energy")]  # fmt: skip
            assert sum(groups) == pytest.approx(record["energy_j"])
            assert record["energy_low_j"] <= record["energy_j"] <= record["energy_high_j"]


def test_baselines_of_a_layer_and_a_step_over_either_panther(toy):
    claim = next(claim for claim in CLAIMS if claim.name == "time, digital")
    found = headline.ours(claim, "toy", toy)
    assert found.step.value == pytest.approx(10000 / (1000 + 640 / 64))
    assert found.by_source.value == pytest.approx(10000 / (1000 + 21218.75 / 64))


def test_a_rarer_crs_never_costs_more(toy):
    (table,) = [t for t in fig11.figure(toy, "energy").tables if "outer products costs" in t.title]
    values = [float(line[2]) for line in table.rows[1:]]
    assert values == sorted(values, reverse=True)


def test_batches(toy):
    part = fig13.figure(toy)
    found = {(r["machine"], r["batch"]): r for r in part.records if r["network"] == "toy"}
    for batch in fig13.BATCHES:
        assert found["PANTHER", batch]["time_s"] == pytest.approx(1e-9 * (1000 + 640 / batch))
    digital = {found["Base_digital", batch]["energy_j"] for batch in fig13.BATCHES}
    assert len(digital) == 1


def test_headline_has_every_claim(toy):
    part = headline.headline(toy)
    text = part.as_text()
    for claim in CLAIMS:
        assert claim.name in text
        assert f"{claim.paper:g}" in text
    assert [record["claim"] for record in part.records] == [claim.name for claim in CLAIMS]
    digital = next(r for r in part.records if r["claim"] == "time, digital")
    assert digital["toy_step"] == pytest.approx(10000 / 1010)
    assert digital["toy_best_layer"] in ("conv2d_0", "linear_0")


def test_sources_come_with_assumptions_first_and_marked():
    part = sources.part()
    for table in part.tables[:-1]:
        marked = ["ASSUMPTION" in line[-1] for line in table.rows]
        assert marked == sorted(marked, reverse=True)
    assert any("ASSUMPTION" in line[-1] for line in part.tables[0].rows)
    assert {r["set"] for r in part.records} == {machine.prices for machine in MACHINES}


def test_one_page_needs_nothing_else_and_is_the_same_again(toy):
    def made():
        parts = [
            headline.headline(toy), table3(), fig11.figure(toy, "energy"),
            fig11.figure(toy, "time"), fig13.figure(toy), sources.part(),
        ]  # fmt: skip
        return together("All", "said", parts), parts

    html, parts = made()
    found = needs(html)
    assert len(found.sources) == sum(len(part.pictures) for part in parts)
    assert all(source.startswith("data:image/png;base64,") for source in found.sources)
    assert found.links == [f"#{part.name}" for part in parts]
    assert set(found.ids) == {part.name for part in parts}
    assert "http" not in html
    assert made()[0] == html


def test_files_of_a_part(toy):
    part = fig11.figure(toy, "energy")
    files = part.files()
    assert set(files) == {"fig11.txt", "fig11.csv", "fig11.json", "fig11.html", "fig11.png",
                          "fig11-2.png", "fig11-3.png"}  # fmt: skip
    lines = list(csv.DictReader(io.StringIO(files["fig11.csv"].decode())))
    data = json.loads(files["fig11.json"])
    assert len(lines) == len(data["records"]) == len(part.records)
    assert float(lines[0]["energy_j"]) == data["records"][0]["energy_j"]
    assert files["fig11.png"].startswith(b"\x89PNG")
