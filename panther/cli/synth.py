"""``panther synth``: size and speed of the hardware on an FPGA."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panther.cli.errors import UserError
from panther.cli.output import replacing
from panther.cli.simulation import run_folder
from panther.tools import require_tool

if TYPE_CHECKING:
    from rich.console import Console

    from panther.synth.flow import Progress
    from panther.synth.record import Entry


def synth(
    designs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DESIGN]...", help="Names of designs; default: all."),
    ] = None,
    fmax: Annotated[
        bool, typer.Option(help="Place and route, too, for the highest clock frequency.")
    ] = True,
    record: Annotated[
        bool,
        typer.Option("--record", help="Write the numbers to docs, instead of comparing with them."),
    ] = False,
) -> None:
    """Synthesize for an ECP5 and compare with docs/synthesis.json. Status 1 if a number is off by
    more than a tenth.
    """
    from rich.console import Console

    from panther.synth import record as records
    from panther.synth.flow import SynthesisError, place_and_route, synthesize, versions
    from panther.synth.targets import TARGETS, target

    if record and not fmax:
        raise UserError("--record must not be combined with --no-fmax: it records Fmax")
    try:
        targets = {name: target(name) for name in designs or TARGETS}
    except ValueError as error:
        raise UserError(str(error)) from error
    require_tool("yosys")
    if fmax:
        require_tool("nextpnr-ecp5")

    console = Console(highlight=False)
    folder = run_folder("synth")
    console.print(f"logs and netlists: {folder}", markup=False, soft_wrap=True)
    entries: dict[str, Entry] = {}
    broken = []
    for name, chosen in targets.items():
        here = folder / name
        here.mkdir()
        try:
            with _progress(name, console) as progress:
                synthesis = synthesize(chosen, here, progress)
                layout = place_and_route(here, progress) if fmax and chosen.routed else None
        except SynthesisError as error:
            broken.append(name)
            console.print(f"[bold red]FAIL[/] {name}", end=": ")
            console.print(str(error), markup=False, soft_wrap=True)
            continue
        entries[name] = records.Entry(synthesis=synthesis, layout=layout)
        if record:
            # design by design: what took long is kept if a later one fails
            _record({**records.read(), **entries}, versions())

    if entries:
        _table(entries, console)
    off = [] if record else _compare(entries, records.read(), console)
    if broken or off:
        raise typer.Exit(1)


@contextmanager
def _progress(name: str, console: "Console") -> "Iterator[Progress]":
    """Show what goes on: live on a terminal, else the programs as they start."""
    if not console.is_terminal:
        start = time.monotonic()
        said = ""

        def tell(stage: str) -> None:
            nonlocal said
            program = stage.split(":")[0]
            if program != said:
                said = program
                console.print(f"{name}: {program}", markup=False)

        yield tell
        console.print(f"{name}: {time.monotonic() - start:.0f} s", markup=False)
        return

    from rich.progress import Progress as Bars
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task(name)
        yield lambda stage: bars.update(task, description=f"{name}  {stage}")


def _table(entries: "Mapping[str, Entry]", console: "Console") -> None:
    from rich.table import Table

    from panther.synth.flow import LUTS_OF_DEVICE

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("design", no_wrap=True)
    for column in ("LUTs", "%", "flip-flops", "RAMs", "mult.", "Fmax MHz", "CPU s"):
        table.add_column(column, justify="right")
    for name, entry in entries.items():
        cells, layout = entry.synthesis.cells, entry.layout
        seconds = entry.synthesis.cost.cpu_seconds + (layout.cost.cpu_seconds if layout else 0)
        table.add_row(
            name,
            str(cells.luts),
            f"{cells.luts / LUTS_OF_DEVICE:.1%}".removesuffix("%"),
            str(cells.flip_flops),
            str(cells.block_rams),
            str(cells.multipliers),
            f"{layout.fmax_mhz:.1f}" if layout else "-",
            f"{seconds:.0f}",
        )
    console.print(table)
    for name, entry in entries.items():
        if entry.layout is not None:
            path = entry.layout.path
            console.print(
                f"slowest path of {name}: {path.first} to {path.last}, {path.nanoseconds:.1f} ns",
                markup=False,
                soft_wrap=True,
            )


def _compare(
    entries: "Mapping[str, Entry]", recorded: "Mapping[str, Entry]", console: "Console"
) -> list[str]:
    """Print what is off, and return it."""
    from panther.synth.record import differences

    found = []
    for name, entry in entries.items():
        if name not in recorded:
            found.append(f"{name}: nothing recorded")
        else:
            found += [f"{name}: {what}" for what in differences(entry, recorded[name])]
    for line in found:
        console.print(f"[bold red]OFF[/] {line}", soft_wrap=True)
    if found:
        names = " ".join(dict.fromkeys(line.split(":")[0] for line in found))
        console.print(f"if that is meant: panther synth {names} --record", soft_wrap=True)
    return found


def _record(entries: "Mapping[str, Entry]", versions: Mapping[str, str]) -> None:
    from panther.synth.record import FILE, PAGE, as_json, page

    text = as_json(entries, versions)
    _write(FILE, text)
    _write(PAGE, page(PAGE.read_text(encoding="utf-8"), text))


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
