"""Fig. 10 as tables, CSV, pictures and one HTML page that needs nothing else."""

import csv
import io
from collections.abc import Mapping, Sequence

from panther.arch.params import SliceParams
from panther.energy.update import update_prices
from panther.paper.fig10 import (
    ACCURACY_TOLERANCE,
    AT_LIMIT_TOLERANCE,
    CHOSEN,
    MEASURED_EXAMPLE,
    MEASURED_EXAMPLE_AT_LIMIT,
    MEASURED_FLOAT,
    PERIODS,
    SLICINGS,
    VALUE_BITS,
    Figure,
    Outcome,
    same_headroom,
)
from panther.paper.page import Part, Table, page, png, pyplot
from panther.paper.slicing import HARDWARE, NONE, NORMALISED

COLUMNS = (
    "accounting", "batch", "slicing", "crs_period", "cell_bits", "seeds", "accuracy", "lowest",
    "highest", "nj_per_example",
)  # fmt: skip
SLICES = 8
SEEN_PERIOD = 1024
"""CRS period of the picture of saturated fractions."""
LOWEST_SEEN = 60.0
"""Percent; the picture of accuracies does not reach below, its legend says what is there."""
PANELS_ACROSS = 4
TITLES = (
    "normalised, 2 value bits", "hardware, the same cells, 4 value bits",
    "hardware, the same headroom, 4 value bits",
)  # fmt: skip
BARS = ("#7f8c8d", "#c0392b", "#2471a3")


def tables(figure: Figure, *, quick: bool = False) -> list[Table]:
    """All numbers that are worth reading; of a quick run none beside those measured before."""
    measured = [] if quick else [_repeated(figure), _example_by_example(figure)]
    return [_accuracies(figure), _fractions(figure), _energies(figure), *measured, _prices()]


def _percent(outcomes: Mapping[int, Outcome], periods: Sequence[int]) -> list[str]:
    return [f"{100 * outcomes[p].accuracy:.1f}" if p in outcomes else "-" for p in periods]


def _three(figure: Figure, slicing: str) -> tuple[tuple[str, Mapping[int, Outcome]], ...]:
    """The accountings beside each other."""
    return (
        (NORMALISED, figure.normalised(slicing)),
        (HARDWARE, figure.hardware(slicing)),
        (HARDWARE, figure.hardware(same_headroom(slicing))),
    )


def _periods() -> list[str]:
    """Heads of the columns of all accountings and periods."""
    marks = (("N", NORMALISED), ("H", HARDWARE), ("H+2", HARDWARE))
    return [f"{mark} {period}" for mark, accounting in marks for period in PERIODS[accounting]]


def _accuracies(figure: Figure) -> Table:
    rows = []
    for name in figure.slicings:
        cells = [
            cell
            for accounting, outcomes in _three(figure, name)
            for cell in _percent(outcomes, PERIODS[accounting])
        ]
        rows.append([name, str(sum(_cell_bits(name))), *cells, SLICINGS[name]])
    floats = [
        f"{100 * figure.floating(accounting, batch):.1f}"
        for accounting, batch in ((NORMALISED, 64), (HARDWARE, 1))
    ]
    return Table(
        title="Test accuracy, %",
        text=(
            "N: normalised, 2 value bits, batch 64, Adam; H: hardware, the same cells with 4 value "
            "bits, one OPA an example; H+2: hardware with every cell 2 bits wider, that is with "
            "N's headroom. Behind the letter: examples between two CRS. Floating point alone: "
            f"{floats[0]} (N), {floats[1]} (H). A cell of 3 bits cannot hold 4 value bits."
        ),
        head=["slicing", "bits", *_periods(), "named by"],
        rows=rows,
    )


def _fractions(figure: Figure) -> Table:
    rows = []
    for name in figure.slicings:
        cells: list[str] = []
        for accounting, outcomes in _three(figure, name):
            for period in PERIODS[accounting]:
                out = outcomes.get(period)
                if out is None:
                    cells.append("-")
                elif accounting == NORMALISED:
                    cells.append(f"{100 * out.at_limit[0]:.1f}")
                else:
                    cells.append(f"{100 * max(out.at_limit):.0f}")
        rows.append([name, *cells])
    return Table(
        title="Saturated fraction, %",
        text=(
            "Cells at either end of their range. N: of the least significant slice, right after an "
            "update, as the training code reports it. H, H+2: of the worst slice, when a CRS reads "
            "it. All slices are in the CSV."
        ),
        head=["slicing", *_periods()],
        rows=rows,
    )


def _energies(figure: Figure) -> Table:
    def shown(nj: float | None) -> str:
        return "none" if nj is None else f"{nj:.1f}"

    rows = []
    for name in figure.slicings:
        cells = [
            shown(figure.cheapest(accounting, outcomes)) if outcomes else "-"
            for accounting, outcomes in _three(figure, name)
        ]
        rows.append([name, *cells])
    return Table(
        title="Least energy of the updates that keeps the accuracy, nJ",
        text=(
            "For one example and one unit, within a point of floating point, over the CRS periods "
            "that were run. The source prices arrays, not the width of their cells: a slicing "
            "saves energy only by bearing a rarer CRS."
        ),
        head=["slicing", "N", "H", "H+2"],
        rows=rows,
    )


def _repeated(figure: Figure) -> Table:
    rows = []
    for found in figure.deviations():
        rows.append([
            found.slicing, str(found.period),
            f"{100 * found.accuracy:.1f}", f"{100 * found.measured:.1f}",
            f"{100 * (found.accuracy - found.measured):+.1f}",
            f"{found.at_limit:.4f}", f"{found.measured_at_limit:.4g}",
            "good" if found.good else "BAD",
        ])  # fmt: skip
    return Table(
        title="The normalised accounting against what was measured before",
        text=(
            f"Tolerances: accuracy {100 * ACCURACY_TOLERANCE:g} points, saturated fraction of "
            f"slice 0 {AT_LIMIT_TOLERANCE:g}. Floating point: "
            f"{100 * figure.floating(NORMALISED, 64):.1f} here, {100 * MEASURED_FLOAT:.1f} then."
        ),
        head=["slicing", "CRS every", "here", "then", "difference", "fraction", "then", ""],
        rows=rows,
    )


def _example_by_example(figure: Figure) -> Table:
    rows = []
    for name, then in MEASURED_EXAMPLE.items():
        for n, (period, out) in enumerate(figure.normalised(name, batch=1).items()):
            fraction = MEASURED_EXAMPLE_AT_LIMIT[n] if name == CHOSEN else "-"
            rows.append([
                name, str(period), f"{out.lowest:.3f} to {out.highest:.3f}", then[n],
                f"{out.at_limit[0]:.2f}", fraction,
            ])  # fmt: skip
    return Table(
        title="The normalised accounting with one update an example",
        text=(
            "SGD, 5 epochs; floating point "
            f"{figure.floating(NORMALISED, 1):.3f} here, 0.933 and 0.939 then. Seeds differ by "
            "several points here, so this is a comparison by eye."
        ),
        head=["slicing", "CRS every", "here", "then", "fraction", "then"],
        rows=rows,
    )


def _prices() -> Table:
    return Table(
        title="Prices",
        text="An OPA is 16 bits times 8 arrays of pulses, a CRS 8 reads and 8 writes.",
        head=["event", "pJ", "what", "source"],
        rows=[
            [price.name, f"{1e12 * price.value:g}", price.what, price.source]
            for price in update_prices()
        ],
    )


def as_csv(figure: Figure) -> str:
    """Every outcome as a line, saturated and lost fractions of all slices in columns."""
    out = io.StringIO()
    names = [f"{what}_{k}" for what in ("at_limit", "lost") for k in range(SLICES)]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*COLUMNS, *names])
    for (accounting, batch, slicing, period), found in sorted(figure.outcomes.items()):
        bits = "" if slicing == NONE else str(sum(_cell_bits(slicing)))
        fractions = [
            f"{value:.6f}" for values in (found.at_limit, found.lost) for value in values
        ] or [""] * len(names)
        writer.writerow([
            accounting, batch, slicing, period, bits, found.seeds, f"{found.accuracy:.6f}",
            f"{found.lowest:.6f}", f"{found.highest:.6f}", f"{found.nj:.4f}", *fractions,
        ])  # fmt: skip
    return out.getvalue()


def _cell_bits(slicing: str) -> tuple[int, ...]:
    return SliceParams.parse(slicing, value_bits=VALUE_BITS[NORMALISED]).cell_bits


def energy_picture(figure: Figure) -> bytes:
    """Accuracy against energy of the updates, a line a slicing, a point a CRS period; PNG."""
    plt = pyplot()
    drawn, axes = plt.subplots(1, len(TITLES), figsize=(15, 5.2), layout="constrained")
    colours = plt.get_cmap("tab20").colors
    for n, (axis, title) in enumerate(zip(axes, TITLES, strict=True)):
        accounting = NORMALISED if n == 0 else HARDWARE
        floor, ticks = 100.0, [""]
        for colour, name in zip(colours, figure.slicings, strict=False):
            found = _three(figure, name)[n][1]
            if not found:
                continue
            # from the least energy on, at equal distances: a CRS every example costs 20 times more
            periods = sorted(found, reverse=True)
            outcomes = [found[period] for period in periods]
            chosen = name == CHOSEN
            label = same_headroom(name) if n == 2 else name
            accuracy = [100 * out.accuracy for out in outcomes]
            if (lowest := min(accuracy)) < LOWEST_SEEN:
                label = f"{label} ({lowest:.0f} %)"
            else:
                floor = min(floor, lowest)
            axis.plot(
                range(len(outcomes)), accuracy, color="black" if chosen else colour,
                lw=2.6 if chosen else 1.2, marker="o", markersize=6 if chosen else 4,
                zorder=3 if chosen else 2, label=label,
            )  # fmt: skip
            ticks = [f"{out.nj:.1f}\n({p})" for out, p in zip(outcomes, periods, strict=True)]
        floating = 100 * figure.floating(accounting, 64 if n == 0 else 1)
        axis.axhline(floating, color="gray", ls="--", lw=1, zorder=1)
        axis.set_ylim(floor - 0.5, floating + 1)
        axis.set_xticks(range(len(ticks)), ticks)
        axis.set(title=title, xlabel="energy of the updates, nJ an example and unit (CRS period)")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7, ncols=2, loc="lower right")
    axes[0].set_ylabel("test accuracy, % (dashed: floating point)")
    return png(drawn)


def slices_picture(figure: Figure) -> bytes:
    """Saturated fraction of every slice with a rare CRS, a panel a slicing; PNG."""
    plt = pyplot()
    down = -(-len(figure.slicings) // PANELS_ACROSS)
    drawn, axes = plt.subplots(
        down, PANELS_ACROSS, figsize=(15, 2.6 * down), layout="constrained", sharex=True,
        sharey=True, squeeze=False,
    )  # fmt: skip
    for axis in axes.flat[len(figure.slicings) :]:
        axis.set_visible(False)
    for axis, name in zip(axes.flat, figure.slicings, strict=False):
        for n, (_, outcomes) in enumerate(_three(figure, name)):
            if (out := outcomes.get(SEEN_PERIOD)) is not None:
                places = [k + 0.27 * (n - 1) for k in range(len(out.at_limit))]
                axis.bar(places, [100 * v for v in out.at_limit], 0.27, color=BARS[n])
        axis.set_title(f"{name}{' (chosen by the paper)' if name == CHOSEN else ''}", size=10)
        axis.set_xticks(range(SLICES))
        axis.grid(axis="y", alpha=0.3)
    for axis in axes[-1]:
        axis.set_xlabel("slice (0: least significant)", size=9)
    for axis in axes[:, 0]:
        axis.set_ylabel("cells at an end, %", size=9)
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in BARS]
    drawn.legend(handles, TITLES, loc="outside upper center", ncols=len(TITLES), fontsize=9)
    return png(drawn)


def part(figure: Figure, *, quick: bool = False) -> Part:
    """The whole figure, without the records of its CSV file."""
    return Part(
        name="fig10", title="Fig. 10: slicing and CRS period",
        text=(
            "Digits, a multilayer perceptron 64-64-10. A slicing is the width of the cells of each "
            "slice, most significant first."
        ),
        tables=tables(figure, quick=quick),
        pictures={
            "Accuracy against energy of the updates": energy_picture(figure),
            f"Saturated fraction of every slice, a CRS every {SEEN_PERIOD} examples": (
                slices_picture(figure)
            ),
        },
    )  # fmt: skip


def files(shown: Part, figure: Figure) -> dict[str, bytes]:
    """What the command leaves, by file name."""
    energies, slices = shown.pictures.values()
    return {
        "fig10.csv": as_csv(figure).encode(),
        "fig10.txt": shown.as_text().encode(),
        "fig10.html": page(shown.title, shown.as_html()).encode(),
        "fig10.png": energies,
        "fig10-slices.png": slices,
    }
