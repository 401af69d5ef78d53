"""``panther verilog``: plain Verilog of one matrix compute unit."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from panther.cli.errors import UserError
from panther.cli.output import replacing


def verilog(
    preset: Annotated[
        str, typer.Option(help="Named parameter set; see panther presets.")
    ] = "PAPER",
    override: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Change one parameter, e.g. rows=16, slices=44466555, adc.bits=9. Repeatable.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; default: stdout.")
    ] = None,
) -> None:
    """Write the Verilog of a matrix compute unit."""
    from panther.arch import overrides, presets

    try:
        params = overrides.override(presets.preset(preset), override or [])
    except ValueError as error:
        raise UserError(str(error)) from error

    from hdl.verilog import mcu_verilog

    if output is None:
        sys.stdout.write(mcu_verilog(params))
        return
    with replacing(output) as temporary:
        temporary.write_text(mcu_verilog(params), encoding="utf-8")
