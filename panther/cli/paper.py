"""``panther paper``: figures and tables of the paper, computed again."""

from pathlib import Path
from typing import Annotated

import typer

from panther.cli.output import replacing
from panther.cli.study import errors_said

paper = typer.Typer(help="Compute figures and tables of the paper again.")


@paper.callback()
def _options() -> None:
    pass


@paper.command()
def fig10(
    quick: Annotated[
        bool, typer.Option("--quick", help="Few slicings, epochs and seeds: only shows the way.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; default: as many as cores.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder of results; default: runs/fig10, with --quick runs/fig10-quick."),
    ] = None,
) -> None:
    """Fig. 10: accuracy, saturated cells and energy of sixteen slicings and some CRS periods, in
    the accounting of the paper's training code and in that of the hardware. Killed, it goes on.
    """
    from panther.paper import fig10 as figure_10
    from panther.paper import fig10_report as report
    from panther.sim import ROOT
    from panther.study import run

    study = figure_10.study(quick=quick)
    folder = output or ROOT / "runs" / study.name
    with errors_said("panther paper"):
        results = run(study, folder=folder, workers=workers)
    if results.failed:
        for record in results.failed:
            print(f"FAIL {record.error}\n  panther study point {folder} --key {record.key[:12]}")
        raise typer.Exit(1)

    figure = figure_10.Figure(results.rows)
    shown = report.part(figure, quick=quick)
    files = report.files(shown, figure)
    for name, content in files.items():
        with replacing(folder / name) as path:
            path.write_bytes(content)
    print(files["fig10.txt"].decode())
    print("\n".join(f"{folder / name}" for name in files))
    bad = [found for found in figure.deviations() if not found.good]
    if bad and not quick:
        print(f"FAIL {len(bad)} of {len(figure.deviations())} rows are not as measured before")
        raise typer.Exit(1)
