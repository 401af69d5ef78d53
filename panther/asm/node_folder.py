"""A program for a node: a folder with a file for every core and sequencer that has something to do.

``tile0.core1.pasm`` is for core 1 of tile 0, ``tile0.sequencer.pasm`` for its sequencer. Files with
other endings are there to be included.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from panther.arch.node import NodeParams
from panther.arch.tile import SEQUENCER
from panther.asm.assembler import assemble_file
from panther.asm.program import AssemblyError, Diagnostic, Program

SUFFIX = ".pasm"
_NAME = re.compile(r"tile(0|[1-9][0-9]{0,2})\.(?:core([0-9])|sequencer)")


def unit_name(tile: int, unit: int) -> str:
    """How a core or a sequencer is called: ``tile 0 core 1``, ``tile 0 sequencer``."""
    return f"tile {tile} " + ("sequencer" if unit == SEQUENCER else f"core {unit}")


def read_node_program(
    folder: str | Path,
    params: NodeParams,
    *,
    define: Mapping[str, int] = MappingProxyType({}),
) -> dict[tuple[int, int], Program]:
    """Assemble every program in a folder.

    Parameters
    ----------
    folder
        Where they are.
    params
        The node they are for.
    define
        Values for names, instead of those an ``.equ`` gives them.

    Returns
    -------
    dict
        By tile and core, or ``SEQUENCER``.

    Raises
    ------
    AssemblyError
        If there is none, a file's name does not fit the node, or a text is wrong.
    """
    folder = Path(folder)
    found: dict[tuple[int, int], Program] = {}
    files = sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []
    if not files:
        message = f"A node's program must be a folder with files like tile0.core0{SUFFIX}"
        raise AssemblyError([Diagnostic(file=str(folder), message=message)])
    mistakes: list[Diagnostic] = []
    for file in files:
        try:
            unit = _unit(file.stem, params)
            core = params.tile.core
            if unit[1] == SEQUENCER:
                core = replace(core, instructions=params.tile.instructions)
            found[unit] = assemble_file(file, core, define=define)
        except ValueError as error:
            mistakes.append(Diagnostic(file=str(file), message=str(error)))
        except AssemblyError as error:
            mistakes += error.diagnostics
    if mistakes:
        raise AssemblyError(mistakes)
    return found


def _unit(stem: str, params: NodeParams) -> tuple[int, int]:
    match = _NAME.fullmatch(stem)
    if match is None:
        raise ValueError(f"Name must be like tile0.core0{SUFFIX} or tile0.sequencer{SUFFIX}")
    tile = int(match[1])
    unit = SEQUENCER if match[2] is None else int(match[2])
    if tile >= params.tiles:
        raise ValueError(f"Tile must be one of 0 to {params.tiles - 1}, not {tile}")
    if unit != SEQUENCER and unit >= params.tile.cores:
        raise ValueError(f"Core must be one of 0 to {params.tile.cores - 1}, not {unit}")
    return tile, unit
