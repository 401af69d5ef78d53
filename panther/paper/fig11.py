"""Energy and time of one training step, layer by layer, on PANTHER and its baselines.

The paper has such figures; their numbers, 11 for energy and 12 for time, are ours.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from panther.cost.layers import GROUPS
from panther.energy import Interval, ratio
from panther.paper import converters
from panther.paper.machines import (
    DIGITAL,
    DIGITAL_MAC,
    GPU,
    GPU_COLOUR,
    MACHINES,
    NETWORKS,
    OURS,
    QUICK_NETWORKS,
    Accounting,
    Cost,
    Machine,
    Step,
    gpu,
    groups_j,
)
from panther.paper.page import Part, Table, png, pyplot
from panther.paper.reference import (
    BENCHMARKS,
    PANTHER,
    REFERENCE_MACHINES,
    reference_cost,
    reference_step,
)

Steps = Mapping[str, Mapping[str, Step]]
"""By network and machine."""

OTHER_PERIODS = (16, 64, 256)
"""Outer products of a unit between two CRS, instead of a batch."""
GROUP_COLOURS = (
    "#1a5276", "#2e86c1", "#1e8449", "#d4ac0d", "#7fb3d5", "#a9dfbf", "#af601a", "#e59866",
    "#7d3c98", "#d2b4de", "#95a5a6",
)  # fmt: skip
STEP, FC, CONV = "step", "FC layers", "convolutions"
UNITS = {"energy": ("uJ", 1e6), "time": ("us", 1e6)}


@dataclass(frozen=True, kw_only=True)
class Place:
    """A layer, some layers, or a whole step, on every machine."""

    name: str
    costs: Mapping[str, Cost]
    """By machine."""
    gpu_time_s: float
    gpu_energy_j: float


def called(model: str) -> str:
    """A network as tables say it."""
    return {**NETWORKS, **QUICK_NETWORKS}.get(model, model)


def places(model: str, steps: Mapping[str, Step], accounting: Accounting) -> list[Place]:
    """The step, its kinds of layers if there are two, and every layer."""
    layers = steps[OURS.key].layers
    of_gpu = {layer.name: layer for layer in gpu(model, accounting.batch)}

    def place(
        name: str, names: Sequence[str], cost: Callable[[Step], Cost]
    ) -> Place:  # fmt: skip
        return Place(
            name=name, costs={key: cost(step) for key, step in steps.items()},
            gpu_time_s=sum(of_gpu[layer].time_s for layer in names),
            gpu_energy_j=sum(of_gpu[layer].energy_j for layer in names),
        )  # fmt: skip

    found = [place(STEP, [layer.name for layer in layers], accounting.whole)]
    kinds = {layer.convolution for layer in layers}
    for convolution, name in ((True, CONV), (False, FC)):
        if kinds == {True, False}:
            chosen = [layer.name for layer in layers if layer.convolution == convolution]
            found.append(place(name, chosen, partial(_kind, accounting, convolution)))
    for n, layer in enumerate(layers):
        found.append(place(layer.name, [layer.name], partial(_nth, accounting, n)))
    return found


def _kind(accounting: Accounting, convolution: bool, step: Step) -> Cost:
    return accounting.layers(step, step.kind(convolution=convolution))


def _nth(accounting: Accounting, n: int, step: Step) -> Cost:
    return accounting.layer(step, step.layers[n])


def _ratio(place: Place, machine: Machine, what: str) -> Interval:
    """Of a machine to PANTHER."""
    cost, ours = place.costs[machine.key], place.costs[OURS.key]
    if what == "energy":
        return ratio(cost.bill, ours.bill)
    exact = cost.time_s / ours.time_s
    return Interval(exact, exact, exact)


def _of_gpu(place: Place, what: str) -> float:
    return place.gpu_energy_j if what == "energy" else place.gpu_time_s


def _value(cost: Cost, what: str) -> float:
    return cost.bill.total if what == "energy" else cost.time_s


def figure(steps: Steps, what: str, *, batch: int = 64) -> Part:
    """Fig. 11 (``energy``) or Fig. 12 (``time``)."""
    accounting = Accounting(batch=batch)
    found = {model: places(model, machines, accounting) for model, machines in steps.items()}
    number = {"energy": 11, "time": 12}[what]
    tables: list[Table] = []
    pictures: dict[str, bytes] = {}
    for model, rows in found.items():
        tables.append(_whole(model, rows, what, accounting))
        tables.append(_by_layer(model, rows, what))
        if what == "energy":
            alone = places(model, steps[model], Accounting(batch=batch, gated=True))
            tables.append(_by_layer(model, alone, what, gated=True))
        pictures[f"{called(model)}: {what}, normalised to PANTHER"] = _bars(model, rows, what)
        if what == "energy":
            title = f"{called(model)}: what waits is switched off, normalised to PANTHER"
            pictures[title] = _bars(model, alone, what, gated=True)
            pictures[f"{called(model)}: where the energy goes"] = _shares(model, rows)
        tables.append(_periods(model, steps[model], what, accounting))
        if what == "energy":
            tables += of_converters(model, steps[model], batch)
    tables += [_reference(what, accounting), _accounting(accounting, steps)]
    return Part(
        name=f"fig{number}",
        title=f"Fig. {number}: {what} of one training step",
        text=(
            "One example forward, backward and update. Every machine runs the same compiled "
            f"programs; weights are brought up to date every {batch} examples. Layers are timed "
            "by their busiest matrix unit: matrix operations only. PANTHER is charged for "
            f"converters of {converters.SOURCE_BITS} bits, as in the source, although those of our "
            f"RTL have {converters.bits_text()}; Base_digital leaks through converters it has not, "
            "as in the source, and in one more column does not. The number of the figure is ours."
        ),
        tables=tables, pictures=pictures, records=_records(found, accounting),
    )  # fmt: skip


def of_converters(model: str, steps: Mapping[str, Step], batch: int) -> list[Table]:
    """What lossless converters would cost, of a network that is soon run; else nothing."""
    if model not in converters.NETWORKS:
        return []
    digital, without = steps[DIGITAL.key], steps[DIGITAL_MAC.key]
    return [converters.table(called(model), model, digital, without, batch)]


def _records(found: Mapping[str, list[Place]], accounting: Accounting) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for model, there in found.items():
        for place in there:
            for machine in MACHINES:
                cost = place.costs[machine.key]
                energy, over = cost.interval, _ratio(place, machine, "energy")
                rows.append({
                    "model": model, "place": place.name, "machine": machine.key,
                    "batch": accounting.batch, "time_s": cost.time_s, "energy_j": energy.value,
                    "energy_low_j": energy.low, "energy_high_j": energy.high,
                    "time_ratio": _ratio(place, machine, "time").value,
                    "energy_ratio": over.value, "energy_ratio_low": over.low,
                    "energy_ratio_high": over.high,
                    **{f"{group.lower().replace(' ', '_').replace('/', '_')}_j": energy_j
                       for group, energy_j in groups_j(cost.bill).items()},
                })  # fmt: skip
            ours = place.costs[OURS.key]
            rows.append({
                "model": model, "place": place.name, "machine": "gpu_roofline",
                "batch": accounting.batch, "time_s": place.gpu_time_s,
                "energy_j": place.gpu_energy_j,
                "time_ratio": place.gpu_time_s / ours.time_s,
                "energy_ratio": place.gpu_energy_j / ours.bill.total,
            })  # fmt: skip
    return rows


# ---- tables


def _whole(model: str, rows: Sequence[Place], what: str, accounting: Accounting) -> Table:
    unit, factor = UNITS[what]
    kinds = [row for row in rows if row.name in (STEP, CONV, FC)]
    head = ["machine"]
    for row in kinds:
        head += [f"{row.name}, {unit}", "over PANTHER"]
    lines = []
    for machine in MACHINES:
        line = [machine.name]
        for row in kinds:
            cost = row.costs[machine.key]
            value = (
                _shown(cost.interval, factor) if what == "energy" else f"{factor * cost.time_s:.4g}"
            )
            line += [value, _times(_ratio(row, machine, what))]
        lines.append(line)
    line = [GPU]
    for row in kinds:
        bound = _of_gpu(row, what)
        line += [f"{factor * bound:.4g}", f"{bound / _value(row.costs[OURS.key], what):.3g}"]
    lines.append(line)
    said = (
        "In brackets: all prices at the ends of their ranges; of a ratio, prices that both sides "
        "share move both. " if what == "energy" else "Kinds of layers: one layer after the other. "
    )  # fmt: skip
    return Table(
        title=f"{called(model)}: {what} of an example, batch {accounting.batch}",
        text=(
            said + "The GPU is a roofline at its peak figures, a bound and nothing measured."
        ),
        head=head, rows=lines,
    )  # fmt: skip


def _by_layer(
    model: str, rows: Sequence[Place], what: str, *, gated: bool = False
) -> Table:  # fmt: skip
    unit, factor = UNITS[what]
    others = [machine for machine in MACHINES if machine is not OURS]
    lines = []
    for row in rows:
        if row.name in (STEP, CONV, FC) and not gated:
            continue
        ours = _value(row.costs[OURS.key], what)
        ratios = [f"{_ratio(row, machine, what).value:.3g}" for machine in others]
        lines.append(
            [row.name, f"{factor * ours:.4g}", *ratios, f"{_of_gpu(row, what) / ours:.3g}"]
        )
    said = (
        "A layer has what follows it without weights; what no layer can be charged with (routers, "
        "leakage of tiles) is in the step alone."
        if what == "energy" else "Of a layer matrix operations only: vector units, memories and "
        "network take the same time on all machines and are in the step alone, so ratios of layers "
        "are greater than those of the step."
    )  # fmt: skip
    title = f"{called(model)}: {what} layer by layer, over PANTHER's"
    if what == "time":
        title += ", matrix operations only"
    if gated:
        title = (
            f"{called(model)}: the same if what waits is switched off, leakage in the time of "
            "matrix operations only"
        )
        said = (
            "Cores leak only while their layer's busiest matrix unit works, as if each layer ran "
            "by itself: "
            "convolutions are programs of their own in the paper's simulator. Tiles and routers "
            "stay on."
        )
    return Table(
        title=title,
        text=said,
        head=["layer", f"PANTHER, {unit}", *(machine.name for machine in others), GPU], rows=lines,
    )  # fmt: skip


def _periods(model: str, steps: Mapping[str, Step], what: str, batch: Accounting) -> Table:
    unit, factor = UNITS[what]
    lines = []
    chosen = [(f"every {batch.batch} examples", batch)]
    chosen += [(f"every {opas} OPAs of a unit", Accounting(opas=opas)) for opas in OTHER_PERIODS]
    plain = steps[OURS.key]
    nothing = factor * (plain.bill.total if what == "energy" else plain.cycles * 1e-9)
    for said, accounting in chosen:
        costs = {key: accounting.whole(step) for key, step in steps.items()}
        ours = costs[OURS.key]
        value = factor * _value(ours, what)
        times = sum(accounting.times(x) * x.crossbars for x in plain.layers) / plain.crossbars
        ratios = []
        for machine in MACHINES[2:]:
            # a baseline keeps to its batch
            other = batch.whole(steps[machine.key])
            place = Place(name=STEP, costs={OURS.key: ours, machine.key: other}, gpu_time_s=0.0,
                          gpu_energy_j=0.0)  # fmt: skip
            ratios.append(f"{_ratio(place, machine, what).value:.3g}")
        lines.append(
            [said, f"{times:.4g}", f"{value:.4g}", f"{100 * (value / nothing - 1):.3g}", *ratios]
        )
    return Table(
        title=f"{called(model)}: what a CRS every so many outer products costs in {what}",
        text=(
            "In a convolution every pixel is an outer product, so a CRS by outer products comes "
            "many times in an example; the slicing decides how many carries the cells have room "
            "for. Baselines are as above."
        ),
        head=["CRS", "a unit and example", f"PANTHER, {unit}", "of it for CRS, % more",
              *(machine.name for machine in MACHINES[2:])],
        rows=lines,
    )  # fmt: skip


def _reference(what: str, accounting: Accounting) -> Table:
    unit, factor = UNITS[what]
    lines = []
    for benchmark, name in BENCHMARKS.items():
        ours = reference_step(benchmark, PANTHER)
        for machine in REFERENCE_MACHINES:
            step = reference_step(benchmark, machine)
            line = [f"{name}: {machine.name if machine is not PANTHER else 'PANTHER'}"]
            for chosen in (None, accounting):
                cost, one = reference_cost(step, chosen), reference_cost(ours, chosen)
                value = factor * _value(cost, what)
                exact = cost.time_s / one.time_s
                over = ratio(cost.bill, one.bill) if what == "energy" else (
                    Interval(exact, exact, exact))  # fmt: skip
                line += [f"{value:.4g}", _times(over)]
            lines.append(line)
    return Table(
        title=f"The paper's accounting: {what} of its programs on its simulator, replayed",
        text=(
            "Programs of the paper's compiler, the simulator's cycles and counts; with a serial "
            f"read and write (21218.75 ns, 232.85 nJ a unit) every {accounting.batch} examples in "
            "PANTHER and Base_mvm on the right."
        ),
        head=["program and machine", f"as it is, {unit}", "over PANTHER",
              f"batch {accounting.batch}, {unit}", "over PANTHER"],
        rows=lines,
    )  # fmt: skip


def _accounting(accounting: Accounting, steps: Steps) -> Table:
    rows = [
        ["PANTHER", (f"one CRS of all units every {accounting.batch} examples: "
         "18178 cycles of ours, and 8 x (6500 + 22606.33) pJ a unit and its slice-carry unit")],
        ["PANTHER, source's cycles", ("likewise, with the source's cycles: MVM 1800, OPA 80, "
         "serial read and write 21218.75")],
        ["Base_digital", ("nothing: weights in SRAM carry at once; MVM 16146 cycles, OPA 1024; "
         "as in the source it leaks through converters, drivers and sample-and-hold it has not")],
        [DIGITAL_MAC.name, ("the same run without their leakage; the area of its memories and "
         "multipliers, and so their leakage, is not published: of arrays it is 0 in both")],
        ["Base_mvm", (f"one serial read and write every {accounting.batch} examples; OPA in CMOS, "
         "1024 cycles")],
        ["Base_opa/mvm", ("nothing: serial reads and writes are in the price of its outer product, "
         "1900 cycles")],
        ["skipped lines", ("PANTHER's products skip unused lines by our cycles; by the source's, "
         "and on baselines, they do not: ratios to the one and to the other are two columns")],
        ["converters", (f"of our RTL are lossless, {converters.bits_text()} bits; the price is "
         f"that of {converters.SOURCE_BITS}")],
        [GPU, f"batch {accounting.batch}: weights are read and written once a batch"],
        ["all", ("a tile's memory is priced as the paper's 64 KiB, although activations of VGG-16 "
         "need up to 2.1 MB in a tile; other machines than PANTHER are not built: they are our "
         "programs at transaction level, with their cycles")],
    ]  # fmt: skip
    for model, there in steps.items():
        step = there[OURS.key]
        rows.append([called(model), (f"{step.crossbars} matrix units, {step.cycles:,.0f} cycles "
                     "without CRS")])  # fmt: skip
    return Table(
        title="Rules", text="What is added to a step, and to what.",
        head=["machine", "rule"], rows=rows, prose=True,
    )  # fmt: skip


def _shown(found: Interval, factor: float) -> str:
    return f"{factor * found.value:.4g} ({factor * found.low:.3g} to {factor * found.high:.3g})"


def _times(found: Interval) -> str:
    if found.low == found.high:
        return f"{found.value:.3g}"
    return f"{found.value:.3g} ({found.low:.3g} to {found.high:.3g})"


# ---- pictures


def _short(name: str) -> str:
    """A layer's name without what all have in common."""
    return name.replace("linear_", "fc ").replace("conv2d_", "conv ").replace("_", " ")


def _bars(model: str, rows: Sequence[Place], what: str, *, gated: bool = False) -> bytes:
    plt = pyplot()
    others = [(machine.name, machine.colour, machine) for machine in MACHINES]
    width = 0.8 / (len(others) + 1)
    drawn, axis = plt.subplots(figsize=(max(9.0, 1.0 + 0.9 * len(rows)), 4.8), layout="constrained")
    for n, (name, colour, machine) in enumerate(others):
        at = [x + (n - len(others) / 2) * width for x in range(len(rows))]
        found = [_ratio(row, machine, what) for row in rows]
        bars = [over.value for over in found]
        spans = [
            [over.value - over.low for over in found],
            [over.high - over.value for over in found],
        ]
        shown = what == "energy" and machine is not OURS
        axis.bar(at, bars, width, color=colour, label=name, bottom=0,
                 yerr=spans if shown else None, ecolor="#555",
                 error_kw={"elinewidth": 0.7})  # fmt: skip
    at = [x + len(others) / 2 * width for x in range(len(rows))]
    of_gpu = [_of_gpu(row, what) / _value(row.costs[OURS.key], what) for row in rows]
    axis.bar(at, of_gpu, width, color=GPU_COLOUR, label=GPU, hatch="//", edgecolor="white")
    axis.axhline(1, color="#1e8449", lw=1, ls="--", zorder=0)
    kinds = sum(row.name in (STEP, CONV, FC) for row in rows)
    axis.axvline(kinds - 0.5, color="#999", lw=0.8)
    axis.margins(x=0.01)
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter("{x:g}")
    axis.set_xticks(range(len(rows)), [_short(row.name) for row in rows], rotation=35, ha="right")
    axis.set_ylabel(f"{what} over PANTHER's (log)")
    axis.grid(axis="y", alpha=0.3)
    axis.set_axisbelow(True)
    title = f"{called(model)}: {what} of an example{', what waits is off' if gated else ''}"
    if what == "energy":
        title += "; lines: all prices within their ranges"
    else:
        title += "; of layers matrix operations only"
    axis.set_title(title, size=11)
    drawn.legend(loc="outside lower center", ncols=4, fontsize=8)
    return png(drawn)


def _shares(model: str, rows: Sequence[Place]) -> bytes:
    """Shares of groups of components, and what the whole is, of every machine."""
    plt = pyplot()
    kinds = [row for row in rows if row.name in (STEP, CONV, FC)]
    drawn, axes = plt.subplots(
        1, len(kinds), figsize=(5.2 * len(kinds) + 2.2, 4.8), layout="constrained", squeeze=False,
        sharey=True,
    )  # fmt: skip
    for axis, row in zip(axes.flat, kinds, strict=True):
        totals = [row.costs[machine.key].bill.total for machine in MACHINES]
        below = [0.0] * len(MACHINES)
        for group, colour in zip(GROUPS, GROUP_COLOURS, strict=True):
            shares = [
                100 * groups_j(row.costs[machine.key].bill)[group] / total
                for machine, total in zip(MACHINES, totals, strict=True)
            ]
            axis.bar(range(len(MACHINES)), shares, 0.75, bottom=below, color=colour, label=group)
            below = [a + b for a, b in zip(below, shares, strict=True)]
        for n, total in enumerate(totals):
            axis.text(n, 101, f"{_uj(total)}\n{total / totals[0]:.3g}x", ha="center", va="bottom",
                      fontsize=8)  # fmt: skip
        names = [machine.name.replace(", source's", "\nsource's").replace(" without", "\nwithout")
                 for machine in MACHINES]  # fmt: skip
        axis.set_xticks(range(len(MACHINES)), names, rotation=25, ha="right", fontsize=8)
        axis.set_ylim(0, 116)
        axis.set_yticks(range(0, 101, 20))
        axis.set_title(row.name, size=10)
    axes.flat[0].set_ylabel("share of the energy, %")
    handles, names = axes.flat[0].get_legend_handles_labels()
    drawn.legend(handles[::-1], names[::-1], loc="outside right center", fontsize=8)
    drawn.suptitle(f"{called(model)}: energy of an example by group of components", size=11)
    return png(drawn)


def _uj(energy_j: float) -> str:
    return f"{1e6 * energy_j:.3g} uJ" if energy_j < 1e-3 else f"{1e3 * energy_j:.3g} mJ"
