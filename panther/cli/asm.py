"""``panther asm``: a program's text to its instruction words."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from panther.arch.core import CoreParams
from panther.arch.presets import CORES, core_preset
from panther.cli.errors import UserError
from panther.cli.output import replacing

PRESET_HELP = f"Core the program is for: {', '.join(CORES)}."


def core_params(preset: str) -> CoreParams:
    """Return the core a program is for."""
    try:
        return core_preset(preset)
    except ValueError as error:
        raise UserError(str(error)) from error


def check_not_empty(path: Path, words: Sequence[int]) -> None:
    """Refuse a program of nothing, which is surely the wrong file."""
    if not words:
        raise UserError(f"{path} must have at least one instruction")


def asm(
    program: Annotated[Path, typer.Argument(metavar="PROGRAM", help="Text of the program.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File of words to write.")],
    listing: Annotated[
        Path | None,
        typer.Option(help="Write every line with its address and word to this file, too."),
    ] = None,
    include: Annotated[
        list[Path] | None,
        typer.Option("--include", "-I", help="Folder with included files. Repeatable."),
    ] = None,
    preset: Annotated[str, typer.Option(help=PRESET_HELP)] = "PAPER",
) -> None:
    """Assemble a program; docs/isa.md says how programs are written."""
    from panther.asm import AssemblyError, assemble_file

    params = core_params(preset)
    files = [file for file in (program, output, listing) if file is not None]
    if len({os.path.realpath(file) for file in files}) < len(files):
        raise UserError(
            f"Program, output and listing must be different files, not "
            f"{', '.join(str(file) for file in files)}"
        )
    try:
        made = assemble_file(program, params, include=include or [])
    except AssemblyError as error:
        mistakes = len(error.diagnostics)
        print(error, file=sys.stderr)
        print(
            f"panther asm: {mistakes} {'mistake' if mistakes == 1 else 'mistakes'}, "
            "nothing written",
            file=sys.stderr,
        )
        raise typer.Exit(2) from error
    check_not_empty(program, made.words)

    with replacing(output) as temporary:
        temporary.write_bytes(made.binary)
        if listing is not None:
            # the listing first: the words replace what was there once both are written
            with replacing(listing) as text:
                text.write_text(made.listing, encoding="utf-8")
    print(f"{output}: {len(made.words)} of {params.instructions} instructions")
