"""What something costs: prices and how many of each, and how sure sums and ratios are.

A range of a ratio is exact: one price that stands on both sides is the same on both.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from panther.energy.prices import Price


@dataclass(frozen=True)
class Interval:
    """A value and the least and greatest it may be."""

    value: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        return f"{self.value:{spec}} ({self.low:{spec}} to {self.high:{spec}})"


class Bill:
    """Prices and how many of each: energies in J, or powers in W with seconds as counts, or areas.

    Parameters
    ----------
    counts
        How many, by price.
    """

    def __init__(self, counts: Mapping[Price, float] | None = None) -> None:
        self.counts: dict[Price, float] = {}
        for price, count in (counts or {}).items():
            self.add(price, count)

    def add(self, price: Price, count: float) -> None:
        """Add an item; of nothing, no item."""
        if count:
            self.counts[price] = self.counts.get(price, 0.0) + count

    def __add__(self, other: "Bill") -> "Bill":
        found = Bill(self.counts)
        for price, count in other.counts.items():
            found.add(price, count)
        return found

    def __mul__(self, factor: float) -> "Bill":
        return Bill({price: factor * count for price, count in self.counts.items()})

    @staticmethod
    def sum(bills: "Iterable[Bill]") -> "Bill":
        """All of them together."""
        found = Bill()
        for bill in bills:
            for price, count in bill.counts.items():
                found.add(price, count)
        return found

    @property
    def total(self) -> float:
        """The sum."""
        return sum(count * price.value for price, count in self.counts.items())

    @property
    def interval(self) -> Interval:
        """The sum, and what it is with all prices at their least and at their greatest."""
        counts = self.counts.items()
        return Interval(
            self.total,
            sum(count * price.low for price, count in counts),
            sum(count * price.high for price, count in counts),
        )

    def component(self, name: str) -> "Bill":
        """What it has of a component."""
        return Bill(
            {p: count for p, count in self.counts.items() if p.name.partition(".")[0] == name}
        )

    def by_component(self) -> dict[str, float]:
        """Sums by component, the greatest first."""
        found: dict[str, float] = {}
        for price, count in self.counts.items():
            name = price.name.partition(".")[0]
            found[name] = found.get(name, 0.0) + count * price.value
        return dict(sorted(found.items(), key=lambda item: -item[1]))


def ratio(above: Bill, below: Bill) -> Interval:
    """One sum over another; least and greatest over all prices within their ranges.

    A price of which each has a share moves both. The ratio is monotonic in every price, so its
    least and greatest are had with each at one of its ends: which one, follows from whether its
    share above is more than the ratio times its share below, found by going round (Dinkelbach).

    Raises
    ------
    ValueError
        If there is nothing below.
    """
    if below.total <= 0:
        raise ValueError("Ratio must be one to something that costs more than nothing")
    prices = sorted(
        {*above.counts, *below.counts}, key=lambda price: (price.name, price.source, price.value)
    )
    shares = [(p, above.counts.get(p, 0.0), below.counts.get(p, 0.0)) for p in prices]

    def end(*, highest: bool) -> float:
        best = above.total / below.total
        while True:
            top = bottom = 0.0
            for price, over, under in shares:
                at_high = (over - best * under > 0) == highest
                value = price.high if at_high else price.low
                top += over * value
                bottom += under * value
            if bottom == 0:
                return float("inf")
            found = top / bottom
            if (found <= best * (1 + 1e-12)) if highest else (found >= best * (1 - 1e-12)):
                return best
            best = found

    return Interval(above.total / below.total, end(highest=False), end(highest=True))
