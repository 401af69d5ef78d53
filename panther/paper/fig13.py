"""Energy and time of an example by batch size; the figure's number is ours.

The programs are the same at every batch: what changes is how many examples share a CRS, a serial
read and write, or the GPU's traffic for weights.
"""

from collections.abc import Mapping
from math import ceil, floor, log10
from typing import Any

from panther.paper.fig11 import Steps, called
from panther.paper.machines import (
    DIGITAL,
    DIGITAL_MAC,
    GPU,
    GPU_COLOUR,
    MACHINES,
    OURS,
    Accounting,
    gpu,
)
from panther.paper.page import Part, Table, png, pyplot
from panther.paper.reference import (
    BENCHMARKS,
    PANTHER,
    REFERENCE_MACHINES,
    reference_cost,
    reference_step,
)

BATCHES = (1, 4, 16, 64, 256, 1024)

Values = Mapping[str, Mapping[int, tuple[float, float]]]
"""Energy in J and time in s of an example, by machine's name and batch."""


def by_batch(model: str, steps: Mapping[str, Any]) -> Values:
    """Of a network on all machines."""
    found: dict[str, dict[int, tuple[float, float]]] = {}
    for machine in MACHINES:
        costs = {b: Accounting(batch=b).whole(steps[machine.key]) for b in BATCHES}
        found[machine.name] = {b: (cost.bill.total, cost.time_s) for b, cost in costs.items()}
    found[GPU] = {
        b: (sum(x.energy_j for x in gpu(model, b)), sum(x.time_s for x in gpu(model, b)))
        for b in BATCHES
    }
    return found


def reference_by_batch(benchmark: str) -> Values:
    """Of a program of the paper's compiler, replayed."""
    found = {}
    for machine in REFERENCE_MACHINES:
        step = reference_step(benchmark, machine)
        costs = {b: reference_cost(step, Accounting(batch=b)) for b in BATCHES}
        name = OURS.name if machine is PANTHER else machine.name
        found[name] = {b: (cost.bill.total, cost.time_s) for b, cost in costs.items()}
    return found


def figure(steps: Steps) -> Part:
    """Tables and a picture."""
    values = {called(model): by_batch(model, there) for model, there in steps.items()}
    reference = {name: reference_by_batch(benchmark) for benchmark, name in BENCHMARKS.items()}
    tables = []
    for title, found in values.items():
        tables += [_table(title, found, 0, "energy", "uJ"), _table(title, found, 1, "time", "us")]
    for title, found in reference.items():
        said = f"the paper's accounting, {title}"
        tables += [_table(said, found, 0, "energy", "uJ"), _table(said, found, 1, "time", "us")]
    records = [
        {"accounting": accounting, "network": title, "machine": machine, "batch": batch,
         "energy_j": energy, "time_s": time}
        for accounting, there in (("hardware", values), ("reference", reference))
        for title, found in there.items()
        for machine, points in found.items()
        for batch, (energy, time) in points.items()
    ]  # fmt: skip
    return Part(
        name="fig13", title="Fig. 13: batch size",
        text=(
            "Energy and time of one example when a CRS of PANTHER, a serial read and write of "
            "Base_mvm, and the GPU's traffic for weights are shared by a batch. The number of the "
            f"figure is ours. {DIGITAL_MAC.name} is the same run without the leakage of converters "
            f"and drivers, so its time is that of {DIGITAL.name}."
        ),
        tables=tables, pictures={"Energy and time of an example": _picture(values)},
        records=records,
    )  # fmt: skip


def _table(title: str, found: Values, which: int, what: str, unit: str) -> Table:
    lines = []
    ours = found[OURS.name]
    for name, points in found.items():
        values = [f"{1e6 * points[b][which]:.4g}" for b in BATCHES]
        ratios = [f"{points[b][which] / ours[b][which]:.3g}" for b in (1, 64, 1024)]
        lines.append([name, *values, *ratios])
    return Table(
        title=f"{title}: {what} of an example, {unit}",
        text="By batch; behind that, over PANTHER's at batch 1, 64 and 1024.",
        head=["machine", *map(str, BATCHES), "1: ratio", "64: ratio", "1024: ratio"], rows=lines,
    )  # fmt: skip


def _picture(values: Mapping[str, Values]) -> bytes:
    plt = pyplot()
    drawn, axes = plt.subplots(
        2, len(values), figsize=(5.6 * len(values) + 1, 7.6), layout="constrained", sharex=True,
        squeeze=False,
    )  # fmt: skip
    colours = {machine.name: machine.colour for machine in MACHINES} | {GPU: GPU_COLOUR}
    # dots, because in time it lies on the machine whose run it shares
    shared = {machine.name for machine in MACHINES if machine.runs_as}
    for column, (title, found) in enumerate(values.items()):
        for which, label in enumerate(("energy, uJ", "time, us")):
            axis = axes[which][column]
            for name, points in found.items():
                style = "--" if name == GPU else ":" if name in shared else "-"
                axis.plot(
                    BATCHES, [1e6 * points[b][which] for b in BATCHES], color=colours[name],
                    marker="o", markersize=4, lw=2.4 if name == OURS.name else 1.4,
                    ls=style, label=name,
                    zorder=3 if name == OURS.name else 2,
                )  # fmt: skip
            axis.set_xscale("log", base=2)
            axis.set_yscale("log")
            axis.yaxis.set_major_formatter("{x:,.10g}")
            axis.yaxis.set_minor_formatter(plt.NullFormatter())
            every = [log10(1e6 * p[which]) for points in found.values() for p in points.values()]
            axis.set_ylim(10 ** (floor(min(every))), 10 ** (ceil(max(every))))
            axis.set_xticks(BATCHES, [str(b) for b in BATCHES])
            axis.grid(alpha=0.3)
            axis.set_ylabel(label)
        axes[0][column].set_title(title)
        axes[1][column].set_xlabel("batch")
    handles, names = axes[0][0].get_legend_handles_labels()
    drawn.legend(handles, names, loc="outside lower center", ncols=3, fontsize=9)
    return png(drawn)
