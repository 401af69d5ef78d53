"""``panther check``: programs of a node, proven free of deadlocks and of races."""

import re
from typing import Annotated

import typer

from panther.cli.errors import UserError
from panther.cli.node import definitions, memory_words, node_parameters, programs_of
from panther.cli.options import Define, NodePreset, ProgramFolder, Sets


def check(
    folder: ProgramFolder,
    node: NodePreset = "TWO_TILES",
    sets: Sets = None,
    define: Define = None,
    memory: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TILE=FILE",
            help="Words of 16 bits the host writes to the start of a tile's memory, which control "
            "may depend on. Repeatable.",
        ),
    ] = None,
    written: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TILE=FIRST:END",
            help="Addresses, up to END, of words the host writes, whatever they are. Repeatable.",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Instructions.")] = None,
) -> None:
    """Prove a folder of programs free of deadlocks and of races, without running them.

    docs/check.md says what is proven. Status 1 if there are problems.
    """
    from panther.asm import unit_name
    from panther.check import LIMIT, check_node

    params = node_parameters(node, sets)
    names = definitions(define)
    files = [memory_words(text, params) for text in memory or []]
    ranges: dict[int, list[range]] = {}
    for text in written or []:
        tile, words = _range(text)
        ranges.setdefault(tile, []).append(words)
    programs = programs_of(folder, params, names, "panther check: nothing was checked")
    try:
        report = check_node(
            params,
            programs,
            memory={tile: [(0, words.tolist())] for tile, words in files},
            written=ranges,
            limit=limit or LIMIT,
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    for problem in report.problems:
        print(problem)
    if report.circle:
        print(f"each waits for the next one: {' -> '.join([*report.circle, report.circle[0]])}")
    count = sum(report.instructions.values())
    if not report.ok:
        print(
            f"{folder} on {node.upper()}: {len(report.problems)} problems in {count:,} instructions"
        )
        raise typer.Exit(1)
    print(
        f"{folder} on {node.upper()}: no deadlock and no race in {count:,} instructions of "
        f"{len(programs)} programs"
    )
    for unit, number in report.instructions.items():
        print(f"  {unit_name(*unit):20} {number:,}")


def _range(text: str) -> tuple[int, range]:
    match = re.fullmatch(r"(\d{1,3})=(\d{1,9}):(\d{1,9})", text)
    if match is None:
        raise UserError(f"Words written must be TILE=FIRST:END, not {text!r}")
    return int(match[1]), range(int(match[2]), int(match[3]))
