"""Small networks on small crossbars, run and priced."""

from functools import cache

import pytest

from panther.cost.case import Case, build
from panther.cost.measure import Run, measure
from panther.energy import load_prices

MODEL = """\
from panther.compiler.builder import Model

one = Model((3,), name="one", seed=1)
one.input.linear(2, bias=False).mse()
two = Model((8,), name="two", seed=1)
two.input.linear(6).relu().linear(4).softmax_cross_entropy()
"""
SMALL = ("rows=4", "columns=4", "adc.per_slice=2", "cores=2", "mcus=2")


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A file with models of one and of two matrices."""
    file = tmp_path_factory.mktemp("models") / "net.py"
    file.write_text(MODEL)
    return file


@pytest.fixture(scope="session")
def built(models):
    """Compile one of them for tiles of two cores with two crossbars of 4 x 4 each."""

    @cache
    def make(
        name: str = "two", node: str = "3x1", more: tuple[str, ...] = (), **options: object
    ) -> Case:
        changed = {text.partition("=")[0]: text for text in (*SMALL, *more)}
        return build(
            f"{models}:{name}", node=node, node_parameters=list(changed.values()), **options
        )

    return make


@pytest.fixture(scope="session")
def measured(built):
    """Run one of them on the twin."""

    @cache
    def make(name: str = "two", examples: int | None = None, **options: object) -> Run:
        return measure(built(name, **options).compiled, examples=examples)

    return make


@pytest.fixture(scope="session")
def prices():
    """The usual ones."""
    return load_prices("panther")
