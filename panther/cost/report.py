"""What a run costs, as tables, as JSON and as one page that needs nothing else."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from panther.arch.params import OperationCycles
from panther.compiler.loops import PHASES
from panther.cost import pictures
from panther.cost.layers import GROUPS, Account, Layer, scaled
from panther.cost.timeline import Shares, Timeline
from panther.energy import CYCLE_S, Bill, Interval, PriceSet, ratio
from panther.train.report import STYLE
from panther.train.report import table as html_table

Rows = tuple[list[str], list[list[str]]]
"""A head and lines; the first cell of each is a name, the others numbers."""

_PREFIXES = ((1e-3, "m"), (1e-6, "u"), (1e-9, "n"), (1e-12, "p"))
MORE_STYLE = """
figure { max-width: none; overflow-x: auto; margin: 0 0 1.5rem; }
figure img { max-width: 100%; background: #fff; }
body { max-width: 76rem; } td:first-child { white-space: nowrap; }
td + td, th + th { text-align: right; } .words td + td, .words th + th { text-align: left; }
.prices { font-size: .78rem; } .prices summary { cursor: pointer; }
"""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """All that is reported of a run."""

    title: str
    node: str
    """The node in words."""
    timing: str
    """Whose cycles matrix operations take: ``ours``, ``source``, or ``given`` by parameters."""
    account: Account
    against: tuple[Account, ...] = ()
    """The same run on other machines."""
    timeline: Timeline | None = None
    shares: Shares | None = None
    remarks: tuple[str, ...] = field(default=())


# ---- numbers in words


def si(value: float, unit: str) -> str:
    """Four digits and a prefix: ``7.591 uJ``."""
    factor, prefix = _prefix(value)
    return f"{value / factor:.4g} {prefix}{unit}"


def interval_text(interval: Interval, unit: str) -> str:
    """``7.591 uJ (4.496 to 13.1)``."""
    factor, prefix = _prefix(interval.value)
    low, high = interval.low / factor, interval.high / factor
    return f"{interval.value / factor:.4g} {prefix}{unit} ({low:.4g} to {high:.4g})"


def _prefix(value: float) -> tuple[float, str]:
    if value == 0 or value >= 1:
        return 1.0, ""
    return next(((f, p) for f, p in _PREFIXES if value >= f), _PREFIXES[-1])


def _number(value: float) -> str:
    """A number of a column: never more digits than make sense, never an exponent."""
    if value == 0:
        return "0"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.3f}"


def _nj(bill: Bill, examples: int) -> str:
    return _number(bill.total / examples * 1e9)


def _named(layer: Layer) -> str:
    return layer.name or "shared"


# ---- tables


def layer_table(account: Account) -> Rows:
    """Crossbars, how busy they were, energy of an example and area, layer by layer."""
    run = account.run
    head = [
        "layer", "crossbars", "cells used, %", "busy, cycles", "utilisation, %", "energy, nJ",
        "share, %", "area, mm2",
    ]  # fmt: skip
    total = account.bill.total * run.examples
    rows = [
        [
            _named(layer),
            *(
                [
                    str(layer.crossbars), f"{100 * layer.used:.1f}",
                    f"{layer.busy / run.examples:,.0f}", f"{100 * layer.busy / run.cycles:.3g}",
                ]
                if layer.crossbars
                else ["", "", "", ""]
            ),
            _nj(layer.bill, run.examples), f"{100 * layer.bill.total / total:.1f}",
            f"{layer.area.total * 1e6:.3f}" if layer.crossbars else "",
        ]
        for layer in account.layers
    ]  # fmt: skip
    crossbars = sum(layer.crossbars for layer in account.layers)
    rows.append(
        ["all", str(crossbars), "", "", "", _nj(account.bill, 1), "100.0",
         f"{account.area.total * 1e6:.3f}"]
    )  # fmt: skip
    return head, rows


def group_table(account: Account) -> Rows:
    """Energy of an example in nJ by layer and kind of component."""
    examples = account.run.examples
    rows = [
        [_named(layer), *(_nj(layer.energy[group], examples) for group in GROUPS),
         _nj(layer.bill, examples)]
        for layer in account.layers
    ]  # fmt: skip
    energy = account.energy
    rows.append(["all", *(_nj(energy[group], 1) for group in GROUPS), _nj(account.bill, 1)])
    return ["nJ", *GROUPS, "all"], rows


def phase_table(account: Account) -> Rows:
    """Cycles cores spent on instructions, by layer and phase, waiting included: of an example, and
    of one core on the average.
    """
    examples = account.run.examples
    phases = [p for p in PHASES if any(p in layer.phases for layer in account.layers)]
    rows = [
        [_named(layer), str(layer.cores),
         *(
             f"{layer.phases[p].cycles / examples / max(layer.cores, 1):,.0f}"
             if p in layer.phases else ""
             for p in phases
         )]
        for layer in account.layers
        if layer.phases
    ]  # fmt: skip
    return ["cycles", "cores", *phases], rows


def totals(cost: Cost) -> list[tuple[str, str]]:
    """What an example takes, and the machine."""
    account = cost.account
    run = account.run
    each = "of an example"
    return [
        (f"cycles {each}", f"{run.cycles / run.examples:,.0f}"),
        (f"time {each}, at {1e-9 / CYCLE_S:g} GHz", si(account.time_s, "s")),
        ("examples a second", f"{1 / account.time_s:,.0f}"),
        (f"energy {each}", interval_text(account.bill.interval, "J")),
        ("average power", interval_text(account.power_w, "W")),
        ("energy times time", _scientific(account.edp_js, "J s")),
        ("area of the tiles used", _area(account.area)),
        ("area of the node", _area(account.area_of_node)),
    ]  # fmt: skip


def _scientific(interval: Interval, unit: str) -> str:
    return f"{interval.value:.4g} {unit} ({interval.low:.3g} to {interval.high:.3g})"


def _area(bill: Bill) -> str:
    mm2 = scaled(bill.interval, 1e6)
    return f"{mm2.value:.4g} mm2 ({mm2.low:.4g} to {mm2.high:.4g})"


@dataclass(frozen=True)
class Ratios:
    """Another machine over this one: how many times as much it takes."""

    account: Account
    time: float
    energy: Interval
    edp: Interval


def ratios(cost: Cost) -> list[Ratios]:
    """Of all machines compared with."""
    found = []
    for other in cost.against:
        time = other.time_s / cost.account.time_s
        energy = ratio(other.bill, cost.account.bill)
        found.append(Ratios(other, time, energy, scaled(energy, time)))
    return found


def against_table(cost: Cost) -> Rows:
    """Time and energy of an example on other machines, and how many times ours they are."""
    head = [
        "prices", "time, us", "energy, nJ", "time, times", "energy, times", "energy x time, times",
    ]  # fmt: skip
    ours = cost.account
    rows = [[ours.prices.name, f"{ours.time_s * 1e6:,.4g}", _nj(ours.bill, 1), "1", "1", "1"]]
    rows += [
        [
            r.account.prices.name, f"{r.account.time_s * 1e6:,.4g}", _nj(r.account.bill, 1),
            f"{r.time:.3g}", f"{r.energy:.3g}", f"{r.edp:.3g}",
        ]
        for r in ratios(cost)
    ]  # fmt: skip
    return head, rows


_UNITS = {"leakage": ("mW", 1e3), "area": ("mm2", 1e6)}


def source_table(prices: PriceSet) -> Rows:
    """Every price with its source, assumptions first."""
    head = ["price", "", "value", "unit", "least", "greatest", "what", "source", "source of range"]
    rows = []
    for price in prices.prices():
        unit, factor = _UNITS.get(price.name.partition(".")[2], ("pJ", 1e12))
        value = f"{price.value * factor:.6g}"
        if price.included_in:
            value = f"in {price.included_in}"
        rows.append(
            [
                price.name, "assumption" if is_assumed(price.source) else "", value, unit,
                f"{price.low * factor:.4g}", f"{price.high * factor:.4g}",
                price.what or prices.component(price.name.split(".")[0]).what, price.source,
                price.range_source,
            ]
        )  # fmt: skip
    rows.sort(key=lambda row: not row[1])
    return head, rows


def is_assumed(source: str) -> bool:
    """Whether a source is none, but an assumption."""
    return "assumption" in source.lower()


def assumed(prices: PriceSet) -> tuple[int, int]:
    """How many prices are assumptions, and how many there are."""
    sources = [is_assumed(price.source) for price in prices.prices()]
    return sum(sources), len(sources)


# ---- JSON


def as_json(cost: Cost) -> dict[str, Any]:
    """Everything in SI units, which the keys name; energies and powers with the range of the
    prices.
    """
    account = cost.account
    run = account.run
    compiled = run.compiled
    examples = run.examples
    found: dict[str, Any] = {
        "network": cost.title, "variant": compiled.plan.variant, "batch": compiled.plan.batch,
        "crs_period": compiled.plan.crs_period, "examples": examples, "engine": run.engine,
        "timing": cost.timing, "node": cost.node, "cycles": run.cycles,
        "per_example": _of_account(account),
        "area_m2": {
            "tiles_used": _interval(account.area.interval),
            "node": _interval(account.area_of_node.interval),
        },
        "layers": [
            {
                "name": _named(layer), "crossbars": layer.crossbars, "cells_used": layer.used,
                "busy_cycles": layer.busy / examples, "utilisation": layer.busy / run.cycles,
                "cores": layer.cores,
                "energy_j": _interval((layer.bill * (1 / examples)).interval),
                "energy_by_group_j": {
                    group: (layer.energy[group] * (1 / examples)).total for group in GROUPS
                },
                "area_m2": _interval(layer.area.interval),
                "programs": {
                    phase: {
                        "core_cycles": done.cycles / examples,
                        **{name: n / examples for name, n in done.counts.items()},
                    }
                    for phase, done in layer.phases.items()
                },
            }
            for layer in account.layers
        ],
        "against": [
            {
                **_of_account(r.account), "time_ratio": r.time,
                "energy_ratio": _interval(r.energy), "edp_ratio": _interval(r.edp),
            }
            for r in ratios(cost)
        ],
        "remarks": list(cost.remarks),
    }  # fmt: skip
    return found


def _of_account(account: Account) -> dict[str, Any]:
    return {
        "prices": account.prices.name, "cycles": account.run.cycles / account.run.examples,
        "time_s": account.time_s, "examples_per_s": 1 / account.time_s,
        "energy_j": _interval(account.bill.interval),
        "energy_by_group_j": {
            group: _interval(bill.interval) for group, bill in account.energy.items()
        },
        "energy_by_component_j": account.bill.by_component(),
        "power_w": _interval(account.power_w), "edp_js": _interval(account.edp_js),
    }  # fmt: skip


def _interval(interval: Interval) -> dict[str, float]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}


# ---- a page


def page(cost: Cost) -> str:
    """HTML with pictures and all tables."""
    account = cost.account
    run = account.run
    plan = run.compiled.plan
    head = (
        f"variant {plan.variant}, batch {plan.batch}, {_plural(run.examples, 'example')} "
        f"{'in RTL' if run.engine == 'rtl' else 'at transaction level'}; prices "
        f"{account.prices.name}: {account.prices.title}"
    )
    count, of = assumed(account.prices)
    parts = [
        f"<h1>{escape(cost.title)}</h1>", f"<p>{escape(head)}</p>", f"<p>{escape(cost.node)}</p>",
        *(f"<p>{escape(remark)}</p>" for remark in cost.remarks),
        "<h2>An example</h2>", _words(["", ""], [list(pair) for pair in totals(cost)]),
    ]  # fmt: skip
    drawn = pictures.all_of(account, cost.timeline, cost.shares)
    if cost.against:
        parts += ["<h2>Other machines</h2>", _words(*against_table(cost))]
    for title, image in drawn.items():
        parts.append(f"<h2>{escape(title)}</h2><figure>{image}</figure>")
    parts += ["<h2>Layers</h2>", html_table(*layer_table(account))]
    parts += ["<h2>Energy of an example by kind of component</h2>"]
    parts += [html_table(*group_table(account))]
    parts += ["<h2>Cycles of cores by phase</h2>"]
    parts += ["<p>Of an example and of one of the layer's cores on the average, waiting included."]
    parts += ["</p>", html_table(*phase_table(account))]
    parts += ["<h2>Prices</h2>", '<details class="prices"><summary>']
    parts += [f"{of} prices, {count} of them assumptions</summary>"]
    parts += [_words(*source_table(account.prices)), "</details>"]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(cost.title)}</title>\n<style>{STYLE}{MORE_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _words(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return f'<div class="words">{html_table(head, rows)}</div>'


def _plural(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def remarks_of(account: Account, *, random: bool) -> list[str]:
    """What a reader has to know of a run; ``random``: weights and examples were."""
    run = account.run
    plan, network = run.compiled.plan, run.compiled.network
    found = []
    if random and (plan.mcu.opa.skip_steps or plan.mcu.headroom):
        found.append("Counts depend on the data with skip_steps and headroom: here random")
    if plan.variant != "V3" and plan.crs_period is not None:
        few = [
            node.name
            for node in network.matrices
            if node.shape[0] * node.shape[1] * run.examples < plan.crs_period
        ]
        if few:
            found.append(
                f"No CRS in {', '.join(few)}: fewer than {plan.crs_period} outer products in "
                f"{_plural(run.examples, 'example')}"
            )
    return found


SOURCE_LINES = 128
"""Rows and columns of a crossbar in the sources of the price sets."""


def remarks_of_cycles(accounts: Iterable[Account]) -> list[str]:
    """What a reader has to know of runs with a source's cycles on crossbars unlike the source's."""
    theirs = [
        account
        for account in accounts
        if account.run.compiled.node.tile.core.mcu.cycles
        == OperationCycles(**account.prices.cycles)
    ]
    if not theirs:
        return []
    compiled = theirs[0].run.compiled
    mcu = compiled.node.tile.core.mcu
    crossbars = [placed.crossbar for placed in compiled.placed]
    lines = (mcu.rows, mcu.columns)
    unlike = []
    if lines != (SOURCE_LINES, SOURCE_LINES):
        unlike.append(f"here they have {mcu.rows} x {mcu.columns}")
    if any((len(c.rows), len(c.columns)) != lines for c in crossbars):
        unlike.append("here some lines are not in use, which takes our RTL less time")
    if not unlike:
        return []
    names = ", ".join(dict.fromkeys(account.prices.name for account in theirs))
    said = f"of crossbars of {SOURCE_LINES} x {SOURCE_LINES}, all lines in use"
    return [f"Cycles that come with {names} are {said}; {', and '.join(unlike)}"]
