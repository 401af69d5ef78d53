"""``panther node``: programs on the cores and sequencers of a node, at transaction level."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panther.arch.overrides import override_node
from panther.arch.presets import node_preset
from panther.cli.errors import UserError
from panther.cli.options import Define, NodePreset, ProgramFolder, Sets

if TYPE_CHECKING:
    from numpy import int16
    from numpy.typing import NDArray

    from panther.arch.node import NodeParams
    from panther.asm import Program

LIMIT = 100_000_000


def node(
    folder: ProgramFolder,
    preset: NodePreset = "TWO_TILES",
    sets: Sets = None,
    define: Define = None,
    memory: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TILE=FILE",
            help="Words of 16 bits for the start of a tile's memory. Repeatable.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Cycles.")] = LIMIT,
    picture: Annotated[
        Path | None, typer.Option(help="Write a picture of who was busy with what to this file.")
    ] = None,
) -> None:
    """Run a folder of programs on a node and show who was busy with what.

    Cells are 0 to begin with. All units start in the same cycle.
    """
    from models.system.node import Node
    from panther.cli.node_report import Counted, as_text, table
    from panther.cli.node_report import picture as draw
    from panther.host import Host, HostError, TransactionTransport, now

    params = node_parameters(preset, sets)
    names = definitions(define)
    memories = [memory_words(text, params) for text in memory or []]
    programs = programs_of(folder, params, names, "panther node: nothing was run")

    host = Host(TransactionTransport(Node(params)))
    now(host.load_programs(programs))
    for tile, words in memories:
        now(host.write_memory(tile, 0, words))
    failed = False
    try:
        now(host.run(dict.fromkeys(programs, 0), limit))
        print(f"{folder} on {preset.upper()}: all {len(programs)} programs halted")
    except HostError as error:
        failed = True
        print(error)
    tiles = range(params.tiles)
    cycles = max(now(host.status(*unit)).cycle for unit in programs)
    counted = Counted(
        params=params, cycles=max(cycles, 1),
        tiles=[now(host.read_counters(tile)) for tile in tiles],
        routers=[now(host.read_router_counters(tile)) for tile in tiles],
    )  # fmt: skip
    print(f"{cycles:,} cycles\n{as_text(table(counted))}", end="")
    if picture is not None:
        draw(picture, counted)
    if failed:
        raise typer.Exit(1)


def node_parameters(preset: str, sets: list[str] | None) -> "NodeParams":
    """A preset with parameters changed."""
    try:
        return override_node(node_preset(preset), sets or [])
    except ValueError as error:
        raise UserError(str(error)) from error


def definitions(define: list[str] | None) -> dict[str, int]:
    """Names and their values, of every ``NAME=INTEGER``."""
    found = {}
    for text in define or []:
        match = re.fullmatch(r"([A-Za-z_]\w*)=([+-]?\d{1,12})", text)
        if match is None:
            raise UserError(f"Definition must be NAME=INTEGER, not {text!r}")
        found[match[1]] = int(match[2])
    return found


def programs_of(
    folder: Path, params: "NodeParams", names: dict[str, int], regret: str
) -> "dict[tuple[int, int], Program]":
    """The programs of a folder. Mistakes are printed, then ``regret``, and the status is 2."""
    from panther.asm import AssemblyError, read_node_program

    try:
        return read_node_program(folder, params, define=names)
    except AssemblyError as error:
        print(error, file=sys.stderr)
        print(regret, file=sys.stderr)
        raise typer.Exit(2) from error


def memory_words(text: str, params: "NodeParams") -> "tuple[int, NDArray[int16]]":
    """A tile and the words of a file of ``TILE=FILE``."""
    import numpy as np

    from panther.asm.program import read_regular

    number, equals, name = text.partition("=")
    if not equals or not number.isdecimal() or int(number) >= params.tiles:
        raise UserError(
            f"Memory must be TILE=FILE with a tile from 0 to {params.tiles - 1}, not {text!r}"
        )
    try:
        data, _ = read_regular(Path(name), 2 * params.tile.core.memory_words)
    except OSError as error:
        raise UserError(f"{name} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(str(error)) from error
    if len(data) % 2:
        raise UserError(f"{name} must consist of words of 2 bytes, not of {len(data)} bytes")
    return int(number), np.frombuffer(data, "<i2")
