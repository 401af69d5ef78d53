"""The ``panther`` command. One file per subcommand; what is slow to import is imported inside it.

A user's mistake is one line on stderr and exit status 2; a mistake of ours keeps its traceback.
"""

import sys
from collections.abc import Sequence

import typer
from typer.exceptions import Abort, TyperException

from panther.cli.asm import asm
from panther.cli.check import check
from panther.cli.compile import compile_
from panther.cli.cost import cost
from panther.cli.demo import demo
from panther.cli.disasm import disasm
from panther.cli.doctor import doctor
from panther.cli.errors import UserError
from panther.cli.fit import fit
from panther.cli.import_model import import_
from panther.cli.import_puma import import_puma
from panther.cli.node import node
from panther.cli.paper import paper
from panther.cli.presets import presets
from panther.cli.regress import regress
from panther.cli.replay import replay
from panther.cli.run import run
from panther.cli.study import study
from panther.cli.synth import synth
from panther.cli.tool import tool
from panther.cli.train import train
from panther.cli.verilog import verilog
from panther.tools import SimulationError, ToolError

app = typer.Typer(
    help="Design, simulate and verify PANTHER, an in-memory training accelerator.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS = {
    command.__name__.strip("_").replace("_", "-"): command
    for command in (
        asm, check, compile_, cost, demo, disasm, doctor, fit, import_, import_puma, node, presets,
        regress, replay, run, synth, tool, train, verilog,
    )
}  # fmt: skip
for name, command in COMMANDS.items():
    # what follows the name of a program belongs to that
    app.command(name, context_settings={"allow_interspersed_args": command is not tool})(command)
GROUPS = {"paper": paper, "study": study}
for name, group in GROUPS.items():
    app.add_typer(group, name=name)


@app.callback()
def _options() -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its status."""
    arguments = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        status = app(list(arguments), prog_name="panther", standalone_mode=False)
    except (UserError, ToolError, TyperException) as error:
        names = [name for name in (*COMMANDS, *GROUPS) if name in arguments[:1]]
        where = " ".join(["panther", *names])
        text = error.format_message() if isinstance(error, TyperException) else str(error)
        print(f"{where}: error: {' '.join(text.split())}", file=sys.stderr)
        status = 2
    except OSError as error:
        # a full disk, a folder that may not be written: what and where stand in the message
        print(f"panther: error: {error}", file=sys.stderr)
        status = 2
    except SimulationError as error:
        # not the user's mistake, and the end of its log says more than our traceback
        print(f"panther: error: {error}", file=sys.stderr)
        status = 1
    except (Abort, KeyboardInterrupt):
        status = 130
    sys.exit(status or 0)
