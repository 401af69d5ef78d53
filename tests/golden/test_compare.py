from dataclasses import replace

import pytest

from golden.compare import compare
from golden.data import digits
from golden.train import TrainConfig


def test_crossbars_reach_float64_on_the_digits():
    pytest.importorskip("sklearn")
    config = TrainConfig(epochs=3)
    calls = []
    result = compare(
        config, digits(config.formats), seeds=(0, 1), progress=lambda *done: calls.append(done)
    )
    assert calls == [(1, 2), (2, 2)]
    assert min(result.crossbar) > 0.85
    assert abs(result.gap) < 0.04
    assert result.gap == pytest.approx(
        sum(result.floating) / 2 - sum(result.crossbar) / 2, abs=1e-12
    )


def test_carries_that_are_never_resolved_cost_accuracy():
    pytest.importorskip("sklearn")
    config = TrainConfig(epochs=2, crs_period=10**6)
    data = digits(config.formats)
    never = compare(config, data, seeds=(0,))
    often = compare(replace(config, crs_period=1), data, seeds=(0,))
    assert often.crossbar[0] > never.crossbar[0] + 0.1


def test_comparison_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"^Comparison must have seeds and epochs, not 0 and 10$"):
        compare(TrainConfig(), None, seeds=())
