"""Pictures of what a run costs: by layer, and over time. PNG, within a page."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

from panther.compiler.loops import PHASES
from panther.cost.layers import GROUPS, Account, Layer
from panther.cost.timeline import MEMORY, NETWORK, VECTOR, Shares, Span, Timeline

WIDTH = 11.0
"""Inches."""
DPI = 110
MOST_UNITS = 64
"""Matrix units a timeline shows one by one."""
COLOURS = {
    "MVM": "#2471a3", "MTVM": "#76b7e5", "OPA": "#c0392b", "CRS": "#e59866",
    "converters": "#7d3c98", "XbarIn/Out": "#c39bd3", "vector unit": "#1e8449",
    "control": "#82c99a", "tile memory": "#b7950b", "network": "#f0d264", "leakage": "#aab2bd",
}  # fmt: skip
PHASE_COLOURS = {
    "control": "#566573", "set-up": "#aab2bd", "input": "#b7950b", "forward": "#2471a3",
    "loss": "#7d3c98", "backward": "#76b7e5", "update": "#c0392b", "resolve": "#e59866",
    "communication": "#82c99a",
}  # fmt: skip


class PictureError(Exception):
    """There is nothing to draw with."""


def all_of(account: Account, timeline: Timeline | None, shares: Shares | None) -> Mapping[str, str]:
    """Titles and images.

    Raises
    ------
    PictureError
        If Matplotlib is missing.
    """
    try:
        import matplotlib.figure
    except ImportError as error:
        raise PictureError(f"Pictures need pip install 'panther-rtl[study]': {error}") from error
    with matplotlib.rc_context(
        {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    ):
        found = {
            "Energy of an example by layer": _image(energy(account)),
            "Cycles of cores by layer": _image(cycles(account)),
            "Utilisation of crossbars by layer": _image(utilisation(account)),
        }
        if timeline is not None and len(_matrix_units(timeline)) <= MOST_UNITS:
            title = f"A batch of {timeline.compiled.plan.batch} that ends a CRS period, over time"
            found[title] = _image(gantt(timeline))
        elif shares is not None:
            found["Busy crossbars over time, by layer"] = _image(heat(account, shares))
    return found


def _figure(height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


def _image(figure: Any) -> str:
    file = io.BytesIO()
    figure.savefig(file, dpi=DPI, format="png", metadata={"Software": None})
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img alt="" src="data:image/png;base64,{data}">'


def _names(axes: Any, layers: Sequence[Layer]) -> None:
    axes.set_yticks(range(len(layers)), [layer.name or "shared" for layer in layers])
    axes.set_ylim(len(layers) - 0.4, -0.6)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)


def _legend(figure: Any, colours: Mapping[str, str], names: Sequence[str]) -> None:
    from matplotlib.patches import Patch

    figure.legend(
        handles=[Patch(color=colours[name], label=name) for name in names],
        loc="outside upper center", ncols=min(len(names), 11), frameon=False, fontsize=8,
        handlelength=1.2, columnspacing=1.2,
    )  # fmt: skip


def _height(rows: int) -> float:
    return 1.1 + 0.24 * rows


def energy(account: Account) -> Any:
    """Stacked bars: energy of an example by layer and kind of component."""
    layers, examples = account.layers, account.run.examples
    figure, axes = _figure(_height(len(layers)))
    factor, unit = _scale(max(layer.bill.total for layer in layers) / examples)
    left = [0.0] * len(layers)
    for group in GROUPS:
        widths = [layer.energy[group].total / examples / factor for layer in layers]
        axes.barh(range(len(layers)), widths, left=left, color=COLOURS[group], height=0.72)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    _names(axes, layers)
    axes.set_xlabel(f"energy of an example, {unit}J")
    _legend(figure, COLOURS, GROUPS)
    return figure


def cycles(account: Account) -> Any:
    """Stacked bars: what the cycles of a core went to, by layer and phase."""
    examples = account.run.examples
    layers = [layer for layer in account.layers if layer.phases]
    figure, axes = _figure(_height(len(layers)))
    left = [0.0] * len(layers)
    shown = [phase for phase in PHASES if any(phase in layer.phases for layer in layers)]
    for phase in shown:
        widths = [
            layer.phases[phase].cycles / examples / max(layer.cores, 1)
            if phase in layer.phases else 0.0
            for layer in layers
        ]  # fmt: skip
        axes.barh(range(len(layers)), widths, left=left, color=PHASE_COLOURS[phase], height=0.72)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    _names(axes, layers)
    axes.set_xlabel("cycles of an example, of one of the layer's cores on the average, with waits")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    _legend(figure, PHASE_COLOURS, shown)
    return figure


def utilisation(account: Account) -> Any:
    """Two bars a layer: cycles its crossbars are busy, and cells that hold weights."""
    layers = [layer for layer in account.layers if layer.crossbars]
    figure, axes = _figure(_height(len(layers)) + 0.1 * len(layers))
    colours = {"busy, share of all cycles": COLOURS["MVM"], "cells that hold weights": "#b7950b"}
    values = (
        [100 * layer.busy / account.run.cycles for layer in layers],
        [100 * layer.used for layer in layers],
    )
    for n, (widths, colour) in enumerate(zip(values, colours.values(), strict=True)):
        places = [row + 0.36 * (n - 0.5) for row in range(len(layers))]
        axes.barh(places, widths, color=colour, height=0.34)
        for place, width in zip(places, widths, strict=True):
            axes.text(width + 0.6, place, f"{width:.3g} %", va="center", size=7)
    _names(axes, layers)
    axes.set_xlim(0, 107)
    axes.set_xlabel("%")
    _legend(figure, colours, list(colours))
    return figure


def _matrix_units(timeline: Timeline) -> list[tuple[int, str]]:
    return [unit for unit in timeline.units() if ".m" in unit[1]]


def gantt(timeline: Timeline) -> Any:
    """A row for every unit, and what it is busy with over the cycles."""
    units = timeline.units()
    rows = {unit: n for n, unit in enumerate(units)}
    figure, axes = _figure(1.0 + 0.17 * len(units))
    parts: dict[tuple[int, str], list[tuple[int, int]]] = {}
    for span in timeline.spans:
        key = (rows[span.tile, span.unit], _kind(span))
        row = parts.setdefault(key, [])
        # what a pixel cannot tell apart is one bar
        if row and span.start - row[-1][1] <= timeline.cycles / 4000:
            row[-1] = (row[-1][0], max(row[-1][1], span.end))
        else:
            row.append((span.start, span.end))
    for (row_, kind), bars in parts.items():
        axes.broken_barh(
            [(start, end - start) for start, end in bars], (row_ - 0.4, 0.8), color=COLOURS[kind],
            lw=0.4,
        )  # fmt: skip
    several = len({tile for tile, _ in units}) > 1
    axes.set_yticks(
        range(len(units)), [f"{tile} {unit}" if several else unit for tile, unit in units],
        size=6 if len(units) > 30 else 8,
    )  # fmt: skip
    axes.set_ylim(len(units) - 0.4, -0.6)
    for n, (tile, _) in enumerate(units):
        if n and units[n - 1][0] != tile:
            axes.axhline(n - 0.5, color="0.5", lw=0.6)
    axes.set_xlim(0, timeline.cycles)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.set_xlabel("cycle")
    if several:
        axes.set_ylabel("tile and unit")
    kinds = [kind for kind in COLOURS if any(kind == key[1] for key in parts)]
    _legend(figure, COLOURS, kinds)
    return figure


def _kind(span: Span) -> str:
    if span.unit == MEMORY:
        return "tile memory"
    if span.unit == NETWORK:
        return "network"
    return "vector unit" if span.unit.endswith(VECTOR) else span.name


def heat(account: Account, shares: Shares) -> Any:
    """A strip for every layer: the share of its crossbars that is busy, over the cycles."""
    import numpy as np

    order = {layer.name: n for n, layer in enumerate(account.layers)}
    chosen = sorted(range(len(shares.layers)), key=lambda n: order[shares.layers[n]])
    figure, axes = _figure(_height(len(chosen)))
    starts = np.concatenate([[0], shares.ends])
    mesh = axes.pcolormesh(
        starts, np.arange(len(chosen) + 1) - 0.5, 100 * shares.busy[chosen], cmap="viridis",
        vmin=0, rasterized=True,
    )  # fmt: skip
    axes.set_yticks(range(len(chosen)), [shares.layers[n] for n in chosen])
    axes.set_ylim(len(chosen) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlabel("cycle")
    figure.colorbar(mesh, ax=axes, label="busy, %", pad=0.01)
    return figure


def _scale(value: float) -> tuple[float, str]:
    for factor, prefix in ((1e-3, "m"), (1e-6, "u"), (1e-9, "n")):
        if value >= factor:
            return factor, prefix
    return 1e-12, "p"
