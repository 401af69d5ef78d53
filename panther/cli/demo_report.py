"""What the demo shows: a table of numbers and a picture."""

from pathlib import Path
from typing import Any

import numpy as np

from panther.cli.output import replacing

Rows = list[tuple[str, str]]


def _cycles(operation: dict[str, Any]) -> str:
    least, most = operation["cycles"][0], operation["cycles"][-1]
    return f"{least}" if least == most else f"{least}-{most}"


def summary(
    rtl: dict[str, Any], twin: dict[str, Any], training: dict[str, Any], node: dict[str, Any]
) -> Rows:
    """Label and value of every number that is the same on every machine."""
    first = next(iter(rtl.values()))
    rows = [
        (
            "examples trained in RTL",
            ", ".join(
                f"{r['examples']} x {r['steps'] // r['examples']} ({n})" for n, r in rtl.items()
            ),
        ),
        ("instructions", ", ".join(f"{r['instructions']:,}" for r in rtl.values())),
        ("carry resolutions", ", ".join(str(r["resolutions"]) for r in rtl.values())),
        ("integers compared", ", ".join(f"{r['compared']:,}" for r in rtl.values())),
        ("mismatches", ", ".join(str(r["mismatches"]) for r in rtl.values())),
        ("clock cycles", ", ".join(f"{r['cycles']:,}" for r in rtl.values())),
        (
            "the same at transaction level",
            f"{twin['instructions']:,} instructions, {twin['cycles']:,} cycles",
        ),
    ]
    for unit, operations in first["operations"].items():
        text = ", ".join(f"{name} {_cycles(data)}" for name, data in operations.items())
        rows.append((f"cycles per operation, {unit}", text))
    text = (
        f"{node['steps']} examples, {node['cycles']:,} cycles, {node['cells']:,} cells as golden's"
    )
    rows.append(("a layer a tile, transaction level", text))
    golden, floating = (np.array(training[key])[:, -1] * 100 for key in ("golden", "float64"))
    epochs, seeds = len(training["golden"][0]), len(golden)
    rows += [
        (f"test accuracy after {training['steps']} steps", f"{training['after_rtl']:.1%}"),
        (
            f"test accuracy after {epochs} epochs, mean of {seeds} seeds",
            f"{golden.mean():.1f} % here, {floating.mean():.1f} % float64 SGD",
        ),
    ]
    return rows


def as_text(rows: Rows) -> str:
    """The rows as two aligned columns."""
    width = max(len(label) for label, _ in rows)
    return "".join(f"{label:<{width}}  {value}\n" for label, value in rows)


def picture(path: Path, rtl: dict[str, Any], training: dict[str, Any], cells: Path) -> None:
    """Training curves, and the slices of the first layer before and after."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    with np.load(cells) as stored:
        first, last = stored["first0"], stored["last0"]
    slices = len(first)
    figure = plt.figure(figsize=(12, 7), layout="constrained")
    (top,), (bottom,) = figure.subfigures(2, 1, height_ratios=(1, 1.25), squeeze=False)
    left, right = top.subplots(1, 2)
    hits = np.array(rtl["hits"], dtype=float)
    window = min(50, len(hits))
    running = np.convolve(hits, np.ones(window) / window, mode="valid") * 100
    left.plot(np.arange(window, len(hits) + 1), running, color="tab:red")
    left.set(
        title=f"In RTL, example by example (running mean of {window})",
        xlabel="training steps", ylabel="right before update, %", ylim=(0, 101),
    )  # fmt: skip
    for key, label, colour in (
        ("golden", "this arithmetic", "tab:red"), ("float64", "float64 SGD", "tab:gray"),
    ):  # fmt: skip
        curves = np.array(training[key]) * 100
        epochs = np.arange(1, curves.shape[1] + 1)
        right.plot(epochs, curves.mean(axis=0), color=colour, label=label)
        right.fill_between(epochs, curves.min(axis=0), curves.max(axis=0), color=colour, alpha=0.15)
    right.set(
        title=f"Golden training continued ({len(training['golden'])} seeds, mean and range)",
        xlabel="epochs", ylabel="test accuracy, %",
    )  # fmt: skip
    right.legend()
    axes = bottom.subplots(2, slices, sharex=True, sharey=True)
    bottom.suptitle("Cells of the first layer: slices before (top) and after (bottom)", size=11)
    limit = int(max(np.abs(first).max(), np.abs(last).max()))
    image = None
    for row, state in enumerate((first, last)):
        for place, k in enumerate(reversed(range(slices))):
            image = axes[row, place].imshow(
                state[k], cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto", interpolation="none"
            )
            if row == 0:
                axes[row, place].set_title(f"slice {k}", size=9)
    axes[0, 0].set_ylabel("before\nrow")
    axes[1, 0].set_ylabel("after\nrow")
    for axis in axes[1]:
        axis.set_xlabel("column", size=8)
    if image is not None:
        bottom.colorbar(image, ax=axes, label="cell", fraction=0.02)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png", metadata={"Software": None})
    plt.close(figure)
