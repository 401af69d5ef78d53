"""Pictures of a study: which axes vary decides what is drawn. SVG, for a page that needs no other
file.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from panther.study.errors import StudyError
from panther.study.results import Results
from panther.study.store import Manifest, Record

MOST_LINES = 12
"""In one picture."""
MOST_PANELS = 6
HEATMAP_VALUES = 4
"""From so many values on each of two axes they span a heatmap."""
LOG_RATIO = 30
"""From this ratio of the greatest to the least value on, an axis is logarithmic."""
MOST_LETTERS = 400
"""Of all words below an axis."""
MOST_TICKS = 8
"""Places that stand below a logarithmic axis; of more, powers of ten."""
WIDTH, HEIGHT = 5.6, 3.4
"""Inches of a panel."""

Place = tuple[Any, ...]
"""Values of an axis' parameters."""


@dataclass(frozen=True)
class Spread:
    """Results of a point over its repeats."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Dimension:
    """An axis along which points differ."""

    names: tuple[str, ...]
    places: tuple[Place, ...]
    """In the order of the study; of a search, ascending."""

    @property
    def label(self) -> str:
        return ", ".join(self.names)

    @property
    def numbers(self) -> list[float] | None:
        """Where to draw the places, None if they are no numbers."""
        values = [place[0] for place in self.places]
        if len(self.names) > 1 or not all(_is_number(value) for value in values):
            return None
        return [float(value) for value in values]


def dimensions(manifest: Manifest) -> list[Dimension]:
    """Axes with more than one value, without the repeats."""
    found = []
    for names in manifest.axes:
        places = dict.fromkeys(
            tuple(_hashable(point["parameters"][name]) for name in names)
            for point in manifest.points
        )
        if len(places) > 1:
            found.append(Dimension(tuple(names), tuple(places)))
    return found


def figures(results: Results) -> list[tuple[str, str]]:
    """Titles and SVGs of what the task wants shown.

    Raises
    ------
    StudyError
        If Matplotlib is missing.
    """
    try:
        import matplotlib.figure
    except ImportError as error:
        raise StudyError(f"Pictures need pip install 'panther-rtl[study]': {error}") from error
    found = []
    axes = dimensions(results.manifest)
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "panther", "font.size": 9}):
        for metric in metrics(results):
            values = [_value(record, metric) for record in results.done]
            lists = [isinstance(value, list) for value in values if value is not None]
            if any(lists):
                drawn = _lists(results, axes, metric) if all(lists) else None
            elif results.manifest.objective:
                drawn = _search(results, axes, metric)
            else:
                drawn = _scalars(results, axes, metric)
            if drawn is not None:
                found.append((metric, svg_of(drawn)))
    return found


def metrics(results: Results) -> list[str]:
    """Names of results that are shown: as the task says, else the first three numbers."""
    there: dict[str, None] = {}
    for record in results.done:
        there |= {
            name: None
            for name, value in (record.result or {}).items()
            if _is_number(value) or (isinstance(value, list) and value)
        }
    shown = [name for name in results.manifest.shown if name in there]
    scalars = [n for n in there if any(_is_number((r.result or {}).get(n)) for r in results.done)]
    return shown or scalars[:3]


def grouped(results: Results, axes: Sequence[Dimension], metric: str) -> dict[Place, list[Any]]:
    """Results of all repeats, by the places on the axes, one after the other."""
    found: dict[Place, list[Any]] = {}
    for record in results.done:
        value = _value(record, metric)
        if value is not None:
            place = tuple(
                tuple(_hashable(record.parameters[name]) for name in axis.names) for axis in axes
            )
            found.setdefault(place, []).append(value)
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _value(record: Record, metric: str) -> Any:
    """A number or a list; None if it is neither."""
    value = (record.result or {}).get(metric)
    return value if _is_number(value) or isinstance(value, list) else None


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def text_of(place: Place) -> str:
    """A place on an axis, in words."""
    return ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in place)


# ---- drawing


def svg_of(figure: Any) -> str:
    """A figure as text for a page."""
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def _figure(panels: int) -> tuple[Any, list[Any]]:
    import matplotlib.figure

    across = min(panels, 2)
    down = -(-panels // across)
    figure = matplotlib.figure.Figure(figsize=(WIDTH * across, HEIGHT * down), layout="constrained")
    plots = list(figure.subplots(down, across, squeeze=False, sharey=True).flat)
    for unused in plots[panels:]:
        unused.set_visible(False)
    return figure, plots[:panels]


def _scalars(results: Results, axes: list[Dimension], metric: str) -> Any:
    """Curves, or a heatmap; None where one picture cannot show it."""
    found = {
        place: Spread(sum(values) / len(values), min(values), max(values))
        for place, values in grouped(results, axes, metric).items()
    }
    if not found or (not axes and len(results.done) < 2):
        return None
    if not axes:
        axes, found = _repeats(results, metric)
    if len(axes) == 2 and all(len(axis.places) >= HEATMAP_VALUES for axis in axes):
        return _heatmap(axes, found, metric)
    # numbers from left to right, of these the longest axis; another as lines, the rest as panels
    ahead = sorted(axes, key=lambda axis: (axis.numbers is None, -len(axis.places)))
    across, *others = ahead
    lines = min(others, key=lambda axis: len(axis.places), default=None)
    rest = [axis for axis in others if axis is not lines]
    panels = _products([axis.places for axis in rest])
    if len(panels) > MOST_PANELS or (lines and len(lines.places) > MOST_LINES):
        return None
    letters = sum(len(text_of(place)) for place in across.places)
    if across.numbers is None and letters > MOST_LETTERS:
        return None
    figure, plots = _figure(len(panels))
    for panel, plot in zip(panels, plots, strict=True):
        for line in lines.places if lines else (None,):
            chosen = dict(zip(rest, panel, strict=True)) | ({lines: line} if lines else {})
            at, spreads = [], []
            for n, place in enumerate(across.places):
                spread = found.get(tuple((chosen | {across: place})[axis] for axis in axes))
                if spread is not None:
                    at.append(across.numbers[n] if across.numbers else n)
                    spreads.append(spread)
            _curve(plot, at, spreads, text_of(line) if line else None, across.numbers is None)
        _label(plot, across, metric)
        titles = zip(rest, panel, strict=True)
        plot.set_title("; ".join(f"{axis.label} {text_of(place)}" for axis, place in titles))
    if lines:
        plots[0].legend(title=lines.label, fontsize="small")
    return figure


def _repeats(results: Results, metric: str) -> tuple[list[Dimension], dict[Place, Spread]]:
    """Repeats as an axis, where there is no other."""
    names = tuple(results.manifest.repeat)
    records = [record for record in results.done if _value(record, metric) is not None]
    axis = Dimension(names, tuple(tuple(r.parameters[n] for n in names) for r in records))
    values = [_value(record, metric) for record in records]
    found = {(p,): Spread(v, v, v) for p, v in zip(axis.places, values, strict=True)}
    return [axis], found


def _curve(
    plot: Any, at: list[float], spreads: list[Spread], name: str | None, apart: bool
) -> None:
    """Means with the span from the least to the greatest; dots alone where places are words."""
    order = sorted(range(len(at)), key=at.__getitem__)
    at, spreads = [at[n] for n in order], [spreads[n] for n in order]
    means = [spread.mean for spread in spreads]
    low, high = [spread.low for spread in spreads], [spread.high for spread in spreads]
    if apart:
        reach = [[s.mean - s.low for s in spreads], [s.high - s.mean for s in spreads]]
        plot.errorbar(at, means, reach, marker="o", linestyle="none", capsize=3, label=name)
        return
    (drawn,) = plot.plot(at, means, marker="o", markersize=4, label=name)
    if low != high:
        plot.fill_between(at, low, high, alpha=0.2, color=drawn.get_color(), linewidth=0)


def _label(plot: Any, across: Dimension, metric: str) -> None:
    numbers = across.numbers
    if numbers is None:
        plot.set_xticks(range(len(across.places)), [text_of(place) for place in across.places])
        if sum(len(text_of(place)) for place in across.places) > 50:
            plot.tick_params(axis="x", rotation=45)
    elif min(numbers) > 0 and max(numbers) / min(numbers) >= LOG_RATIO:
        plot.set_xscale("log")
        if len(numbers) <= MOST_TICKS:
            plot.set_xticks(numbers, [f"{number:g}" for number in numbers])
            plot.minorticks_off()
    plot.set_xlabel(across.label)
    plot.set_ylabel(metric)
    plot.grid(alpha=0.3)


def _heatmap(axes: list[Dimension], found: dict[Place, Spread], metric: str) -> Any:
    down, across = axes
    figure, (plot,) = _figure(1)
    rows = [
        [found[left, right].mean if (left, right) in found else math.nan for right in across.places]
        for left in down.places
    ]
    drawn = plot.imshow(rows, aspect="auto", cmap="viridis")
    middle = sum(drawn.get_clim()) / 2
    if len(down.places) * len(across.places) <= 150:
        for y, row in enumerate(rows):
            for x, value in enumerate(row):
                if not math.isnan(value):
                    plot.text(x, y, f"{value:.3g}", ha="center", va="center", fontsize=7,
                              color="white" if value < middle else "black")  # fmt: skip
    plot.set_xticks(range(len(across.places)), [text_of(p) for p in across.places], rotation=45)
    plot.set_yticks(range(len(down.places)), [text_of(p) for p in down.places])
    plot.set_xlabel(across.label)
    plot.set_ylabel(down.label)
    figure.colorbar(drawn, label=metric)
    return figure


def _lists(results: Results, axes: list[Dimension], metric: str) -> Any:
    """Lists over their places, the mean over repeats, a line a point."""
    found = grouped(results, axes, metric)
    if not found or len(found) > MOST_LINES:
        return None
    figure, (plot,) = _figure(1)
    longest = 0
    for place, values in found.items():
        if not all(_is_number(part) for value in values for part in value):
            return None
        count = min(len(value) for value in values)
        means = [sum(value[n] for value in values) / len(values) for n in range(count)]
        name = "; ".join(text_of(part) for part in place)
        plot.plot(range(1, count + 1), means, marker="o", markersize=3, label=name or None)
        longest = max(longest, count)
    if longest < 2:
        return None
    if axes:
        plot.legend(title="; ".join(axis.label for axis in axes), fontsize="x-small")
    plot.set_xlabel("number")
    plot.set_ylabel(metric)
    plot.grid(alpha=0.3)
    return figure


def _search(results: Results, axes: list[Dimension], metric: str) -> Any:
    """A result against each parameter that was searched."""
    figure, plots = _figure(max(len(axes), 1))
    for axis, plot in zip(axes, plots, strict=False):
        values = [tuple(_hashable(r.parameters[n]) for n in axis.names) for r in results.done]
        if axis.numbers is None:
            at: list[float] = [axis.places.index(value) for value in values]
        else:
            at = [value[0] for value in values]
        reals = [_value(record, metric) for record in results.done]
        plot.scatter(at, [math.nan if real is None else real for real in reals], s=14)
        _label(plot, axis, metric)
    return figure


def _products(places: Sequence[Sequence[Place]]) -> list[tuple[Place, ...]]:
    found: list[tuple[Place, ...]] = [()]
    for choices in places:
        found = [(*before, choice) for before in found for choice in choices]
    return found
