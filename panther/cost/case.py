"""What is to be measured: a network, a node that holds it, and what it is trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from panther.arch.network import TrainPlan
from panther.compiler.compile import Compiled
from panther.compiler.placement import utilisation
from panther.cost.layers import layer_of
from panther.cost.measure import Run
from panther.cost.pricing import CostError
from panther.train.errors import TrainError
from panther.train.machine import Cells, Ints
from panther.train.nodes import PAPER_MEMORY_WORDS, fit_largest, parse_node
from panther.train.problem import BATCH, prepare
from panther.train.twin import compile_model

RANDOM = "random"
MEMORIES = ("node", "paper")
MOST_EXAMPLES = 64
MOST_WORK = 2000
"""Windows of all crossbars in an example up to which more than a batch is run unasked."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """Programs, and weights and examples if they are not random."""

    title: str
    compiled: Compiled
    cells: Mapping[str, Cells] | None = None
    data: tuple[Ints, Ints] | None = None

    @property
    def node_text(self) -> str:
        """The node in words."""
        node = self.compiled.node
        core, used = node.tile.core, len(utilisation(self.compiled.placed, node))
        return (
            f"{node.width} x {node.height} tiles, {used} of them used, of {node.tile.cores} cores "
            f"with {core.mcus} crossbars of {core.mcu.rows} x {core.mcu.columns}, "
            f"{2 * core.memory_words // 1024} KiB of memory in a tile"
        )

    def examples(self) -> int:
        """How many to run if nobody says it: whole batches up to a CRS of all matrices, if that is
        not too much work.
        """
        compiled = self.compiled
        plan, network = compiled.plan, compiled.network
        work = 0
        for placed in compiled.placed:
            height, width, _ = network[layer_of(placed.crossbar.matrix)].shape
            work += height * width
        wanted = min(plan.crs_period or BATCH, MOST_EXAMPLES) if work <= MOST_WORK else 1
        room = compiled.layout.room // plan.batch
        return plan.batch * max(1, min(-(-wanted // plan.batch), room))


def build(
    model: str, *, variant: str = "V1", batch: int | None = None, crs_period: int | None = 16,
    node: str = "auto", node_parameters: Sequence[str] = (), shape: Sequence[int] | None = None,
    loss: str | None = None, data: str = RANDOM, examples: int | None = None, least: bool = False,
) -> Case:  # fmt: skip
    """Compile a model.

    Parameters
    ----------
    model, shape, loss
        As :func:`panther.frontends.load.load` takes them.
    variant, batch, crs_period
        See :class:`panther.arch.network.TrainPlan`.
    node, node_parameters
        As :func:`panther.train.nodes.parse_node` takes them. For ``auto``, where 64 KiB of memory
        are too little, each tile has as much as there can be.
    data
        ``random``, ``digits``, or a folder with the files of MNIST: then weights are the model's.
    examples
        Of the data.
    least
        No more cores than are needed, for RTL.

    Raises
    ------
    TrainError
        If something cannot be used, or does not fit.
    """
    wanted, mcu = parse_node(node, node_parameters)
    if data == RANDOM:
        compiled = compile_model(
            model, wanted, mcu=mcu, variant=variant, batch=batch, crs_period=crs_period,
            shape=shape, loss=loss, least=least,
        )  # fmt: skip
        file, _, name = model.rpartition(":")
        return Case(title=name if file else Path(model).stem, compiled=compiled)
    try:
        plan = TrainPlan(
            variant=variant, batch=(1 if variant == "V1" else BATCH) if batch is None else batch,
            crs_period=crs_period, mcu=mcu,
        )  # fmt: skip
    except ValueError as error:
        raise TrainError(str(error)) from error
    problem = prepare(model, data, plan=plan, shape=shape, loss=loss)
    fitted = fit_largest(problem.network, problem.plan, wanted, least=least)
    case = Case(title=problem.name, compiled=fitted.compiled)
    count = case.examples() if examples is None else examples
    known = problem.data
    if count > len(known.train_x):
        raise TrainError(
            f"Examples must be at most the {len(known.train_x)} there are, not {count}"
        )
    cells = {name: matrix.written for name, matrix in problem.trainer().written.items()}
    return replace(case, cells=cells, data=(known.train_x[:count], known.train_y[:count]))


def check_memory(memory: str) -> None:
    """Refuse what :func:`with_memory` does not know.

    Raises
    ------
    CostError
        If it is none of ``MEMORIES``.
    """
    if memory not in MEMORIES:
        raise CostError(f"Memory must be one of {', '.join(MEMORIES)}, not {memory!r}")


def with_memory(run: Run, memory: str) -> Run:
    """The run on a node whose tiles' memories are priced as they are (``node``), or as the paper's
    64 KiB, however much the network needs (``paper``): it decides area and leakage alone. What is
    run again, as by :func:`panther.cost.timeline.timeline`, needs the memory there was.

    Raises
    ------
    CostError
        If it is neither.
    """
    check_memory(memory)
    if memory == "node":
        return run
    node = run.compiled.node
    core = replace(node.tile.core, memory_words=PAPER_MEMORY_WORDS)
    node = replace(node, tile=replace(node.tile, core=core))
    return replace(run, compiled=replace(run.compiled, node=node))
