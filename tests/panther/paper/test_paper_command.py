import json

import pytest

from panther.paper import fig10


@pytest.fixture(scope="module")
def points(tmp_path_factory):
    return tmp_path_factory.mktemp("points")


def test_table3_needs_no_runs(panther, tmp_path):
    status, out, _ = panther("paper", "table3", "--output", tmp_path)
    assert status == 0
    assert (tmp_path / "table3.txt").read_text() in out
    assert {p.suffix for p in tmp_path.iterdir()} == {".txt", ".csv", ".json", ".html"}


def test_figures_share_their_runs(panther, tmp_path, points):
    before = {}
    for name in ("fig11", "fig12", "fig13", "headline"):
        status, out, _ = panther(
            "paper", name, "--quick", "--workers", 1, "--output", tmp_path, "--points", points
        )
        assert status == 0
        assert (tmp_path / f"{name}.txt").read_text() in out
        done = {p.name: p.stat().st_mtime_ns for p in (points / "points").iterdir()}
        assert len(done) == 5
        assert done == (before or done)
        before = done
    records = json.loads((tmp_path / "fig12.json").read_text())["records"]
    ratio = {r["machine"]: r["time_ratio"] for r in records if r["place"] == "step"}
    assert ratio["panther"] == 1
    assert ratio["digital"] > 5


def test_one_page_of_all(panther, tmp_path, points, monkeypatch):
    monkeypatch.setattr(fig10, "QUICK_SLICINGS", (fig10.CHOSEN,))
    monkeypatch.setattr(fig10, "QUICK_PERIODS", (1, 64))
    status, out, _ = panther(
        "paper", "all", "--quick", "--workers", 1, "--output", tmp_path, "--points", points
    )
    assert status == 0
    page = (tmp_path / "paper.html").read_text()
    assert f"{tmp_path / 'paper.html'}" in out
    for name in ("headline", "table3", "fig10", "fig11", "fig12", "fig13", "sources"):
        assert f'<section id="{name}">' in page
    assert "http" not in page
    assert page.count(" src=") == page.count(' src="data:image/png;base64,')


def test_output_that_cannot_be_written(rejected, tmp_path):
    (tmp_path / "file").write_text("")
    line = rejected("paper", "table3", "--output", tmp_path / "file")
    assert line.startswith("panther paper: error: Folder ")
