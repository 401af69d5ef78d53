"""What converters of the bits ours have would cost: a network at prices that have them alone.

Converters of the RTL are lossless, which takes 11 to 13 bits; what the source charges for an access
of an array has those of 8 bits in it. The set ``parts`` prices a converter by its bits.
"""

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from panther.arch.params import McuParams
from panther.cost.point import measured, results
from panther.energy import load_prices, ratio
from panther.paper.machines import DIGITAL, DIGITAL_MAC, OURS, Accounting, Step, step_of
from panther.paper.page import Table

if TYPE_CHECKING:
    from panther.cost.measure import Run

NETWORKS = ("mlp-l4", "mlp")
"""Those that are run for it, in seconds."""
PARTS = "parts"
SOURCE_BITS = 8
"""Of the converters that the price of an access includes."""


def lossless_bits(mcu: McuParams | None = None) -> tuple[int, int]:
    """Least and greatest bits of a slice's lossless converters."""
    bits = (mcu or McuParams()).lossless_bits
    return min(bits), max(bits)


def bits_text() -> str:
    """``11 to 13``."""
    low, high = lossless_bits()
    return f"{low} to {high}"


@cache
def _run(model: str) -> "Run":
    return measured({"model": model, "crs_period": "none", "memory": "paper"})


@cache
def step_at(model: str, prices: str, bits: int | None = None) -> Step:
    """PANTHER's step at another set of prices; its counts do not depend on ``bits``.

    Parameters
    ----------
    model : str
        As ``panther train`` takes it; it is run once.
    prices : str
        A set's name.
    bits : int, optional
        Of all converters; lossless ones if not given.
    """
    from panther.cost.layers import account

    run = _run(model)
    if bits is not None:
        node = run.compiled.node
        core = node.tile.core
        adc = replace(core.mcu.adc, bits=(bits,) * core.mcu.slices.count)
        core = replace(core, mcu=replace(core.mcu, adc=adc))
        node = replace(node, tile=replace(node.tile, core=core))
        run = replace(run, compiled=replace(run.compiled, node=node))
    row = results(account(run, load_prices(prices))) | {"model": model}
    return step_of(row, replace(OURS, prices=prices))


def table(name: str, model: str, step_of_digital: Step, without: Step, batch: int) -> Table:
    """Energies of an example, and Base_digital over them.

    Parameters
    ----------
    name, model : str
        What the network is called, and what it is.
    step_of_digital, without : Step
        Of Base_digital, and of the same without converters.
    batch : int
        Examples between two CRS.
    """
    accounting = Accounting(batch=batch)
    others = [accounting.whole(step).bill for step in (step_of_digital, without)]
    rows = []
    for said, prices, bits in (
        ("as in all figures: the source's access", OURS.prices, None),
        (f"{PARTS}, {SOURCE_BITS} bits", PARTS, SOURCE_BITS),
        (f"{PARTS}, lossless as in our RTL: {bits_text()} bits", PARTS, None),
    ):
        bill = accounting.whole(step_at(model, prices, bits)).bill
        over = [f"{ratio(other, bill).value:.3g}" for other in others]
        rows.append([said, f"{1e6 * bill.total:.4g}", *over])
    return Table(
        title=f"{name}: what lossless converters would cost",
        text=(
            f"Converters of our RTL lose nothing and have {bits_text()} bits; all figures charge "
            f"the source's access, which has converters of {SOURCE_BITS} bits in it. The set "
            f"{PARTS} prices converters by themselves, twice for every bit more. Energy of an "
            f"example, batch {batch}."
        ),
        head=["PANTHER's prices and converters", "PANTHER, uJ", f"{DIGITAL.name} over it",
              DIGITAL_MAC.name],
        rows=rows,
    )  # fmt: skip
