"""``panther tool``: starts a program as the harness itself does."""

import os
import shutil
from typing import Annotated

import typer

from panther.cli.errors import UserError
from panther.tools import REQUIREMENTS, require_tool


def tool(
    command: Annotated[list[str], typer.Argument(metavar="PROGRAM [ARGUMENT]...")],
) -> None:
    """Start a program of ``panther doctor``'s list by its name, wherever it was found; any other
    one is taken from PATH. For scripts of others: EDALIZE_LAUNCHER="panther tool" for FuseSoC.
    """
    program, *arguments = command
    if program in REQUIREMENTS:
        found = require_tool(program)
        os.execve(found.path, [program, *arguments], {**os.environ, **found.env})
    path = shutil.which(program)
    if path is None:
        raise UserError(f"{program} must be on PATH, or one of {', '.join(REQUIREMENTS)}")
    os.execv(path, [program, *arguments])
