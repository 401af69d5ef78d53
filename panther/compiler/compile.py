"""All passes, from a network to programs for every core and sequencer."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from panther.arch.network import Network, TrainPlan
from panther.arch.node import NodeParams
from panther.arch.tile import SEQUENCER
from panther.asm import Program, assemble_text, unit_name
from panther.compiler.allocation import Layout, allocate
from panther.compiler.autodiff import Step, differentiate
from panther.compiler.communication import communicate
from panther.compiler.emit import Emitted, emit
from panther.compiler.loops import OUTER, Core, LoopProgram, Origin, verify
from panther.compiler.placement import Placed, place
from panther.compiler.schedule import schedule
from panther.compiler.tiling import Crossbar, crossbar_numbers, tile

PASSES = ("autodiff", "tiling", "placement", "schedule", "communication", "allocation", "emit")

Dump = Callable[[str, str], None]
"""Takes a pass's name and its result as text."""


@dataclass(frozen=True)
class Compiled:
    """Programs that train a network on a node, and where everything is."""

    network: Network
    plan: TrainPlan
    node: NodeParams
    steps: tuple[Step, ...]
    placed: tuple[Placed, ...]
    loops: LoopProgram
    layout: Layout
    emitted: dict[Core, Emitted]
    """Assembly of every core and sequencer."""

    @property
    def texts(self) -> dict[Core, str]:
        """Assembly of every core and sequencer, as text."""
        return {unit: emitted.text for unit, emitted in self.emitted.items()}

    def origin(self, unit: Core) -> tuple[Origin, ...]:
        """Which layer every instruction of a unit's program comes from, and what it does there,
        by address; the head that says how many epochs, batches and examples makes none.
        """
        return self.emitted[unit].origins

    @property
    def crossbars(self) -> tuple[int | None, ...]:
        """Number of the crossbar in every matrix unit of the node, None where there is none; see
        :func:`panther.compiler.tiling.crossbar_numbers`.
        """
        numbers = crossbar_numbers(self.network, self.plan)
        tile = self.node.tile
        found: list[int | None] = [None] * (self.node.tiles * tile.cores * tile.core.mcus)
        for placed in self.placed:
            c = placed.crossbar
            found[placed.number(self.node)] = numbers[c.matrix, c.row_tile, c.column_tile]
        return tuple(found)

    def programs(self, epochs: int, batches: int, batch: int) -> dict[Core, Program]:
        """Machine code for a run over so many batches of so many examples, so many times.

        Raises
        ------
        AssemblyError
            If a program does not fit the instruction memory.
        """
        define = dict(zip(OUTER, (epochs, batches, batch), strict=True))
        head = "".join(f"        .equ {name}, {value}\n" for name, value in define.items())
        core = self.node.tile.core
        sequencer = replace(core, instructions=self.node.tile.instructions)
        return {
            unit: assemble_text(
                head + text,
                sequencer if unit[1] == SEQUENCER else core,
                name=unit_name(*unit),
            )
            for unit, text in self.texts.items()
        }


def compile_network(
    network: Network, plan: TrainPlan, node: NodeParams, *, dump: Dump | None = None
) -> Compiled:
    """Programs that train a network.

    Parameters
    ----------
    network
        What is trained.
    plan
        How; ``plan.mcu`` has to be the node's.
    node
        The machine.
    dump
        Is given the result of every pass.

    Raises
    ------
    DoesNotFitError
        If the node is too small; the message says what is missing where.
    ValueError
        If the plan is not for this node.
    """
    if plan.mcu != node.tile.core.mcu:
        raise ValueError("Crossbars of the plan must be those of the node")
    told = dump or (lambda name, text: None)
    steps = differentiate(network)
    told("autodiff", _lines(steps))
    crossbars: tuple[Crossbar, ...] = tile(network, plan)
    told("tiling", _lines(crossbars))
    placed = place(crossbars, node)
    told("placement", _lines(placed))
    loops = schedule(network, plan, steps, placed)
    verify(loops)
    told("schedule", str(loops))
    units = communicate(loops, node)
    told("communication", str(units))
    layout = allocate(units, node, plan.batch, plan.history)
    told("allocation", str(layout))
    emitted = emit(units, layout)
    told("emit", "\n".join(f"; {unit_name(*unit)}\n{e.text}" for unit, e in emitted.items()))
    return Compiled(network, plan, node, steps, placed, loops, layout, emitted)


def _lines(items: tuple[object, ...]) -> str:
    return "".join(f"{item}\n" for item in items)
