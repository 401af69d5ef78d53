import itertools

import numpy as np
import pytest

from panther.energy import Bill, Price, ratio


def price(name, value, low, high):
    return Price(
        name=name, value=value, low=low, high=high, source="test", range_source="test"
    )  # fmt: skip


ADC, ARRAY, ALU = price("adc.a", 2, 1, 4), price("xbar.b", 10, 9, 11), price("alu.c", 1, 0, 3)


def test_sums():
    bill = Bill({ADC: 3, ARRAY: 1}) + Bill({ADC: 1}) * 2
    assert bill.counts == {ADC: 5, ARRAY: 1}
    assert bill.total == 20
    assert (bill.interval.low, bill.interval.high) == (14, 31)
    assert bill.by_component() == {"adc": 10, "xbar": 10}
    assert bill.component("adc").counts == {ADC: 5}
    assert Bill.sum([bill, bill]).total == 40
    assert Bill({ADC: 0}).counts == {}
    assert f"{bill.interval:.1f}" == "20.0 (14.0 to 31.0)"


def test_shared_prices_cancel():
    above, below = Bill({ADC: 4, ARRAY: 8}), Bill({ADC: 2, ARRAY: 4})
    found = ratio(above, below)
    assert (found.value, found.low, found.high) == pytest.approx((2, 2, 2))


def test_ratio_is_that_of_the_worst_corner():
    generator = np.random.default_rng(3)
    prices = (ADC, ARRAY, ALU, price("d.d", 5, 1, 20))
    for _ in range(200):
        counts = generator.integers(0, 4, (2, len(prices)))
        counts[1, 1] += 1
        above, below = (Bill(dict(zip(prices, row.tolist(), strict=True))) for row in counts)
        corners = [
            sum(a * v for a, v in zip(counts[0], values, strict=True))
            / sum(b * v for b, v in zip(counts[1], values, strict=True))
            for values in itertools.product(*((p.low, p.high) for p in prices))
        ]
        found = ratio(above, below)
        assert found.value == pytest.approx(above.total / below.total)
        assert (found.low, found.high) == pytest.approx((min(corners), max(corners)))


def test_ratio_to_nothing():
    with pytest.raises(ValueError, match=r"^Ratio must be one to something that costs"):
        ratio(Bill({ADC: 1}), Bill())
