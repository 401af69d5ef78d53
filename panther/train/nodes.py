"""The node a network is trained on: the one that is asked for, or the smallest that holds it."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from panther.arch.core import ADDRESS_BITS, GENERAL_BASE, MAX_MEMORY_WORDS, CoreParams
from panther.arch.network import Network, TrainPlan
from panther.arch.node import NodeParams
from panther.arch.overrides import NODE_OVERRIDES, OVERRIDES, override, override_node
from panther.arch.params import McuParams
from panther.arch.presets import NODES, PAPER, node_preset
from panther.arch.tile import TILE_BITS, TileParams
from panther.asm import AssemblyError
from panther.compiler.compile import Compiled, compile_network
from panther.compiler.placement import DoesNotFitError
from panther.compiler.tiling import tile as cut
from panther.train.errors import TrainError

INSTRUCTIONS = 2048
"""Of cores and sequencers: what a hand's loops need is too little for a layer's."""
MOST_INSTRUCTIONS = 1 << ADDRESS_BITS
MOST_REGISTERS = (1 << ADDRESS_BITS) - GENERAL_BASE
MOST_TILES = 1 << TILE_BITS
PAPER_MEMORY_WORDS = CoreParams().memory_words
TILES = ((8, 2), (4, 2), (2, 2), (1, 2), (1, 1))
"""Cores of a tile, and crossbars of a core: with fewer there is more memory for each."""


@dataclass(frozen=True)
class Fitted:
    """Programs on a node that holds them."""

    compiled: Compiled
    words: int
    """Instructions of the longest program."""

    def __str__(self) -> str:
        node = self.compiled.node
        core = node.tile.core
        used = len({placed.core[0] for placed in self.compiled.placed})
        return (
            f"{node.width} x {node.height} tiles, {used} of them used, with {node.tile.cores} "
            f"cores of {core.mcus} crossbars of {core.mcu.rows} x {core.mcu.columns} each; "
            f"{len(self.compiled.placed)} crossbars taken, programs of at most {self.words} of "
            f"{core.instructions} instructions, {core.registers} registers"
        )


def parse_node(text: str, overrides: Sequence[str] = ()) -> tuple[NodeParams | None, McuParams]:
    """A preset or ``WxH`` tiles like the paper's, with its crossbars; or None for ``auto``, and
    what its crossbars are to be.

    Raises
    ------
    TrainError
        If it is none of these.
    """
    try:
        if text == "auto":
            return None, _crossbars(overrides)
        mesh = re.fullmatch(r"(\d{1,3})x(\d{1,3})", text)
        if mesh is not None:
            node = replace(_like_paper(*TILES[0]), width=int(mesh[1]), height=int(mesh[2]))
        elif text.upper() in NODES:
            node = node_preset(text)
        else:
            raise ValueError(
                f"Node must be auto, a mesh such as 2x1, or one of {', '.join(NODES)}, not {text!r}"
            )
        node = override_node(node, overrides)
        return node, node.tile.core.mcu
    except ValueError as error:
        raise TrainError(str(error)) from error


def _crossbars(overrides: Sequence[str]) -> McuParams:
    names = {text.partition("=")[0].strip() for text in overrides}
    if of_node := names.intersection(NODE_OVERRIDES).difference(OVERRIDES):
        raise ValueError(f"Parameter {min(of_node)} must be given with a node: --node 2x1")
    return override(PAPER, overrides)


def fit(
    network: Network, plan: TrainPlan, node: NodeParams | None = None, *, least: bool = False,
    memory_words: int = PAPER_MEMORY_WORDS,
) -> Fitted:  # fmt: skip
    """Compile a network for a node, or for the smallest of the paper's tiles that holds it.

    Without ``node`` tiles have the plan's crossbars and ``memory_words``, the paper's if not given;
    cores have more registers, tiles fewer cores and these fewer crossbars, if they must, or with
    ``least`` if no more are used.

    Raises
    ------
    TrainError
        If it does not fit; the message says what is missing, and how many tiles it needs.
    """
    nodes = [node] if node is not None else list(_meshes(network, plan, least, memory_words))
    failure: Exception | None = None
    for candidate in nodes:
        try:
            return _fitted(network, plan, candidate, grow=node is None)
        except (DoesNotFitError, AssemblyError) as error:
            failure = error  # of the most generous in the end
    what = "must fit the node" if node is not None else "must fit a node of the paper's tiles"
    advice = (
        "; a smaller batch takes less memory" if plan.variant == "V2" and plan.batch > 1 else ""
    )
    raise TrainError(f"Network {what}: {_first_line(failure)}{advice}") from failure


def fit_largest(
    network: Network, plan: TrainPlan, node: NodeParams | None = None, *, least: bool = False
) -> Fitted:  # fmt: skip
    """As :func:`fit`; without ``node``, where 64 KiB of memory are too little, each tile has as
    much as there can be. There is no such RTL, so not with ``least``.
    """
    try:
        return fit(network, plan, node, least=least)
    except TrainError:
        if node is not None or least:
            raise
    return fit(network, plan, memory_words=MAX_MEMORY_WORDS)


def _first_line(error: Exception | None) -> str:
    return str(error).splitlines()[0]


def _meshes(
    network: Network, plan: TrainPlan, least: bool, memory_words: int
) -> Iterator[NodeParams]:
    """From the fewest tiles to the most memory for each crossbar."""
    crossbars = len(cut(network, plan))
    for cores, mcus in TILES:
        node = _like_paper(cores, mcus, plan.mcu, memory_words)
        in_tile = cores * mcus
        tiles = -(-crossbars // in_tile)
        if tiles > MOST_TILES:
            if (cores, mcus) == TILES[0]:
                raise TrainError(
                    f"Network must fit a node of {MOST_TILES} tiles of {in_tile} crossbars, not "
                    f"need {tiles} for its {crossbars}"
                )
            return
        if least and tiles == 1:  # what nobody uses is built and simulated all the same
            node = _like_paper(-(-crossbars // mcus), mcus, plan.mcu, memory_words)
        width = math.isqrt(tiles - 1) + 1
        mesh = replace(node, width=width, height=-(-tiles // width))
        yield mesh
        core = replace(mesh.tile.core, registers=MOST_REGISTERS)
        yield replace(mesh, tile=replace(mesh.tile, core=core))


def _like_paper(
    cores: int, mcus: int, mcu: McuParams = PAPER, memory_words: int = PAPER_MEMORY_WORDS
) -> NodeParams:
    core = CoreParams(mcu=mcu, mcus=mcus, instructions=INSTRUCTIONS, memory_words=memory_words)
    tile = TileParams(core=core, cores=cores, instructions=INSTRUCTIONS)
    return NodeParams(tile=tile, width=1, height=1)


def _fitted(network: Network, plan: TrainPlan, node: NodeParams, *, grow: bool) -> Fitted:
    """Programs, with room for as many instructions as they need if the node may ``grow``."""
    wide = _with_instructions(node, MOST_INSTRUCTIONS) if grow else node
    compiled = compile_network(network, plan, wide)
    programs = compiled.programs(1, 1, plan.batch)
    words = max(len(program.words) for program in programs.values())
    if grow:
        room = max(INSTRUCTIONS, 1 << (words - 1).bit_length())
        compiled = replace(compiled, node=_with_instructions(node, room))
    return Fitted(compiled, words)


def _with_instructions(node: NodeParams, words: int) -> NodeParams:
    core = replace(node.tile.core, instructions=words)
    return replace(node, tile=replace(node.tile, core=core, instructions=words))
