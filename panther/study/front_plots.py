"""Pictures of Pareto fronts, as wide as a page of a paper.

A panel a front. Its points have numbers, the same in all panels, and the lines below say what they
are. Goals that are to be low have a logarithmic axis, as far as what is near the front; a third one
is the size of the dots.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from panther.study.errors import StudyError
from panther.study.fronts import Found, Units, label_of, numbered, units_of

INCH_MM = 25.4
WIDTH_MM = 180.0
PANEL_MM = 56.0
"""Height of a panel."""
LEFT_MM, GAP_MM, RIGHT_MM, TITLE_MM, LEGEND_MM, AXIS_MM, LINE_MM = 13.0, 13.5, 2, 6, 10, 10, 3.2
POINTS = 7.0
"""Size of the smallest text."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
"""Told apart by the colour-blind, too (Okabe and Ito)."""
SHAPES = ("o", "s", "^", "D", "v", "P")
DOT = 18.0
SIZES = (10.0, 90.0)
"""Of dots that show a third goal, in square points."""
MARGIN = 1.15
"""Of logarithmic axes."""
MOST_TICKS = 6
MOST_FRONTS = 3
MOST_GROUPS = len(COLOURS)


def groups(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """Of these columns those that colours or shapes can tell: with two to six different values."""
    return [name for name in names if 2 <= len({str(row.get(name)) for row in rows}) <= MOST_GROUPS]


def draw(
    fronts: Sequence[Found], varying: Sequence[str], *, colour: str | None = None,
    shape: str | None = None, title: str = "",
) -> Any:  # fmt: skip
    """A Matplotlib figure of one to three fronts.

    Parameters
    ----------
    fronts
        Of the same study.
    varying
        Parameters that are not the same in all its points.
    colour, shape
        Columns whose values have colours, or shapes; the first that can if not given.
    title
        Above all.

    Raises
    ------
    StudyError
        If there are too many fronts, or a column has too many values.
    """
    import matplotlib
    import matplotlib.figure

    if not 1 <= len(fronts) <= MOST_FRONTS:
        raise StudyError(f"Picture must have one to three fronts, not {len(fronts)}")
    rows = [row for found in fronts for row in found.rows]
    free = groups(rows, varying)
    colours = _legend(rows, colour or next(iter(free), None), COLOURS)
    left = [name for name in free if name != (colour or next(iter(free), None))]
    shapes = _legend(rows, shape or next(iter(left), None), SHAPES)
    numbers, units = numbered(fronts, varying), units_of(fronts)
    with matplotlib.rc_context({"font.size": POINTS, "svg.fonttype": "none"}):
        below = _lines(numbers)
        height = TITLE_MM + LEGEND_MM + PANEL_MM + AXIS_MM + LINE_MM * len(below) + 2
        figure = matplotlib.figure.Figure(figsize=(WIDTH_MM / INCH_MM, height / INCH_MM))
        wide = (WIDTH_MM - LEFT_MM - RIGHT_MM - GAP_MM * (len(fronts) - 1)) / len(fronts)
        bottom = height - TITLE_MM - LEGEND_MM - PANEL_MM
        for n, found in enumerate(fronts):
            place = (LEFT_MM + n * (wide + GAP_MM), bottom, wide, PANEL_MM)
            axes = figure.add_axes(_shares(place, height))
            _panel(axes, found, units, colours, shapes)
            _number(axes, found, units, numbers, varying)
        figure.text(0.5, 1 - 1 / height, title, ha="center", va="top", size=POINTS + 1.5)
        _legends(figure, height, colours, shapes)
        for n, line in enumerate(below):
            y = (bottom - AXIS_MM - LINE_MM * n) / height
            for x, number, text in line:
                figure.text(x + 3 / WIDTH_MM, y, number, va="top", ha="right")
                figure.text(x + 4.5 / WIDTH_MM, y, text, va="top")
    return figure


def write(figure: Any, path: Path) -> None:
    """Write a figure as PNG, PDF or SVG, as its name says.

    Raises
    ------
    StudyError
        If it says something else.
    """
    metadata: dict[str, dict[str, Any]] = {
        ".png": {"Software": None}, ".pdf": {"CreationDate": None, "Producer": None},
        ".svg": {"Date": None, "Creator": None},
    }  # fmt: skip
    if path.suffix not in metadata:
        raise StudyError(f"Picture must be one of {', '.join(metadata)}, not {path.name!r}")
    figure.savefig(path, dpi=220, metadata=metadata[path.suffix])


Box = tuple[float, float, float, float]
"""Left, bottom, width and height."""
Groups = tuple[str | None, dict[str, str]]
"""A column, and what each of its values looks like."""


def _legend(rows: Sequence[Mapping[str, Any]], name: str | None, looks: Sequence[str]) -> Groups:
    if name is None:
        return None, {}
    values = list(dict.fromkeys(str(row.get(name)) for row in rows))
    if len(values) > len(looks):
        raise StudyError(
            f"{name} must have at most {len(looks)} values for a picture, not {len(values)}"
        )
    return name, dict(zip(values, looks, strict=False))


def _look(row: Mapping[str, Any], legend: Groups, default: str) -> str:
    name, looks = legend
    return default if name is None else looks[str(row.get(name))]


def _shares(place: Box, height: float) -> Box:
    x, y, wide, high = place
    return x / WIDTH_MM, y / height, wide / WIDTH_MM, high / height


def _lines(numbers: Mapping[str, int]) -> list[list[tuple[float, str, str]]]:
    """Texts that say what numbers are, in two columns, with their places from left to right."""
    texts: list[list[tuple[str, str]]] = []
    for label, number in numbers.items():
        first, *more = textwrap.wrap(label, 62) or [""]
        texts.append([(str(number), first), *(("", part) for part in more)])
    total = sum(len(text) for text in texts)
    columns: list[list[tuple[str, str]]] = [[], []]
    for text in texts:
        columns[len(columns[0]) >= total / 2].extend(text)
    left = LEFT_MM / 2 / WIDTH_MM
    found = []
    for n in range(max(map(len, columns))):
        pairs = zip((left, left + 0.5), columns, strict=True)
        found.append([(x, *column[n]) for x, column in pairs if n < len(column)])
    return found


def _panel(axes: Any, found: Found, units: Units, colours: Groups, shapes: Groups) -> None:
    goals = found.front.goals
    columns = []
    for goal in goals:
        values = [row[goal.name] for row in found.rows]
        text, factor = units[goal.name]
        columns.append((text, [value * factor for value in values]))
    (x_text, x), (y_text, y) = columns[:2]
    sizes = _sizes(found)
    title = []
    if len(columns) > 2:
        text, third = columns[2]
        what, _, unit = text.rpartition(", ")
        title.append(
            f"dots: {what or unit}, {min(third):.2g} to {max(third):.2g} {unit if what else ''}"
        )
    alike: dict[tuple[bool, str, str], list[int]] = {}
    # large ones first, or they would hide small ones
    for n in sorted(range(len(x)), key=lambda n: -sizes[n]):
        row = found.rows[n]
        look = _look(row, colours, COLOURS[0]), _look(row, shapes, "o")
        alike.setdefault((n in found.best, *look), []).append(n)
    for (on, colour, shape), chosen in alike.items():
        axes.scatter(
            [x[n] for n in chosen], [y[n] for n in chosen], s=[sizes[n] for n in chosen],
            marker=shape, color=colour, alpha=1.0 if on else 0.22,
            edgecolors="black" if on else "none", linewidths=0.7, zorder=3 if on else 2,
        )  # fmt: skip
    if len(goals) == 2:
        axes.plot([x[n] for n in found.best], [y[n] for n in found.best], color="0.35",
                  linewidth=0.7, zorder=2.5, drawstyle="steps-post")  # fmt: skip
    outside: set[int] = set()
    for goal, values, which in zip(goals, (x, y), (axes.xaxis, axes.yaxis), strict=False):
        if not goal.highest and min(values) > 0:
            high = _logarithmic(axes, which, [values[n] for n in found.best], max(values))
            outside |= {n for n, value in enumerate(values) if value > high}
    if outside:
        title.append(f"{len(outside)} of {len(x)} are farther away")
    axes.set_title("\n".join(title), size=POINTS, pad=2)
    axes.set_xlabel(x_text, labelpad=1)
    axes.set_ylabel(y_text, labelpad=1)
    axes.tick_params(which="both", labelsize=POINTS, pad=1.5, length=2.5)
    axes.grid(alpha=0.25, linewidth=0.4)


def _sizes(found: Found) -> list[float]:
    """Of dots, in square points; from the least value of a third goal to the greatest, in equal
    ratios.
    """
    if len(found.front.goals) < 3:
        return [DOT] * len(found.rows)
    values = [row[found.front.goals[2].name] for row in found.rows]
    logs = [math.log(value) if min(values) > 0 else value for value in values]
    low, span = min(logs), max(logs) - min(logs) or 1.0
    return [SIZES[0] + (SIZES[1] - SIZES[0]) * (value - low) / span for value in logs]


def _logarithmic(axes: Any, which: Any, front: Sequence[float], most: float) -> float:
    """From the front to what is as far from it as it is wide, or half of it again; returns where
    the axis ends.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

    getattr(axes, f"set_{which.axis_name}scale")("log")
    low, widest = min(front) / MARGIN, max(front) * max(max(front) / min(front), 1.5)
    high = MARGIN * min(most, widest)
    getattr(axes, f"set_{which.axis_name}lim")(low, high)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 5), (1,)):
        ticks = [step * 10.0**n for n in decades for step in steps if low <= step * 10.0**n <= high]
        if len(ticks) <= MOST_TICKS:
            break
    which.set_major_locator(FixedLocator(ticks))
    which.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    which.set_minor_formatter(NullFormatter())
    return high


def _number(
    axes: Any, found: Found, units: Units, numbers: Mapping[str, int], varying: Sequence[str]
) -> None:  # fmt: skip
    """Numbers beside the points on the front, where they hide neither these nor each other."""
    from matplotlib.transforms import Bbox

    first, second = (goal.name for goal in found.front.goals[:2])
    factors = [units[name][1] for name in (first, second)]
    scale = axes.figure.dpi / 72
    places = {
        n: axes.transData.transform(
            (found.rows[n][first] * factors[0], found.rows[n][second] * factors[1])
        )
        for n in found.best
    }
    sizes = _sizes(found)
    half = {n: (math.sqrt(sizes[n]) / 2 + 0.5) * scale for n in found.best}
    taken = [
        Bbox.from_extents(x - half[n], y - half[n], x + half[n], y + half[n])
        for n, (x, y) in places.items()
    ]
    inside = axes.get_window_extent()
    high = POINTS * scale
    for n in found.best:
        text = str(numbers[label_of(found.rows[n], varying)])
        wide = (0.62 * POINTS * len(text) + 2) * scale
        options = []
        for more in (3.5, 6, 9, 13, 18, 24, 31):
            far = half[n] / scale + more
            for turn in range(16):
                angle = math.pi / 8 * (turn + 2)
                dx, dy = far * scale * math.cos(angle), far * scale * math.sin(angle)
                x, y = places[n] + (dx, dy)
                box = Bbox.from_extents(x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
                hidden = sum(map(bool, (Bbox.intersection(box, other) for other in taken)))
                out = not (inside.x0 <= box.x0 and box.x1 <= inside.x1
                           and inside.y0 <= box.y0 and box.y1 <= inside.y1)  # fmt: skip
                options.append((10 * out + hidden, more, turn, (dx / scale, dy / scale), box))
        _, more, _, offset, box = min(options, key=lambda option: option[:3])
        taken.append(box)
        where = found.rows[n][first] * factors[0], found.rows[n][second] * factors[1]
        axes.annotate(
            text, where, offset, textcoords="offset points", ha="center", va="center_baseline",
            zorder=5, arrowprops={"arrowstyle": "-", "linewidth": 0.4, "shrinkA": 3, "shrinkB": 1}
            if more > 6 else None,
        )  # fmt: skip


def _legends(figure: Any, height: float, colours: Groups, shapes: Groups) -> None:
    from matplotlib.lines import Line2D

    handles, names = [], []
    for name, looks in (colours, shapes):
        if name is None:
            continue
        handles.append(Line2D([], [], linestyle="none"))
        names.append(f"{name.replace('_', ' ')}:")
        for value, look in looks.items():
            is_shape = looks is shapes[1]
            handles.append(
                Line2D([], [], linestyle="none", marker=look if is_shape else "o", markersize=4,
                       color="0.4" if is_shape else look)
            )  # fmt: skip
            names.append(value)
    if handles:
        figure.legend(
            handles, names, loc="upper center", ncols=len(handles), frameon=False, borderpad=0,
            handletextpad=0.1, columnspacing=0.9, handlelength=1.2,
            bbox_to_anchor=(0.5, 1 - TITLE_MM / height),
        )  # fmt: skip
