"""Tables, pictures and the page of a study."""

import re
from html.parser import HTMLParser

import pytest

from panther.study import Search, Study, run
from panther.study.plots import dimensions, figures
from panther.study.report import best, overview, page
from panther.study.results import Results
from panther.study.store import Manifest, Record


def made(axes, repeats=(0,), value=lambda *place: sum(place), **more):
    """Results of a study that has never been run; parameters are a, b, c and seed."""
    points, records, places = [], [], [()]
    for values in axes:
        places = [(*place, value_) for place in places for value_ in values]
    for place in places:
        for seed in repeats:
            parameters = {**dict(zip("abc", place, strict=False)), "seed": seed, "d": 7}
            key = f"{len(points):064}"
            points.append({"key": key, "parameters": parameters})
            result = value(*place)
            result = {"y": [n + seed / 100 for n in result] if isinstance(result, list)
                      else result + seed / 100, "name": "x"}  # fmt: skip
            records.append(Record(key=key, task="t", version="0", parameters=parameters,
                                  result=result, packages={"numpy": "2.4.6"}))  # fmt: skip
    manifest = Manifest(
        name="made", task="t", version="0" * 64, text="name: made\n", source="",
        axes=[[name] for name, _ in zip("abc", axes, strict=False)], repeat=["seed"], shown=["y"],
        objective="", points=points,
    )  # fmt: skip
    return Results(folder=None, manifest=manifest, records=tuple(records), **more)


def drawn(results):
    """Texts of the pictures, and how many lines and areas they have."""
    ((title, svg),) = figures(results)
    assert title == "y"
    texts = [re.sub(r"<[^>]*>", "", text) for text in re.findall(r"<text.*?</text>", svg, re.S)]
    return {text.strip() for text in texts}, svg


def test_one_axis_is_a_curve_with_the_spread_over_repeats():
    texts, svg = drawn(made([[1, 2, 3]], repeats=(0, 1)))
    assert {"a", "y"} <= texts
    assert svg.count("FillBetweenPolyCollection") == 1
    _, alone = drawn(made([[1, 2, 3]]))
    assert "FillBetween" not in alone


def test_logarithmic_axis_shows_its_few_values():
    assert {"1", "16", "256"} <= drawn(made([[1, 16, 256]]))[0]
    assert "256" not in drawn(made([[2**n for n in range(9)]]))[0]


def test_words_that_no_axis_has_room_for_are_left_to_the_table():
    words = [f"a design of many words {n}" for n in range(20)]
    results = made([words], value=len)
    assert figures(results) == []
    assert "No picture shows y: see the table." in page(results)
    assert drawn(made([words[:5]], value=len))[0] >= set(words[:5])


def test_words_are_dots_with_bars():
    texts, svg = drawn(made([["one", "two"]], repeats=(0, 1), value=len))
    assert {"one", "two"} <= texts
    assert "LineCollection" in svg


def test_two_axes_are_lines_or_a_heatmap():
    texts, _ = drawn(made([[1, 2, 3, 4], [10, 20]]))
    assert {"a", "b", "10", "20"} <= texts
    many, svg = drawn(made([[1, 2, 3, 4], [10, 20, 30, 40]]))
    assert {"11", "44"} <= many  # every value in its cell
    assert "<image" in svg


def test_three_axes_are_panels():
    texts, _ = drawn(made([[1, 2, 3, 4], [10, 20, 30], ["x", "z"]], value=lambda a, b, _c: a + b))
    assert {"b 10", "b 20", "b 30", "x", "z"} <= texts or {"c x", "c z", "10", "20", "30"} <= texts


def test_means_are_over_repeats():
    results = made([[1, 2]], repeats=(0, 2), value=lambda a: 100 * a)
    from panther.study.plots import grouped

    assert grouped(results, dimensions(results.manifest), "y") == {
        ((1,),): [100.0, 100.02], ((2,),): [200.0, 200.02],
    }  # fmt: skip


def test_lists_are_curves():
    texts, _ = drawn(made([[1, 2]], value=lambda a: [a, 2 * a, 3 * a]))
    assert {"number", "a", "1", "2"} <= texts


def test_too_many_lines_are_left_to_the_table():
    results = made([[1, 2], list(range(20)), list(range(20)), list("xyzuvwk")],
                   value=lambda *place: place[0])  # fmt: skip
    assert figures(results) == []
    assert "No picture shows y: see the table." in page(results)


class Outside(HTMLParser):
    """What a page would fetch."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "action") and value:
                if not value.startswith(("#", "data:")):
                    self.found.append((tag, value))
        if tag in ("script", "link", "iframe"):
            self.found.append((tag, ""))


@pytest.fixture
def failing(square, tmp_path, silent):
    file = tmp_path / "a.study.yaml"
    file.write_text(
        "name: <squares>\ntask: square.py\nfixed: {fail: 2, kind: fine}\ngrid: {n: [1, 2, 3]}\n"
        "repeat: {seed: [0, 1]}\nworkers: 1\n"
    )
    return file, run(file, folder=tmp_path / "results", watcher=silent)


def test_page_needs_nothing_else_and_says_everything(failing):
    _, results = failing
    text = page(results)
    outside = Outside()
    outside.feed(text)
    assert outside.found == []
    assert "url(http" not in text
    assert "<title>&lt;squares&gt;</title>" in text
    assert "4 of 6 points have results, 2 failed" in text
    assert text.count("ValueError: n is bad</span> n=2") == 2
    assert "fail: 2, kind: fine" in text
    assert "<tr><td>kind</td><td>fine</td></tr>" in text
    for record in results.records:
        assert record.key[:12] in text
        if not record.done:
            assert f"--key {record.key[:12]}" in text
    assert "<tr><td>numpy</td>" in text
    assert "raise ValueError" in text


def test_overview(failing):
    _, results = failing
    head, rows = overview(results)
    assert head == ["key", "n", "seed", "square", "seconds", "status"]
    assert [row[1:4] + row[5:] for row in rows] == [
        ["1", "0", "1", "done"], ["1", "1", "1.1", "done"],
        ["2", "0", "", "failed"], ["2", "1", "", "failed"],
        ["3", "0", "9", "done"], ["3", "1", "9.1", "done"],
    ]  # fmt: skip


def test_result_that_is_called_like_a_parameter(tmp_path, silent):
    task = tmp_path / "same.py"
    task.write_text("def run(parameters, report): return {'n': -parameters['n'], 'status': 'x'}\n")
    study = Study(name="a", task=str(task), grid={"n": [1, 2]}, workers=1)
    results = run(study, folder=tmp_path / "a", watcher=silent)
    _, rows = results.query('select n, "result.n", "result.status", status from results')
    assert rows == [(1, -1, "x", "done"), (2, -2, "x", "done")]
    assert "result.n" in overview(results)[0]
    assert page(results)


def test_columns_of_mixed_values(tmp_path, silent):
    task = tmp_path / "mixed.py"
    task.write_text(
        "def run(parameters, report):\n"
        "    n = parameters['n']\n"
        "    return {'a': n, 'b': [n, n], 'c': [[n], [2]], 'd': float('nan'), 'e': n == 1}\n"
    )
    study = Study(name="a", task=str(task), grid={"n": [1, 2.5, "x'y"]}, workers=1)
    results = run(study, folder=tmp_path / "a", watcher=silent)
    _, rows = results.query("select a, b, c, d, e from results order by a")
    assert rows == [
        ("1", ["1", "1"], [["1"], ["2"]], None, True),
        ("2.5", ["2.5", "2.5"], [["2.5"], ["2"]], None, False),
        ("x'y", ["x'y", "x'y"], [["x'y"], ["2"]], None, False),
    ]
    # of what is no number there is no picture
    assert page(results)
    assert [title for title, _ in figures(results)] == ["a"]


def test_search_is_dots_over_every_parameter(square, tmp_path, silent):
    study = Study(
        name="s", task=str(square), workers=1,
        search=Search(space={"n": [1, 2, 3, 4], "scale": [1, 2, 3]}, objective="square", trials=5),
    )  # fmt: skip
    results = run(study, folder=tmp_path / "a", watcher=silent)
    ((_, svg),) = figures(results)
    assert svg.count("PathCollection") == 2
    values = {r.result["square"]: r.parameters for r in results.done}
    top = values[max(values)]
    assert best(results) == f"best square: {max(values):g} at n {top['n']}, scale {top['scale']}"


def test_repeats_alone_are_an_axis_even_where_one_has_no_number():
    results = made([], repeats=(0, 1, 2))
    results.records[1].result["y"] = None
    assert {"seed", "y"} <= drawn(results)[0]
