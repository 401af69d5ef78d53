"""Fraction bits from ranges."""

import pytest

from golden.network import check_plan
from panther.arch.network import TrainPlan
from panther.compiler import models
from panther.compiler.builder import Model
from panther.compiler.canonicalise import canonicalise
from panther.compiler.formats import Ranges, choose_formats, default_formats, fraction, table


@pytest.mark.parametrize(
    ("greatest", "bits"), [(0.99, 14), (1.0, 13), (1.99, 13), (7.5, 11), (0.2, 16), (0.0, 30)]
)
def test_a_word_has_one_spare_bit(greatest, bits):
    assert fraction(greatest, 16) == bits
    assert 2 * greatest * 2.0**bits < 2**15


def ranges(network, tensor, error, weight):
    return Ranges(
        {node.name: tensor for node in network.nodes[:-1]},
        dict.fromkeys(network.needs_error(), error),
        {node.name: weight for node in network.matrices},
    )


def test_a_class_has_one_format_and_its_greatest_decides():
    network, _ = canonicalise(models.resnet())
    seen = ranges(network, 1.5, 0.5, 0.5)
    adds = [node for node in network.nodes if node.kind == "add"]
    seen.tensors[adds[0].inputs[0]] = 9.0
    plan = choose_formats(network, TrainPlan(), seen)
    for names in network.classes():
        assert len({plan.fraction(network, name) for name in names}) == 1
    assert plan.fraction(network, adds[0].inputs[1]) == 10
    assert plan.fraction(network, network.nodes[0].name) == 13


def test_updates_have_a_spare_bit_too():
    network, _ = canonicalise(models.mlp())
    plan = choose_formats(network, TrainPlan(lr=1.0), ranges(network, 1.0, 1.0, 0.5))
    for node in network.matrices:
        update = plan.weight_fraction(node.name) - plan.fraction(network, node.inputs[0])
        assert 2 * 2.0**update < 2**15
    small = choose_formats(network, TrainPlan(lr=2.0**-6), ranges(network, 1.0, 1.0, 0.5))
    assert {small.weight_fraction(node.name) for node in network.matrices} == {27}
    assert "Fw 27" in table(network, small)


def test_ranges_that_are_not_numbers_are_refused():
    network, _ = canonicalise(models.mlp())
    with pytest.raises(ValueError, match="Range of linear_0 must be finite, not nan"):
        choose_formats(network, TrainPlan(), ranges(network, 1.0, 1.0, float("nan")))


def test_by_default_a_sum_with_a_function_has_the_functions_format():
    model = Model((8,), name="sum")
    x = model.input.linear(6)
    (x.linear(6).tanh() + x).linear(4).softmax_cross_entropy()
    network, _ = canonicalise(model.graph())
    plan = default_formats(network, TrainPlan())
    check_plan(network, plan)
    found = {node.name: plan.fraction(network, node.name) for node in network.nodes}
    assert found["linear_0"] == found["tanh_0"] == found["add_0"] == 14
    assert found[network.nodes[0].name] == found["linear_1"] == found["linear_2"] == 10
