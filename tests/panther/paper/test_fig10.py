import csv
import io
from html.parser import HTMLParser

import pytest

from panther.paper.fig10 import (
    CHOSEN,
    MEASURED,
    PERIODS,
    SLICINGS,
    Figure,
    fits_hardware,
    points,
    same_headroom,
    study,
)
from panther.paper.fig10_report import (
    as_csv,
    energy_picture,
    slices_picture,
    tables,
)
from panther.paper.page import Part
from panther.study import run
from panther.study.tasks import check_study


def measured_rows(accuracy=0.0, at_limit=0.0):
    """A result for every point: what was measured before where it was, and 0.9 elsewhere."""
    rows = []
    for point in points():
        found = 0.9, 0.5
        batch_run = (point["accounting"], point["batch"]) == ("normalised", 64)
        if point["slicing"] == "none":
            found = 0.96, 0.0
        elif batch_run and point["slicing"] in MEASURED:
            n = PERIODS["normalised"].index(point["crs_period"])
            row = MEASURED[point["slicing"]]
            found = row.accuracy[n] + accuracy, row.at_limit[n] + at_limit
        none = point["slicing"] == "none"
        fractions = [] if none else [found[1], *[0.25] * 7]
        lost = [] if none else [0.125] * 8
        row = point | {"accuracy": found[0], "at_limit": fractions, "lost": lost}
        rows.append(row if none else row | {"nj_per_example": 11 + 100 / point["crs_period"]})
    return rows


def test_sixteen_slicings_of_eight_slices_and_every_point_can_be_run():
    assert len(SLICINGS) == 16
    assert {len(name) for name in SLICINGS} == {8}
    assert CHOSEN in SLICINGS
    chosen = points()
    assert len({str(sorted(point.items())) for point in chosen}) == len(chosen)
    check_study(study())


def test_points_cover_both_accountings():
    found = {(p["accounting"], p["batch"], p["slicing"], p["crs_period"]) for p in points()}
    for name in SLICINGS:
        for period in (64, 256, 1024):
            assert ("normalised", 64, name, period) in found
        for period in (1, 16, 64, 256, 1024):
            assert (("hardware", 1, name, period) in found) == fits_hardware(name) or (
                name in map(same_headroom, SLICINGS)
            )
            assert ("hardware", 1, same_headroom(name), period) in found
    seeds = {p["seed"] for p in points()}
    assert seeds == {0, 1, 2}


def test_same_headroom_has_two_bits_more():
    assert same_headroom("44466555") == "66688777"
    assert same_headroom("88888888") == "10x8"
    assert fits_hardware("44466555")
    assert not fits_hardware("33446655")


def test_figure_averages_over_seeds():
    rows = [row for row in measured_rows() if row["slicing"] in ("none", CHOSEN)]
    for n, row in enumerate(rows):
        row["accuracy"] = 0.9 + row["seed"] / 100
        row["at_limit"] = [row["seed"] / 4] * 8 if row["at_limit"] else []
        row["nj_per_example"] = float(n)
    figure = Figure(rows)
    assert figure.slicings == [CHOSEN]
    out = figure.normalised(CHOSEN)[256]
    assert (out.accuracy, out.lowest, out.highest) == pytest.approx((0.91, 0.90, 0.92))
    assert (out.seeds, out.at_limit) == (3, (0.25,) * 8)
    assert set(figure.hardware(CHOSEN)) == set(PERIODS["hardware"])
    assert figure.hardware("33333333") == {}
    assert figure.floating("hardware", 1) == pytest.approx(0.91)


@pytest.mark.parametrize(
    ("accuracy", "at_limit", "good"),
    [(0, 0, True), (0.009, 0.009, True), (-0.011, 0, False), (0, 0.011, False)],
)
def test_deviations_from_what_was_measured(accuracy, at_limit, good):
    found = Figure(measured_rows(accuracy, at_limit)).deviations()
    assert len(found) == 15
    assert {(d.slicing, d.period) for d in found} == {
        (name, period) for name in MEASURED for period in (64, 256, 1024)
    }
    assert {d.good for d in found} == {good}


def test_cheapest_is_the_rarest_crs_that_keeps_the_accuracy():
    figure = Figure(measured_rows())
    three_bits = figure.normalised("33333333")  # 0.956, 0.955, 0.947 against 0.96
    assert figure.cheapest("normalised", three_bits) == three_bits[256].nj
    assert figure.cheapest("hardware", figure.hardware(CHOSEN)) is None


class Page(HTMLParser):
    """What a page needs from elsewhere, and what tables it has."""

    def __init__(self):
        super().__init__()
        self.sources, self.rows = [], 0

    def handle_starttag(self, tag, attributes):
        self.rows += tag == "tr"
        self.sources += [v for name, v in attributes if name in ("src", "href")]


def test_report_shows_every_slicing_and_needs_nothing_else():
    figure = Figure(measured_rows())
    shown = tables(figure)
    text = "\n".join(table.as_text() for table in shown)
    for name, named in SLICINGS.items():
        assert name in text
        assert named in text
    assert "BAD" not in text
    assert "BAD" in "\n".join(t.as_text() for t in tables(Figure(measured_rows(0.02))))
    lines = list(csv.DictReader(io.StringIO(as_csv(figure))))
    assert len(lines) == len(figure.outcomes)
    (line,) = [
        x for x in lines
        if (x["accounting"], x["batch"], x["slicing"], x["crs_period"])
        == ("normalised", "64", "33333333", "1024")
    ]  # fmt: skip
    assert (line["accuracy"], line["at_limit_0"], line["lost_7"], line["cell_bits"]) == (
        "0.947000", "0.430000", "0.125000", "24",
    )  # fmt: skip
    part = Part(
        name="x", title="<x>", text="", tables=shown, pictures={"<energy>": b"\x89PNG"}
    )  # fmt: skip
    page = Page()
    page.feed(part.files()["x.html"].decode())
    assert page.sources == ["data:image/png;base64,iVBORw=="]
    assert page.rows == sum(1 + len(table.rows) for table in shown)


def test_command_from_points_to_pictures(panther, tmp_path):
    status, out, _ = panther("paper", "fig10", "--quick", "--output", tmp_path)
    assert status == 0
    names = ("fig10.csv", "fig10.txt", "fig10.html", "fig10.png", "fig10-slices.png")
    for name in names:
        assert f"{tmp_path / name}" in out
        assert (tmp_path / name).stat().st_size > 500
    assert (tmp_path / "fig10.txt").read_text() in out
    lines = {
        (x["accounting"], x["slicing"], int(x["crs_period"])): x
        for x in csv.DictReader((tmp_path / "fig10.csv").open())
    }
    # without headroom every carry is lost, whatever the CRS period; with 4 bits of it hardly any
    assert float(lines["hardware", "44444444", 1]["accuracy"]) < 0.6
    assert float(lines["hardware", "66666666", 1]["accuracy"]) > 0.85
    assert abs(float(lines["normalised", "33333333", 64]["at_limit_0"]) - 0.35) < 0.02
    assert float(lines["normalised", "44444444", 64]["at_limit_0"]) == 0
    done = sorted((tmp_path / "points").iterdir())
    before = [file.stat().st_mtime_ns for file in done]
    assert len(run(study(quick=True), folder=tmp_path).done) == len(done)
    assert [file.stat().st_mtime_ns for file in done] == before
    assert sorted((tmp_path / "points").iterdir()) == done


def test_output_that_cannot_be_written(rejected, tmp_path):
    (tmp_path / "file").write_text("")
    line = rejected("paper", "fig10", "--quick", "--output", tmp_path / "file")
    assert line.startswith("panther paper: error: Folder ")


def test_pictures_are_drawn_of_one_slicing():
    rows = [
        row for row in measured_rows() if row["slicing"] in ("none", CHOSEN, same_headroom(CHOSEN))
    ]
    figure = Figure(rows)
    assert energy_picture(figure).startswith(b"\x89PNG")
    assert slices_picture(figure).startswith(b"\x89PNG")
