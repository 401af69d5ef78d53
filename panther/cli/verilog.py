"""``panther verilog``: a matrix compute unit, perhaps with AXI ports, a core or a node."""

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
            help="Change one parameter, e.g. rows=16, slices=44466555, adc.bits=9; of a core also "
            "mcus=8, of a node cores=8, width=4. Repeatable.",
        ),
    ] = None,
    core: Annotated[
        str, typer.Option(help="A named core instead of a unit alone; see panther presets.")
    ] = "",
    node: Annotated[
        str, typer.Option(help="A named node, with its host interfaces; see panther presets.")
    ] = "",
    ip: Annotated[
        bool, typer.Option("--ip", help="The unit with AXI ports, for other designs.")
    ] = False,
    retire: Annotated[
        bool, typer.Option("--retire", help="With ports that say what cores do.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; default: stdout.")
    ] = None,
) -> None:
    """Write the Verilog of a matrix compute unit, a core with its units, or a whole node."""
    from panther.arch import overrides, presets
    from panther.arch.node_registers import check_host

    if core and node:
        raise UserError("A core or a node must be given, not both")
    if ip and node:
        raise UserError("Only a unit has AXI ports of its own: leave out --ip or --node")
    if ip and core:
        raise UserError("Only a unit has AXI ports, not a core: leave out --ip or --core")
    try:
        if node:
            mesh = overrides.override_node(presets.node_preset(node), override or [])
            check_host(mesh)
            mesh.tile.core.check_rtl()
        elif core:
            whole = overrides.override_core(presets.core_preset(core), override or [])
            whole.check_rtl()
        else:
            params = overrides.override(presets.preset(preset), override or [])
            params.check_rtl()
    except ValueError as error:
        raise UserError(str(error)) from error

    from hdl.verilog import core_verilog, mcu_ip_verilog, mcu_verilog, node_verilog

    if node:
        text = node_verilog(mesh, retire=retire)
    elif core:
        text = core_verilog(whole, retire=retire)
    else:
        text = mcu_ip_verilog(params) if ip else mcu_verilog(params)
    if output is None:
        sys.stdout.write(text)
        return
    with replacing(output) as temporary:
        temporary.write_text(text, encoding="utf-8")
