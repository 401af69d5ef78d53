"""``panther disasm``: instruction words to a program's text."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from panther.cli.asm import PRESET_HELP, core_params
from panther.cli.errors import UserError


def disasm(
    binary: Annotated[Path, typer.Argument(metavar="FILE", help="File of words.")],
    addresses: Annotated[
        bool, typer.Option("--addresses", help="Show every word's address and bits, too.")
    ] = False,
    preset: Annotated[str, typer.Option(help=PRESET_HELP)] = "PAPER",
) -> None:
    """Show a program's words as text, which panther asm assembles to the same words."""
    from panther.asm import disassemble, read_binary

    params = core_params(preset)
    try:
        words = read_binary(binary)
    except OSError as error:
        raise UserError(f"{binary} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(str(error)) from error
    sys.stdout.write(disassemble(words, params, addresses=addresses))
