"""The report of a study: one page that needs nothing else."""

from collections.abc import Sequence
from html import escape
from typing import Any

from panther.study.errors import StudyError
from panther.study.front_plots import MOST_FRONTS, draw
from panther.study.fronts import Found, Front, find, means, numbered, units_of
from panther.study.fronts import table as front_table
from panther.study.plots import dimensions, figures, grouped, metrics, svg_of, text_of
from panther.study.results import OWN, Results, columns
from panther.study.store import SHORT
from panther.train.report import STYLE
from panther.train.report import table as plain_table

MORE_STYLE = """
figure { max-width: none; overflow-x: auto; } figure svg { height: auto; background: #fff; }
figure svg text { fill: #000; } pre { overflow-x: auto; font: 12.5px/1.45 ui-monospace, monospace; }
.failed { color: #b3261e; } summary { cursor: pointer; } .small { font-size: .85rem; }
"""


def page(results: Results) -> str:
    """HTML of a study as it stands."""
    manifest, rows = results.manifest, results.rows
    missing = len(rows) - len(results.done) - len(results.failed)
    counts = f"{len(results.done)} of {len(rows)} points have results"
    if results.failed:
        counts += f", {len(results.failed)} failed"
    if missing:
        counts += f", {missing} have not been run"
    seconds = sum(record.seconds for record in results.done)
    parts = [
        f"<h1>{escape(manifest.name)}</h1>",
        f"<p>task {escape(manifest.task)}; {counts}; {seconds:,.0f} s of work</p>",
    ]
    if results.done:
        parts.append("<h2>Results</h2>")
        if manifest.objective:
            parts.append(f"<p>{escape(best(results))}</p>")
        drawn = figures(results)
        pictures = "".join(
            f"<figure><figcaption>{escape(title)}</figcaption>{svg}</figure>"
            for title, svg in drawn
        )
        parts.append(f'<div class="curves">{pictures}</div>')
        left_out = [name for name in metrics(results) if name not in [t for t, _ in drawn]]
        if left_out:
            parts.append(f"<p>No picture shows {escape(', '.join(left_out))}: see the table.</p>")
        if manifest.repeat and drawn and not manifest.objective:
            parts.append(
                f"<p>Means over {escape(', '.join(manifest.repeat))}; shaded, or as bars, the span "
                "from the least to the greatest.</p>"
            )
        parts += _fronts(results)
    if results.failed:
        parts.append("<h2>Failed points</h2>")
        for record in results.failed:
            said = " ".join(f"{n}={record.parameters[n]}" for n in varying(results))
            parts.append(
                f'<details><summary><span class="failed">{escape(record.error)}</span> '
                f"{escape(said)}</summary><p>Replay: <code>{escape(results.replay(record))}</code>"
                f"</p><pre>{escape(record.traceback)}</pre></details>"
            )
    parts += ["<h2>Points</h2>", _points(results, rows)]
    fixed = [(n, v) for n, v in rows[0].items() if n in manifest.points[0]["parameters"]
             and n not in varying(results)] if rows else []  # fmt: skip
    if fixed:
        parts += ["<h2>Parameters of all points</h2>", table(["parameter", "value"], fixed)]
    parts += ["<h2>Study</h2>", f"<pre>{escape(manifest.text)}</pre>", "<h2>Versions</h2>"]
    parts.append(table(["what", "version"], _versions(results)))
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(manifest.name)}</title>\n<style>{STYLE}{MORE_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def fronts(results: Results, texts: Sequence[str] = ()) -> list[Found]:
    """Pareto fronts of a study's means over repeats: those given, or its own.

    Raises
    ------
    StudyError
        If there are none, or one cannot be had.
    """
    wanted = [Front.parse(text) for text in texts or results.manifest.fronts]
    if not wanted:
        raise StudyError("Front must be given, for the study has none: energy_j:min,accuracy:max")
    rows = means(results)
    return [find(rows, front) for front in wanted]


def _fronts(results: Results) -> list[str]:
    if not results.manifest.fronts:
        return []
    parts = ["<h2>Pareto fronts</h2>"]
    try:
        found = fronts(results)
    except StudyError as error:  # the points there are so far may have none
        return [*parts, f"<p>{escape(str(error))}</p>"]
    names = varying_means(results)
    if len(found) <= MOST_FRONTS:
        parts.append(f"<figure>{svg_of(draw(found, names))}</figure>")
    numbers, units = numbered(found, names), units_of(found)
    for front in found:
        head, lines = front_table(front, numbers, units, names)
        parts += [f"<p>{escape(str(front.front))}</p>", table(head, lines)]
    return parts


def varying_means(results: Results) -> list[str]:
    """Parameters that are not the same in all points, but for the repeats."""
    return [name for name in varying(results) if name not in results.manifest.repeat]


def best(results: Results) -> str:
    """The best trial of a search, in words."""
    manifest = results.manifest
    axes = dimensions(manifest)
    repeats = max(1, len({str([p["parameters"][n] for n in manifest.repeat])
                          for p in manifest.points}))  # fmt: skip
    means = {
        place: sum(values) / len(values)
        for place, values in grouped(results, axes, manifest.objective).items()
        if len(values) % repeats == 0
    }
    if not means:
        return "no trial is complete"
    choose = max if manifest.direction == "maximise" else min
    place = choose(means, key=means.__getitem__)
    said = ", ".join(
        f"{axis.label} {text_of(part)}" for axis, part in zip(axes, place, strict=True)
    )
    return f"best {manifest.objective}: {means[place]:.6g} at {said}"


def varying(results: Results) -> list[str]:
    """Parameters that are not the same in all points."""
    points = [point["parameters"] for point in results.manifest.points]
    names = dict.fromkeys(name for point in points for name in point)
    return [name for name in names if any(p.get(name) != points[0].get(name) for p in points)]


def overview(results: Results) -> tuple[list[str], list[list[str]]]:
    """Head and lines of a table of all points: what varies, what matters, how it went."""
    rows = results.rows
    shown = [results.column(name) for name in metrics(results)]
    scalars = [n for n in shown if not any(isinstance(row.get(n), list) for row in rows)]
    names = [*varying(results), *scalars, "seconds", "status"]
    lines = [[_cell(row.get(name)) for name in names] for row in rows]
    return ["key", *names], [
        [row["key"][:SHORT], *line] for row, line in zip(rows, lines, strict=True)
    ]


def _points(results: Results, rows: list[dict[str, Any]]) -> str:
    names = [*varying(results)]
    taken = {*results.manifest.points[0]["parameters"]} if rows else set()
    for name in columns(rows):
        if name not in taken and name not in OWN:
            if not any(isinstance(row.get(name), list) for row in rows):
                names.append(name)
    names += ["seconds", "status"]
    lines = [[row["key"][:SHORT], *(_cell(row.get(name)) for name in names)] for row in rows]
    return f'<div class="small">{table(["key", *names], lines)}</div>'


def _versions(results: Results) -> list[tuple[str, str]]:
    found: dict[str, dict[str, None]] = {}
    for record in results.done:
        for name, version in record.packages.items():
            found.setdefault(name, {})[version] = None
    versions = [(name, ", ".join(there)) for name, there in found.items()]
    return [*versions, ("code of the task", results.manifest.version[:SHORT])]


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """An HTML table whose numbers have four digits."""
    return plain_table(head, [[_cell(cell) for cell in row] for row in rows])


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
