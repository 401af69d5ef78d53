"""Pareto fronts: who is on them, by hand; and pictures in which numbers can be read."""

import itertools
import re

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from panther.study import StudyError
from panther.study.front_plots import draw, groups, write
from panther.study.fronts import (
    Bound,
    Front,
    Goal,
    find,
    means,
    non_dominated,
    numbered,
    shown_in,
    units_of,
)
from panther.study.fronts import table as front_table
from panther.study.report import page
from panther.study.results import Results
from panther.study.store import Manifest, Record


@pytest.mark.parametrize(
    ("values", "front"),
    [
        ([(1, 4), (2, 3), (3, 3), (4, 1), (4, 2)], [0, 1, 3]),  # a tie in one goal is dominated
        ([(1, 1), (1, 1), (2, 0), (1, 2)], [0, 1, 2]),  # equal points stay together
        ([(2, 2), (2, 2), (1, 1)], [2]),  # ... or leave together
        ([(5, 5)], [0]),
        ([(1, 2, 3), (2, 1, 3), (3, 3, 1), (2, 2, 3), (3, 3, 2), (1, 2, 3)], [0, 1, 2, 5]),
        ([(1, 2, 3), (1, 2, 2), (1, 1, 3)], [1, 2]),
    ],
)
def test_front_by_hand(values, front):
    assert non_dominated(values) == front


@pytest.mark.parametrize(("levels", "goals", "points"), [(3, 2, 3), (2, 3, 4)])
def test_front_is_what_the_definition_says_of_all_small_sets(levels, goals, points):
    grid = list(itertools.product(range(levels), repeat=goals))
    for values in itertools.product(grid, repeat=points):
        slow = [
            n
            for n, one in enumerate(values)
            if not any(
                other != one and all(a <= b for a, b in zip(other, one, strict=True))
                for other in values
            )
        ]
        assert non_dominated(values) == slow, values


def test_goals_and_bounds_are_read_and_said_again():
    text = "energy_j:min,accuracy:max,accuracy>=0.9,time_s<=1e-06"
    front = Front.parse(text)
    assert front.goals == (Goal("energy_j"), Goal("accuracy", highest=True))
    assert front.bounds == (Bound("accuracy", 0.9), Bound("time_s", 1e-6, above=False))
    assert str(front) == text
    assert Front.parse(str(front)) == front


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("energy_j:min", "two different goals or more, not 'energy_j:min'"),
        ("energy_j:min,energy_j:max", "two different goals or more"),
        ("energy_j,accuracy:max", "min or max, and bounds, such as .*, not 'energy_j'"),
        ("energy_j:low,accuracy:max", "not 'energy_j:low'"),
        ("a:min,b:max,a>=1e", "Bound of a front must be a number, not '1e'"),
    ],
)
def test_what_is_no_front_is_refused(text, said):
    with pytest.raises(StudyError, match=said):
        Front.parse(text)


ROWS = [
    {"energy_j": e * 1e-9, "accuracy": a, "name": f"point {n}", "on": True}
    for n, (e, a) in enumerate([(10, 0.7), (20, 0.9), (30, 0.9), (50, 0.95), (60, 0.94)])
]


def test_high_goals_and_bounds():
    front = Front.parse("energy_j:min,accuracy:max")
    assert find(ROWS, front).best == (0, 1, 3)
    other_way = Front.parse("accuracy:max,energy_j:min")
    assert find(ROWS, other_way).best == (3, 1, 0)  # the best accuracy first
    bounded = find(ROWS, Front.parse("energy_j:min,accuracy:max,accuracy>=0.9"))
    assert [row["name"] for row in bounded.rows] == [f"point {n}" for n in (1, 2, 3, 4)]
    assert bounded.best == (0, 2)


def test_what_cannot_be_found_is_said():
    with pytest.raises(StudyError, match="one of energy_j, accuracy, not 'power_w'"):
        find(ROWS, Front.parse("power_w:min,accuracy:max"))
    with pytest.raises(StudyError, match="points within its bounds, not none"):
        find(ROWS, Front.parse("energy_j:min,accuracy:max,accuracy>=0.99"))


def test_units():
    assert shown_in("energy_j", [3e-9, 9e-8, 5e-6]) == ("energy, nJ", 1e9)
    assert shown_in("area_m2", [6e-8]) == ("area, µm²", 1e12)
    assert shown_in("area_m2", [6e-7]) == ("area, mm²", 1e6)
    assert shown_in("edp_js", [1e-14]) == ("edp, nJ µs", 1e15)
    assert shown_in("at_limit", [0.1]) == ("at limit", 1.0)


def studied(points, fronts=(), repeats=(0, 1), label=True):
    """Results with a result of energy, time and accuracy for each point, in two repeats."""
    places, records = [], []
    for a, b, energy, time, accuracy in points:
        for seed in repeats:
            parameters = {"a": a, "b": b, "seed": seed}
            key = f"{len(places):064}"
            places.append({"key": key, "parameters": parameters})
            result = {"energy_j": energy, "time_s": time, "accuracy": accuracy + seed / 100}
            result |= {"label": f"{a} with {b}"} if label else {}
            records.append(Record(key=key, task="t", version="0", parameters=parameters,
                                  result=result, packages={"numpy": "2.4.6"}))  # fmt: skip
    manifest = Manifest(
        name="made", task="t", version="0" * 64, text="name: made\n", source="", repeat=["seed"],
        axes=[["a"], ["b"]], shown=["accuracy"], objective="", points=places, fronts=list(fronts),
    )  # fmt: skip
    return Results(folder=None, manifest=manifest, records=tuple(records))


SPREAD = [
    (a, b, 1e-9 * (1 + 3 * n + 0.01 * m), 1e-6 / (1 + n) * (1 + m), 0.8 + 0.02 * n)
    for n, a in enumerate("uvwxyz")
    for m, b in enumerate((16, 32))
]
FRONTS = ("energy_j:min,accuracy:max", "energy_j:min,time_s:min,accuracy:max")


def test_means_are_over_repeats():
    rows = means(studied(SPREAD))
    assert len(rows) == len(SPREAD)
    assert rows[0] == {
        "a": "u", "b": 16, "energy_j": 1e-9, "time_s": 1e-6, "accuracy": pytest.approx(0.805),
        "label": "u with 16",
    }  # fmt: skip


def found(rows, fronts=FRONTS):
    return [find(rows, Front.parse(text)) for text in fronts]


def test_points_have_the_same_number_in_all_tables():
    fronts = found(means(studied(SPREAD)))
    numbers, units = numbered(fronts, ["a", "b"]), units_of(fronts)
    head, lines = front_table(fronts[0], numbers, units, ["a", "b"])
    assert head == ["number", "energy, nJ", "accuracy", "point"]
    assert lines[0] == ["1", "1", "0.805", "u with 16"]
    assert lines[-1] == ["6", "16", "0.905", "z with 16"]
    head, lines = front_table(fronts[1], numbers, units, ["a", "b"])
    assert head == ["number", "energy, nJ", "time, µs", "accuracy", "point"]
    assert [line[0] for line in lines] == ["1", "2", "3", "4", "5", "6"]
    # without labels parameters say what it is
    bare = found(means(studied(SPREAD, label=False)))
    numbers = numbered(bare, ["a", "b"])
    assert front_table(bare[0], numbers, units, ["a", "b"])[1][0][-1] == "a u, b 16"


def boxes(figure):
    """Boxes of the numbers and of all other texts of a figure, drawn."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    numbers = []
    for axes in figure.axes:
        inside = axes.get_window_extent(renderer)
        for text in axes.texts:
            box = Text.get_window_extent(text, renderer)  # without the line to its point
            assert inside.x0 <= box.x0 < box.x1 <= inside.x1
            numbers.append(box)
    others = [*figure.texts, *figure.legends, *(axes.title for axes in figure.axes)]
    boxes = [other.get_window_extent(renderer) for other in others]
    return numbers, [box for box in boxes if box.width > 1]


def test_numbers_and_texts_of_a_picture_do_not_overlap():
    # points closely together, and others far away
    close = [(a, 1, 1e-9 * 1.05**n, 1e-6, 0.9 + 0.0005 * n) for n, a in enumerate("abcdefgh")]
    close += [("x", 1, 1e-7, 1e-6, 0.99), ("y", 1, 1e-10, 1e-6, 0.8)]
    for points in (SPREAD, close):
        figure = draw(found(means(studied(points))), ["b"], title="made")
        numbers, texts = boxes(figure)
        assert len(numbers) >= 12
        inside = figure.bbox
        for box in (*numbers, *texts):
            assert inside.x0 <= box.x0 < box.x1 <= inside.x1
            assert inside.y0 <= box.y0 < box.y1 <= inside.y1
        for one, other in itertools.combinations(numbers, 2):
            # the boxes of texts are higher than digits
            assert not one.shrunk(0.9, 0.7).overlaps(other.shrunk(0.9, 0.7))
        for one, other in itertools.combinations(texts, 2):
            assert not one.shrunk(0.9, 0.7).overlaps(other.shrunk(0.9, 0.7))


def test_axes_end_near_the_front():
    rows = [{"energy_j": e, "accuracy": a} for e, a in ((1, 0.8), (2, 0.9), (3.9, 0.7), (90, 0.9))]
    (axes,) = draw(found(rows, FRONTS[:1]), []).axes
    assert axes.get_title() == "1 of 4 are farther away"
    assert axes.get_xlim() == pytest.approx((1 / 1.15, 4 * 1.15))
    (axes,) = draw(found(rows[:3], FRONTS[:1]), []).axes
    assert axes.get_title() == ""
    assert axes.get_xlim() == pytest.approx((1 / 1.15, 3.9 * 1.15))


def test_columns_of_few_values_have_colours_and_shapes(tmp_path):
    rows = means(studied(SPREAD))
    assert groups(rows, ["a", "b", "energy_j"]) == ["a", "b"]
    figure = draw(found(rows), ["a", "b"], title="made")
    said = {text.get_text() for legend in figure.legends for text in legend.get_texts()}
    assert said == {"a:", *"uvwxyz", "b:", "16", "32"}
    with pytest.raises(StudyError, match="energy_j must have at most 6 values for a picture"):
        draw(found(rows), ["a", "b"], colour="energy_j")
    for name in ("front.png", "front.pdf", "front.svg"):
        write(figure, tmp_path / name)
        assert (tmp_path / name).stat().st_size > 1000
    with pytest.raises(StudyError, match=re.escape("one of .png, .pdf, .svg, not 'front.txt'")):
        write(figure, tmp_path / "front.txt")


def test_page_has_the_fronts_of_the_study():
    text = page(studied(SPREAD, FRONTS))
    assert "<h2>Pareto fronts</h2>" in text
    assert "energy_j:min,time_s:min,accuracy:max" in text
    # in tables of two fronts, and in that of all points, twice
    assert text.count("<td>u with 16</td>") == 4
    assert "Pareto" not in page(studied(SPREAD))
    impossible = page(studied(SPREAD, ["power_w:min,accuracy:max"]))
    assert "Goal of a front must be one of" in impossible
