"""Where every price of the figures is from; what is an assumption comes first."""

from panther.cost.report import is_assumed
from panther.energy import RTX_2080_TI, Price, PriceSet, load_prices
from panther.paper.machines import MACHINES
from panther.paper.page import Part, Table

TITLE = "PANTHER: figures and tables of the paper, computed again"
TEXT = (
    "Ankit et al., arXiv 1912.11516. Of the paper's numbering only Fig. 10 is known here; other "
    "numbers are ours. Energy is what counters of the hardware say, at the prices at the end of "
    "this page; whatever is not measured says so."
)
ASSUMPTION = "assumption"


def part() -> Part:
    """Prices of all sets that are used, and the GPU's figures."""
    names = list(dict.fromkeys(machine.prices for machine in MACHINES))
    first = load_prices(names[0])
    tables = [_table(first, first)]
    tables += [_table(load_prices(name), first) for name in names[1:]]
    return Part(
        name="sources", title="Prices and their sources",
        text=(
            "In brackets: least and greatest, as factors. A set takes everything from the first "
            "one but what stands under its own name."
        ),
        tables=[*tables, _gpu()],
        records=[
            {"set": name, "price": price.name, "value": price.alone, "low": price.low,
             "high": price.high, "source": price.source, "range_source": price.range_source,
             "included_in": price.included_in}
            for name in names for price in load_prices(name).prices()
        ],
    )  # fmt: skip


def _table(prices: PriceSet, base: PriceSet) -> Table:
    known = {price.name: price for price in base.prices()}
    shown = [
        p for p in prices.prices()
        if prices is base or (p != known[p.name] and (p.alone or known[p.name].alone))
    ]  # fmt: skip
    rows = []
    for price in sorted(shown, key=lambda p: not is_assumed(p.source)):
        value, unit = _unit(price)
        span = ""
        if price.value:
            span = f"({price.low / price.value:g} to {price.high / price.value:g})"
        elif price.included_in:
            span = f"in {price.included_in}"
        mark = "ASSUMPTION: " if is_assumed(price.source) else ""
        source = price.source.removeprefix(f"{ASSUMPTION}: ")
        rows.append([price.name, f"{value:g}", unit, span, f"{mark}{source}"])
    return Table(
        title=f"{prices.name}: {prices.title}",
        text=f"Cycles of whole operations: {prices.cycles_source}.",
        head=["price", "value", "unit", "range", "source"], rows=rows, prose=True,
    )  # fmt: skip


def _unit(price: Price) -> tuple[float, str]:
    kind = price.name.rpartition(".")[2]
    factor, unit = {"leakage": (1e3, "mW"), "area": (1e6, "mm2")}.get(kind, (1e12, "pJ"))
    return factor * price.alone, unit


def _gpu() -> Table:
    gpu = RTX_2080_TI
    return Table(
        title=f"GPU: {gpu.name}", text="A roofline at peak figures: a bound, nothing measured.",
        head=["figure", "value", "source"],
        rows=[
            ["arithmetic, Tflop/s", f"{1e-12 * gpu.flops:g}", gpu.source],
            ["memory, GB/s", f"{1e-9 * gpu.bytes_s:g}", gpu.source],
            ["power, W", f"{gpu.power_w:g}", gpu.source],
            ["area, mm2", f"{1e6 * gpu.area_m2:g}", gpu.source],
            ["word, bytes", f"{gpu.word_bytes}", "ASSUMPTION: single precision"],
            ["launch of a kernel, s", f"{gpu.launch_s:g}", "ASSUMPTION: none, a bound"],
        ],
        prose=True,
    )  # fmt: skip
