"""What a price set decides beside energies: whose cycles operations take, and on which files it
depends.
"""

from dataclasses import replace
from pathlib import Path

from panther.arch.checks import shown
from panther.arch.params import McuParams, OperationCycles
from panther.energy import PRICE_SETS, PriceSet, load_prices
from panther.energy.prices import FOLDER, OPERATIONS
from panther.yaml_lines import YamlLines

AUTO, OURS, SOURCE = TIMINGS = ("auto", "ours", "source")
"""Whose cycles whole matrix operations take: those of our RTL, those the source of the prices has;
``auto``: the source's if the prices are of another machine, ours if not."""


class CostError(ValueError):
    """A run that cannot be made, or does not fit its counters or its prices."""


def timing_of(prices: PriceSet, asked: str = AUTO) -> str:
    """Whose cycles operations take, ``ours`` or ``source``.

    Raises
    ------
    CostError
        If none of ``TIMINGS`` is asked for, or ours with another machine's prices.
    """
    if asked not in TIMINGS:
        raise CostError(f"Timing must be one of {', '.join(TIMINGS)}, not {shown(asked)}")
    if prices.is_foreign and asked == OURS:
        raise CostError(f"Timing must be source with prices {prices.name}: it is another machine")
    return asked if asked != AUTO else SOURCE if prices.is_foreign else OURS


def cycles_of(prices: PriceSet) -> OperationCycles:
    """Cycles of whole operations as the source of a price set has them.

    Raises
    ------
    CostError
        If it does not have all four.
    """
    if missing := [name for name in OPERATIONS if name not in prices.cycles]:
        raise CostError(
            f"Cycles of {', '.join(missing)} must be given for timing source: add them to "
            f"{prices.path}"
        )
    return OperationCycles(**prices.cycles)


def unit_of(mcu: McuParams, prices: PriceSet, timing: str = AUTO) -> McuParams:
    """A matrix unit whose operations take the cycles that go with a price set.

    Raises
    ------
    CostError
        As :func:`timing_of` and :func:`cycles_of`, or if the unit's operations cannot take others.
    """
    if timing_of(prices, timing) == OURS:
        return mcu
    try:
        return replace(mcu, cycles=cycles_of(prices))
    except CostError:
        raise
    except ValueError as error:
        raise CostError(f"{error}; prices {prices.name} come with cycles of theirs") from error


def price_files(name: str | Path) -> list[Path]:
    """The file of a price set, and those it extends.

    Raises
    ------
    PriceError
        If one of them cannot be used.
    """
    load_prices(name)
    found: list[Path] = []
    folder = Path()
    while name:
        path = FOLDER / f"{name}.yaml" if str(name) in PRICE_SETS else folder / name
        found.append(path)
        folder = path.parent
        name = str(YamlLines().read(path.read_text(encoding="utf-8")).get("extends", ""))
    return found
