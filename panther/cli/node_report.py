"""What ``panther node`` shows of a node: who was busy with what, from its counters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from panther.arch.node import NodeParams, Port
from panther.cli.output import replacing

Rows = list[tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Performance counters of a node, tile by tile."""

    params: NodeParams
    cycles: int
    """From the start to the last halt."""
    tiles: Sequence[Mapping[str, int]]
    """By :func:`panther.arch.tile.counter_names`."""
    routers: Sequence[Mapping[str, int]]
    """By :func:`panther.arch.node.counter_names`."""

    def core(self, tile: int, core: int) -> dict[str, float]:
        """What a core did, as fractions of all cycles: they add up to ``running``."""
        counters = self.tiles[tile]
        running = counters[f"core{core}.running"] / self.cycles
        matrix = counters[f"core{core}.wait_matrix"] / self.cycles
        memory = counters[f"core{core}.wait_memory"] / self.cycles
        return {
            "waiting for matrix units": matrix,
            "waiting for memory": memory,
            "working": max(running - matrix - memory, 0.0),
        }

    def unit(self, tile: int, core: int, mcu: int) -> float:
        """Fraction of all cycles in which a matrix unit was busy."""
        return self.tiles[tile][f"core{core}.m{mcu}.busy"] / self.cycles

    def flits(self, tile: int, port: Port) -> int:
        """Flits that left a router through an output."""
        return self.routers[tile][f"{port.name.lower()}.flits"]


def table(counted: Counted) -> Rows:
    """A heading and one row for every core and every tile."""
    params = counted.params.tile
    rows: Rows = [("", "matrix units busy", "working", "wait matrix", "wait memory")]
    for tile, counters in enumerate(counted.tiles):
        for core in range(params.cores):
            parts = counted.core(tile, core)
            busy = [f"{counted.unit(tile, core, m):.0%}" for m in range(params.core.mcus)]
            rows.append(
                (
                    f"tile {tile} core {core}",
                    " ".join(busy),
                    f"{parts['working']:.0%}",
                    f"{parts['waiting for matrix units']:.0%}",
                    f"{parts['waiting for memory']:.0%}",
                )
            )
        rows.append(
            (
                f"tile {tile}",
                f"{counters['accesses']:,} accesses",
                f"{counters['conflicts']:,} conflicts",
                f"{counters['sent']:,} rows sent",
                f"{counters['received']:,} received",
            )
        )
    return rows


def as_text(rows: Rows) -> str:
    """The rows as aligned columns."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        + "\n"
        for row in rows
    )


_COLOURS = {
    "working": "tab:red",
    "waiting for matrix units": "tab:orange",
    "waiting for memory": "tab:gray",
}
_UNIT = "tab:blue"
_STEPS = {Port.NORTH: (0, 1), Port.EAST: (1, 0), Port.SOUTH: (0, -1), Port.WEST: (-1, 0)}


def picture(path: Path, counted: Counted, title: str = "") -> None:
    """The mesh: a bar for every core and matrix unit, an arrow for every link that was used."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt
    from matplotlib.patches import Patch

    params = counted.params
    width, height = max(4.2 * params.width - 1.4, 6.5), 3.4 * params.height + 1.1
    figure, axes = plt.subplots(figsize=(min(width, 24), min(height, 24)), layout="constrained")
    axes.set_aspect("equal")
    axes.axis("off")
    axes.set_xlim(-0.5, 1.5 * params.width - 1.0)
    axes.set_ylim(-1.25 * params.height + 0.55, 0.6)
    most = max(
        (counted.flits(tile, port) for tile in range(params.tiles) for port in _STEPS), default=0
    )
    for tile in range(params.tiles):
        _draw_tile(axes, counted, tile)
        for port in _STEPS:
            if flits := counted.flits(tile, port):
                _draw_link(axes, params, tile, port, flits, most)
    handles = [Patch(color=colour, label=f"core: {name}") for name, colour in _COLOURS.items()]
    handles.append(Patch(color=_UNIT, label="matrix unit: busy"))
    axes.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0.02), ncols=2, fontsize=9
    )
    axes.set_title(title or f"{counted.cycles:,} cycles; bars are fractions of them", size=11)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png", metadata={"Software": None})
    plt.close(figure)


def _place(params: NodeParams, tile: int) -> tuple[float, float]:
    """Middle of a tile."""
    row, column = divmod(tile, params.width)
    return 1.5 * column, -1.25 * row


def _draw_tile(axes: Any, counted: Counted, tile: int) -> None:
    from matplotlib.patches import Rectangle

    params = counted.params
    x, y = _place(params, tile)
    counters = counted.tiles[tile]
    axes.add_patch(Rectangle((x - 0.45, y - 0.45), 0.9, 0.9, fill=False, lw=1.2))
    axes.text(x - 0.42, y + 0.36, f"tile {tile}", weight="bold", size=10)
    groups = counters["accesses"] / counted.cycles
    text = f"memory {groups:.2g} groups a cycle\n"
    text += f"{counters['sent']:,} rows sent, {counters['received']:,} received"
    axes.text(x - 0.42, y - 0.42, text, size=8, linespacing=1.3)
    bars: list[tuple[str, list[tuple[float, str]]]] = []
    for core in range(params.tile.cores):
        parts = counted.core(tile, core)
        bars.append((f"core {core}", [(parts[name], _COLOURS[name]) for name in _COLOURS]))
        for mcu in range(params.tile.core.mcus):
            bars.append((f"m{mcu}", [(counted.unit(tile, core, mcu), _UNIT)]))
    step = 0.52 / len(bars)
    for n, (label, parts_of_bar) in enumerate(bars):
        middle = y + 0.31 - step * (n + 0.5)
        size = min(8.0, 300 * step)
        axes.text(x - 0.42, middle, label, size=size, va="center")
        left = x - 0.22
        for part, colour in parts_of_bar:
            axes.add_patch(
                Rectangle((left, middle - 0.35 * step), 0.62 * part, 0.7 * step, color=colour, lw=0)
            )
            left += 0.62 * part
        box = (x - 0.22, middle - 0.35 * step)
        axes.add_patch(Rectangle(box, 0.62, 0.7 * step, fill=False, lw=0.4, color="0.6"))


def _draw_link(axes: Any, params: NodeParams, tile: int, port: Port, flits: int, most: int) -> None:
    x, y = _place(params, tile)
    dx, dy = _STEPS[port]
    # the two directions of a link lie beside each other
    x += 0.47 * dx + 0.08 * dy
    y += 0.47 * dy - 0.08 * dx
    length = 0.54 if dx else 0.29
    style = {"arrowstyle": "-|>", "lw": 1 + 3 * flits / most, "color": "tab:green"}
    axes.annotate("", xy=(x + length * dx, y + length * dy), xytext=(x, y), arrowprops=style)
    middle = (x + length / 2 * dx + 0.1 * abs(dy), y + length / 2 * dy - 0.06 * dx)
    axes.text(*middle, f"{flits:,}", size=8, ha="center", va="center")
