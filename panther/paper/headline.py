"""The six ratios of the paper's abstract, and the two of its convolutions, in every accounting.

Nothing is fitted. For every ratio the accounting nearest to the paper's is looked for among a few
that can be written down: ``candidates``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log

from panther.energy import CYCLE_S, Interval, load_prices, ratio
from panther.paper import converters
from panther.paper.fig11 import STEP, Place, Steps, called, of_converters, places
from panther.paper.machines import (
    BASE_MVM,
    BASE_OPA,
    DIGITAL,
    DIGITAL_MAC,
    OURS,
    SOURCE,
    Accounting,
    Machine,
    serial_cycles,
)
from panther.paper.page import Part, Table
from panther.paper.reference import BENCHMARKS, PANTHER, reference_cost, reference_step

MLP = "mlpPanther"
CONV = "convGPanther"
BATCH = 64
STEPS, SLICES = 16, 8
"""Array accesses of a product: bits of an operand, and slices."""
PULSES = 4 * STEPS * SLICES
"""Of an outer product as it is counted."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A ratio of the paper."""

    name: str
    what: str
    """``energy`` or ``time``."""
    against: tuple[Machine, ...]
    """None: the GPU."""
    paper: float
    measured: str
    """By the simulator of the paper's authors, before."""
    reason: str
    convolution: bool = False


CLAIMS = (
    Claim(
        name="energy, digital", what="energy", against=(DIGITAL,), paper=8.02, measured="4.72",
        reason=(
            "No part of the MLP's replayed bill differs by 8.02: products 3.70, outer products "
            "3.27, leakage and control 7.46, network 7.60; so no sum of them does. Of VGG-16's "
            "step here most is leakage of units that wait, hence more, and most of that is of "
            "converters and drivers, which the source lets Base_digital leak through although it "
            "has none: the next line. The nodes' stated powers, 839 W over 105 W, have the ratio "
            "7.99, but are no energies. PANTHER's converters here are charged at "
            f"{converters.SOURCE_BITS} bits, as in the source; those of our RTL lose nothing and "
            f"have {converters.bits_text()}: the table of converters."
        ),
    ),
    Claim(
        name="energy, digital without converters", what="energy", against=(DIGITAL_MAC,),
        paper=8.02, measured="-",
        reason=(
            "The same runs without the leakage of converters, drivers, sample-and-hold and adders "
            "that digital multipliers do not have. What the area of their memories and multipliers "
            "is, and how much those leak, is not published; the source has no leakage of arrays, "
            "so this is a bound from below."
        ),
    ),
    Claim(
        name="energy, ReRAM", what="energy", against=(BASE_OPA,), paper=54.21,
        measured="107 to 139",
        reason=(
            "One outer product by MVM costs 14.47 uJ, 1273 times PANTHER's: one for every example "
            "makes about 100, as long as PANTHER's CRS are rare. 54 lies between a CRS of PANTHER "
            "after every example and after every second one; or, with as much leakage as in VGG-16 "
            "here, between the MLP and VGG-16."
        ),
    ),
    Claim(
        name="energy, GPU", what="energy", against=(), paper=103, measured="-",
        reason=(
            "Measured there, on a GPU that is not to be had here. The roofline is a bound from "
            "below; from batch 1 to 1024 that of the MLP goes from more to less than 103, that of "
            "VGG-16 is less at any batch."
        ),
    ),
    Claim(
        name="time, digital", what="time", against=(DIGITAL,), paper=7.16, measured="7.1605",
        reason=(
            "117436 / (16069 + 21218.75 / 64): the MLP, one serial read and write a batch. Our "
            "products skip unused columns, the source's do not, on any of its machines; so ours is "
            "more in layers that leave columns unused. With the source's cycles on both sides it "
            "is what the table of cycles says."
        ),
    ),
    Claim(
        name="time, ReRAM", what="time", against=(BASE_MVM, BASE_OPA), paper=4.02,
        measured="1.06 to 1.13",
        reason=(
            "Products take 1800 cycles on all ReRAM machines; only a serial read and write of the "
            "baseline after every example, none in PANTHER, comes near, and only where a step is "
            "short: 4.02 would be one of 7026 cycles."
        ),
    ),
    Claim(
        name="time, GPU", what="time", against=(), paper=16, measured="-",
        reason=(
            "As for energy. The roofline has 13.45 Tflop/s and no launches, PANTHER one example "
            "at a time: 16 would need a GPU that is far from its peak, at a small batch."
        ),
    ),
    Claim(
        name="energy, convolutions, Base_mvm", what="energy", against=(BASE_MVM,), paper=1.18,
        measured="-", convolution=True,
        reason=(
            "1.18 to 1.63 in the paper. Matrix operations alone give the lower end: (2 x 35.072 + "
            "37.168) / (2 x 39.552 + 11.366) = 1.186; serial accesses add to it."
        ),
    ),
    Claim(
        name="energy, convolutions, Base_opa/mvm", what="energy", against=(BASE_OPA,), paper=1.22,
        measured="107 to 139", convolution=True,
        reason=(
            "1.22 to 2.45 in the paper. With an outer product by MVM for every pixel the constants "
            "give more than 100; shared by 95 to 360 pixels they give the paper's."
        ),
    ),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A ratio in an accounting that can be written down."""

    said: str
    value: float


def reference_ratio(
    claim: Claim, benchmark: str, ours: Accounting | None, theirs: Accounting | None
) -> Interval:
    """Greatest over the claim's machines, replayed."""
    one = reference_cost(reference_step(benchmark, PANTHER), ours)
    found = []
    for machine in claim.against:
        other = reference_cost(reference_step(benchmark, machine), theirs)
        exact = other.time_s / one.time_s
        found.append(
            ratio(other.bill, one.bill) if claim.what == "energy" else Interval(exact, exact, exact)
        )
    return max(found, key=lambda interval: interval.value)


def operations_ratio(machine: Machine, *, shared_by: int = 1) -> float:
    """Energy of an MVM, an MTVM and an outer product alone, over PANTHER's; that of the machine's
    outer product shared by so many.
    """

    def energy(name: str, share: int) -> float:
        prices = load_prices(name)
        products = (
            STEPS
            * SLICES
            * (prices.energy_j("crossbar", "mvm_step") + prices.energy_j("crossbar", "mtvm_step"))
        )
        return products + PULSES * prices.energy_j("crossbar", "pulse") / share

    return energy(machine.prices, shared_by) / energy(PANTHER.prices, 1)


def dynamic_ratio(machine: Machine, benchmark: str) -> float:
    """Energy without leakage, replayed."""
    ours, other = reference_step(benchmark, PANTHER), reference_step(benchmark, machine)
    return other.dynamic.total / ours.dynamic.total


def candidates(claim: Claim) -> list[Candidate]:
    """Ratios in the paper's constants, in accountings that can be written down."""
    found: list[Candidate] = []
    batch, each = Accounting(batch=BATCH), Accounting(batch=1)
    ways = (
        ("no serial access", None, None),
        (f"serial read and write every {BATCH} examples", batch, batch),
        ("serial read and write after every example", each, each),
        (f"after every example, PANTHER every {BATCH}", batch, each),
        ("after every example, PANTHER never", None, each),
        (f"PANTHER every {BATCH}, baseline as it is", batch, None),
    )
    for benchmark, name in BENCHMARKS.items():
        if claim.convolution and benchmark != CONV:
            continue
        for said, ours, theirs in ways:
            value = reference_ratio(claim, benchmark, ours, theirs).value
            found.append(Candidate(said=f"{name}, {said}", value=value))
        if claim.what == "energy":
            for machine in claim.against:
                found.append(Candidate(
                    said=f"{name}, without leakage", value=dynamic_ratio(machine, benchmark)
                ))  # fmt: skip
    if claim.what == "energy":
        for machine in claim.against:
            found.append(Candidate(
                said="an MVM, an MTVM and an OPA alone", value=operations_ratio(machine)
            ))  # fmt: skip
            if machine is BASE_OPA:
                for share in (BATCH, 4 * BATCH):
                    found.append(Candidate(
                        said=f"an MVM, an MTVM and an OPA alone, that of the baseline shared by "
                        f"{share}",
                        value=operations_ratio(machine, shared_by=share),
                    ))  # fmt: skip
    return found


def nearest(claim: Claim) -> Candidate:
    """The accounting nearest to the paper's ratio."""
    return min(candidates(claim), key=lambda found: abs(log(found.value / claim.paper)))


@dataclass(frozen=True, kw_only=True)
class Ours:
    """A claim by our hardware's accounting."""

    step: Interval
    by_source: Interval
    """The step with the source's cycles in PANTHER, too: no line is skipped."""
    best: Interval
    best_layer: str


def ours(claim: Claim, model: str, steps: Steps, batch: int = BATCH) -> Ours:
    """Of a network's step, and of the layer whose matrix operations are best by themselves; the
    greatest over the machines.
    """
    step_place, *_ = places(model, steps[model], Accounting(batch=batch))
    _, *alone = places(model, steps[model], Accounting(batch=batch, gated=True))
    found = [(_over(claim, place, OURS), place.name) for place in alone]
    step = _over(claim, step_place, OURS)
    layers = {layer.name for layer in steps[model][OURS.key].layers
              if layer.convolution or not claim.convolution}  # fmt: skip
    best = max(
        ((value, name) for value, name in found if name in layers),
        key=lambda item: item[0].value, default=(step, STEP),
    )  # fmt: skip
    by_source = _over(claim, step_place, SOURCE)
    return Ours(step=step, by_source=by_source, best=best[0], best_layer=best[1])


def _over(claim: Claim, place: Place, panther: Machine) -> Interval:
    """A claim at a place: the greatest of its machines, over PANTHER with one cycles or other."""
    one = place.costs[panther.key]
    values = []
    for machine in claim.against:
        cost = place.costs[machine.key]
        exact = cost.time_s / one.time_s
        values.append(
            ratio(cost.bill, one.bill) if claim.what == "energy" else Interval(exact, exact, exact)
        )
    if not claim.against:
        energy = claim.what == "energy"
        exact = place.gpu_energy_j / one.bill.total if energy else place.gpu_time_s / one.time_s
        values.append(Interval(exact, exact, exact))
    return max(values, key=lambda interval: interval.value)


def headline(steps: Steps) -> Part:
    """The table, and where the paper's time ratio is from."""
    batch = Accounting(batch=BATCH)
    rows, records = [], []
    for claim in CLAIMS:
        benchmark = CONV if claim.convolution else MLP
        replayed = near = ""
        nearest_value = None
        if claim.against:
            found = reference_ratio(claim, benchmark, batch, batch)
            replayed = f"{found.value:.4g}"
            close = nearest(claim)
            nearest_value = close.value
            near = f"{close.value:.3g}: {close.said}"
        line = [claim.name, f"{claim.paper:g}", claim.measured, replayed or "-"]
        record: dict[str, object] = {
            "claim": claim.name, "paper": claim.paper, "replay": replayed, "nearest": nearest_value,
            "nearest_accounting": near,
        }  # fmt: skip
        for model in steps:
            if claim.convolution and not any(
                layer.convolution for layer in steps[model][OURS.key].layers
            ):
                line.append("-")
                continue
            mine = ours(claim, model, steps)
            name = mine.best_layer.replace("linear_", "fc ").replace("conv2d_", "conv ")
            # of convolutions the step says nothing
            said = f"{mine.step.value:.3g}; " if not claim.convolution else ""
            line.append(f"{said}{mine.best.value:.3g} in {name}")
            record |= {
                f"{model}_step": mine.step.value, f"{model}_step_low": mine.step.low,
                f"{model}_step_high": mine.step.high,
                f"{model}_step_by_source": mine.by_source.value, f"{model}_best": mine.best.value,
                f"{model}_best_layer": mine.best_layer,
            }  # fmt: skip
        rows.append([*line, near or "-"])
        records.append(record)
    return Part(
        name="headline", title="The ratios of the abstract",
        text=(
            "How much less energy and time PANTHER takes, by the paper, by its simulator as it was "
            "run before, by our replay of that simulator, and by the counters of our hardware at "
            "the same prices. No constant is changed to come nearer. PANTHER is charged for "
            f"converters of {converters.SOURCE_BITS} bits, as in the source, although those of our "
            f"RTL are lossless and have {converters.bits_text()}."
        ),
        tables=(
            _table(rows, steps), _cycles(steps),
            *(shown for model in steps for shown in of_converters(model, steps[model], BATCH)),
            _reasons(), _candidates(), _time(),
        ),
        records=records,
    )  # fmt: skip


def _table(rows: list[list[str]], steps: Steps) -> Table:
    return Table(
        title="Paper, its simulator, and our hardware",
        text=(
            f"Replay: MLP-L4, of convolutions convolution G, a serial read and write every {BATCH} "
            f"examples. Ours: batch {BATCH}, the whole step; then, because the paper says up to, "
            "the best layer by itself, matrix operations only: leakage and time are those of its "
            "busiest matrix unit, vector work and transfers take no time. Against ReRAM: the "
            "greater of Base_mvm and Base_opa/mvm. GPU: a "
            "roofline, nothing measured."
        ),
        head=["ratio", "paper", "simulator, measured before", "its replay",
              *(f"ours, {called(model)}: step; matrix operations" for model in steps),
              "nearest of its constants"],
        rows=rows, prose=True,
    )  # fmt: skip


def _cycles(steps: Steps) -> Table:
    rows = []
    for claim in CLAIMS:
        if not claim.convolution:
            line = [claim.name]
            for model in steps:
                mine = ours(claim, model, steps)
                line += [f"{mine.step.value:.3g}", f"{mine.by_source.value:.3g}"]
            rows.append(line)
    return Table(
        title="Whole steps by our cycles and by the source's",
        text=(
            "Our products skip lines that a layer leaves unused, products of the source's machines "
            "take 1800 or 16146 cycles always. With the source's cycles in PANTHER nobody skips."
        ),
        head=["ratio", *(f"{called(model)}, {whose}" for model in steps
                         for whose in ("ours", "source's cycles"))],
        rows=rows,
    )  # fmt: skip


def _reasons() -> Table:
    return Table(
        title="Why", text="What the published constants can explain, and what not.",
        head=["ratio", "reason"], rows=[[claim.name, claim.reason] for claim in CLAIMS], prose=True,
    )  # fmt: skip


def _candidates() -> Table:
    rows = []
    for claim in CLAIMS:
        if claim.against:
            for found in sorted(candidates(claim), key=lambda c: abs(log(c.value / claim.paper)))[
                :4
            ]:
                rows.append([
                    claim.name, f"{claim.paper:g}", f"{found.value:.4g}",
                    f"{100 * (found.value / claim.paper - 1):+.1f}", found.said,
                ])  # fmt: skip
    return Table(
        title="Accountings of the published constants nearest to the paper",
        text="The four nearest of each, over its programs as replayed, and over operations alone.",
        head=["ratio", "paper", "there", "off, %", "accounting"], rows=rows, prose=True,
    )  # fmt: skip


def _time() -> Table:
    digital, panther = reference_step(MLP, DIGITAL), reference_step(MLP, PANTHER)
    serial = serial_cycles(PANTHER.prices)
    cost = reference_cost(panther, Accounting(batch=BATCH))
    found = digital.cycles * CYCLE_S / cost.time_s
    return Table(
        title="Time against Base_digital, from its parts",
        text="Cycles of the replay; a cycle is 1 ns.",
        head=["what", "value"],
        rows=[
            ["Base_digital, cycles", f"{digital.cycles:,}"],
            ["PANTHER, cycles", f"{panther.cycles:,}"],
            ["a serial read and write, cycles", f"{serial:,.2f}"],
            ["batch", str(BATCH)], ["ratio", f"{found:.4f}"], ["paper", "7.16"],
        ],
    )  # fmt: skip


def time_against_digital() -> float:
    """The paper's 7.16, by its accounting with the replay's cycles."""
    (claim,) = [claim for claim in CLAIMS if claim.name == "time, digital"]
    batch = Accounting(batch=BATCH)
    return reference_ratio(claim, MLP, batch, batch).value


def all_candidates() -> Mapping[str, list[Candidate]]:
    """Of every claim that has a machine."""
    return {claim.name: candidates(claim) for claim in CLAIMS if claim.against}
