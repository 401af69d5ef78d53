"""A network ready to be trained on a node at transaction level, to be measured there.

No data and no run folder: a network by name, programs for a node, cells and examples at random::

    twin = ready(compile_model("vgg16"))
    twin.train(*twin.examples())
    print(twin.node.clock, twin.node.counters(0))
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from golden.network import NetworkTrainer, check_plan
from models.system.node import Node
from panther.arch.network import TrainPlan
from panther.arch.node import NodeParams
from panther.arch.params import McuParams
from panther.arch.presets import PAPER
from panther.compiler.canonicalise import canonicalise
from panther.compiler.compile import Compiled
from panther.compiler.formats import default_formats
from panther.compiler.graph import ModelError
from panther.frontends.load import load
from panther.host import Host, TransactionTransport, now
from panther.train.engines import differences
from panther.train.errors import TrainError
from panther.train.machine import Cells, Machine, shapes
from panther.train.nodes import fit_largest
from panther.train.problem import BATCH

Ints = NDArray[np.int64]


class Twin(NamedTuple):
    """A node at transaction level with a network's programs and weights."""

    compiled: Compiled
    node: Node
    machine: Machine
    cells: Mapping[str, Cells]
    """Of every matrix when nothing was trained yet, shape (slices, rows, columns)."""

    def examples(self, count: int | None = None, seed: int = 1) -> tuple[Ints, Ints]:
        """Words from -1 to 1, shape (count, height, width, channels), and labels; a batch of them
        if not said.
        """
        return random_examples(self.compiled, count, seed)

    def train(self, x: Ints, labels: Ints, *, limit_cycles: int = 1 << 40) -> None:
        """Train on whole batches of the plan, as :meth:`Machine.run` does.

        Raises
        ------
        HostError
            If a unit stops for a fault, or none ends within the limit.
        """
        batch = self.compiled.plan.batch
        now(self.machine.run(x, labels, batch=batch, limit_cycles=limit_cycles))

    def read_cells(self) -> dict[str, Cells]:
        """Cells of all matrices, shape (slices, rows, columns)."""
        return now(self.machine.read_cells())

    def wrong(self, x: Ints, labels: Ints) -> list[str]:
        """Where cells are not golden's after it has trained on the same examples from the same
        cells on; nothing if all are.
        """
        trainer = self._golden()
        batch = self.compiled.plan.batch
        for start in range(0, len(x), batch):
            trainer.batch(x[start : start + batch], labels[start : start + batch])
        state = trainer.state()
        return differences({f"cells/{name}": c for name, c in self.read_cells().items()}, state)

    def _golden(self) -> NetworkTrainer:
        """A golden trainer with the cells there were at first."""
        network, plan = self.compiled.network, self.compiled.plan
        nothing = {}
        for node in network.matrices:
            window = node.kernel[0] * node.kernel[1] * network[node.inputs[0]].shape[2]
            nothing[node.name] = np.zeros((window + node.bias, node.shape[2]))
        trainer = NetworkTrainer(network, nothing, plan)
        state: dict[str, Any] = {"examples": 0, "epoch": 0, "in_batch": 0}
        for name, cells in self.cells.items():
            state |= {f"cells/{name}": cells, f"written/{name}": cells, f"opas/{name}": 0}
        trainer.restore(state)
        return trainer


def compile_model(
    name: str, node: NodeParams | None = None, *, mcu: McuParams = PAPER, variant: str = "V1",
    batch: int | None = None, crs_period: int | None = 16, shape: Sequence[int] | None = None,
    loss: str | None = None, least: bool = False,
) -> Compiled:  # fmt: skip
    """Programs that train a network, with default formats and the learning rate 1/32.

    Parameters
    ----------
    name : str
        What :func:`panther.frontends.load.load` takes: ``mlp``, ``vgg16``, ``FILE.py:model``.
    node : NodeParams, optional
        The machine; the smallest one of the paper's tiles that holds it if not given. Where 64 KiB
        of memory are too little, each tile has as much as there can be.
    mcu : McuParams
        Of that machine; not looked at if ``node`` is given.
    variant, batch, crs_period
        See :class:`panther.arch.network.TrainPlan`.
    shape, loss
        See :func:`panther.frontends.load.load`.
    least
        No more cores than are used, for RTL.

    Raises
    ------
    TrainError
        If there is no such network, or it does not fit.
    """
    try:
        network, _ = canonicalise(load(name, shape=shape, loss=loss))
        plan = TrainPlan(
            variant=variant, batch=(1 if variant == "V1" else BATCH) if batch is None else batch,
            crs_period=crs_period, mcu=mcu if node is None else node.tile.core.mcu,
        )  # fmt: skip
        plan = default_formats(network, plan)
        check_plan(network, plan)
    except ModelError as error:
        raise TrainError("\n".join(error.problems)) from error
    except ValueError as error:
        raise TrainError(str(error)) from error
    return fit_largest(network, plan, node, least=least).compiled


def random_examples(
    compiled: Compiled, count: int | None = None, seed: int = 1
) -> tuple[Ints, Ints]:  # fmt: skip
    """Words from -1 to 1, shape (count, height, width, channels), and labels; a batch of them if
    not said.
    """
    network, plan = compiled.network, compiled.plan
    source = network.nodes[0]
    one = 1 << plan.fraction(network, source.name)
    rng = np.random.default_rng(seed)
    number = plan.batch if count is None else count
    x = rng.integers(-one, one + 1, (number, *source.shape))
    return x, rng.integers(0, min(node.shape[2] for node in network.losses), number)


def random_cells(compiled: Compiled, seed: int = 1) -> dict[str, Cells]:
    """Canonical cells of every matrix, each value as likely as the other; shape (slices, rows,
    columns).
    """
    slices = compiled.node.tile.core.mcu.slices
    half = 1 << (slices.value_bits - 1)
    rng = np.random.default_rng(seed)
    return {
        name: rng.integers(-half, half, (slices.count, *shape)).astype(np.int16)
        for name, shape in shapes(compiled).items()
    }


def ready(
    compiled: Compiled, seed: int = 1, *, cells: Mapping[str, Cells] | None = None,
    trace: bool = False,
    transport: Callable[[Node], TransactionTransport] = TransactionTransport,
) -> Twin:  # fmt: skip
    """A fresh node at transaction level with these programs; nothing has run yet.

    Parameters
    ----------
    compiled
        What it is to train.
    seed
        Of its cells, see :func:`random_cells`.
    cells
        Cells of every matrix instead, shape (slices, rows, columns).
    trace
        Whether events of the cores are recorded.
    transport
        Makes the host's way to the node.
    """
    node = Node(compiled.node, crossbars=compiled.crossbars, trace=trace)
    machine = Machine(Host(transport(node)), compiled)
    if cells is None:
        cells = random_cells(compiled, seed)
    now(machine.load_cells(cells))
    return Twin(compiled, node, machine, cells)
