"""``panther paper``: figures and tables of the paper, computed again."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panther.cli.errors import UserError
from panther.cli.output import replacing
from panther.cli.study import errors_said

if TYPE_CHECKING:
    from panther.paper.fig10 import Figure
    from panther.paper.machines import Step
    from panther.paper.page import Part
    from panther.study import Results, Study

paper = typer.Typer(help="Compute figures and tables of the paper again.")

Quick = Annotated[bool, typer.Option("--quick", help="A small network only: shows the way.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Processes; default: as many as cores.")
]  # fmt: skip
Output = Annotated[
    Path | None, typer.Option(help="Folder of what it writes; default: runs/NAME of the command.")
]
Points = Annotated[
    Path | None,
    typer.Option(help="Folder of the runs that fig11, fig12, fig13 and headline share; default: "
                      "runs/paper-cost, with --quick runs/paper-cost-quick."),
]  # fmt: skip


@paper.callback()
def _options() -> None:
    pass


def _folder(name: str, *, quick: bool = False, output: Path | None = None) -> Path:
    from panther.sim import ROOT

    return output or ROOT / "runs" / (f"{name}-quick" if quick else name)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Folder {folder} cannot be made: {error.strerror}") from error
    for name, content in files.items():
        with replacing(folder / name) as path:
            path.write_bytes(content)


def _leave(part: "Part", folder: Path) -> None:
    files = part.files()
    _write(folder, files)
    print(part.as_text())
    print("\n".join(f"{folder / name}" for name in files))


def _points(study: "Study", folder: Path, workers: int | None) -> "Results":
    """Run what has not been run."""
    from panther.study import run

    with errors_said("panther paper"):
        results = run(study, folder=folder, workers=workers)
    if results.failed:
        for record in results.failed:
            print(f"FAIL {record.error}\n  panther study point {folder} --key {record.key[:12]}")
        raise typer.Exit(1)
    return results


def _steps(quick: bool, points: Path | None, workers: int | None) -> "dict[str, dict[str, Step]]":
    from panther.paper import machines

    study = machines.study(quick=quick)
    results = _points(study, _folder("paper-cost", quick=quick, output=points), workers)
    return machines.steps(results.rows)


def _fig10(quick: bool, folder: Path, workers: int | None) -> "tuple[Figure, Part]":
    from panther.paper import fig10 as figure_10
    from panther.paper import fig10_report

    figure = figure_10.Figure(_points(figure_10.study(quick=quick), folder, workers).rows)
    return figure, fig10_report.part(figure, quick=quick)


@paper.command()
def fig10(
    quick: Annotated[
        bool, typer.Option("--quick", help="Few slicings, epochs and seeds: only shows the way.")
    ] = False,
    workers: Workers = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder of results; default: runs/fig10, with --quick runs/fig10-quick."),
    ] = None,
) -> None:
    """Fig. 10: accuracy, saturated cells and energy of sixteen slicings and some CRS periods, in
    the accounting of the paper's training code and in that of the hardware. Killed, it goes on.
    """
    from panther.paper import fig10_report as report

    folder = _folder("fig10", quick=quick, output=output)
    figure, shown = _fig10(quick, folder, workers)
    files = report.files(shown, figure)
    _write(folder, files)
    print(files["fig10.txt"].decode())
    print("\n".join(f"{folder / name}" for name in files))
    bad = [found for found in figure.deviations() if not found.good]
    if bad and not quick:
        print(f"FAIL {len(bad)} of {len(figure.deviations())} rows are not as measured before")
        raise typer.Exit(1)


@paper.command()
def table3(output: Output = None) -> None:
    """Area and power of core, tile and node, by component: the paper's, those of its simulator's
    constants, and ours.
    """
    from panther.paper import table3 as table_3

    _leave(table_3.table3(), _folder("table3", output=output))


@paper.command()
def fig11(
    quick: Quick = False, workers: Workers = None, output: Output = None, points: Points = None
) -> None:
    """Energy of one training step, layer by layer, against the baselines. Killed, it goes on."""
    from panther.paper.fig11 import figure

    shown = figure(_steps(quick, points, workers), "energy")
    _leave(shown, _folder("fig11", quick=quick, output=output))


@paper.command()
def fig12(
    quick: Quick = False, workers: Workers = None, output: Output = None, points: Points = None
) -> None:
    """Time of one training step, layer by layer, against the baselines. Killed, it goes on."""
    from panther.paper.fig11 import figure

    shown = figure(_steps(quick, points, workers), "time")
    _leave(shown, _folder("fig12", quick=quick, output=output))


@paper.command()
def fig13(
    quick: Quick = False, workers: Workers = None, output: Output = None, points: Points = None
) -> None:
    """Energy and time of an example by batch size, all machines. Killed, it goes on."""
    from panther.paper.fig13 import figure

    shown = figure(_steps(quick, points, workers))
    _leave(shown, _folder("fig13", quick=quick, output=output))


@paper.command()
def headline(
    quick: Quick = False, workers: Workers = None, output: Output = None, points: Points = None
) -> None:
    """The ratios of the abstract: paper, its simulator, our replay of it, our hardware."""
    from panther.paper import headline as ratios

    shown = ratios.headline(_steps(quick, points, workers))
    _leave(shown, _folder("headline", quick=quick, output=output))


@paper.command(name="all")
def everything(
    quick: Quick = False, workers: Workers = None, output: Output = None, points: Points = None
) -> None:
    """Everything, and Fig. 10, on one page that needs no other file. Killed, it goes on."""
    from panther.paper import fig11 as figures
    from panther.paper import fig13 as figure_13
    from panther.paper import headline as ratios
    from panther.paper import sources
    from panther.paper import table3 as table_3
    from panther.paper.page import together

    folder = _folder("paper", quick=quick, output=output)
    there = None if output is None else output / "fig10"
    steps = _steps(quick, points, workers)
    _, slicing = _fig10(quick, _folder("fig10", quick=quick, output=there), workers)
    parts = [
        ratios.headline(steps), table_3.table3(), slicing, figures.figure(steps, "energy"),
        figures.figure(steps, "time"), figure_13.figure(steps), sources.part(),
    ]  # fmt: skip
    files = {
        name: content for part in parts if part is not slicing
        for name, content in part.files().items()
    }  # fmt: skip
    files["paper.html"] = together(sources.TITLE, sources.TEXT, parts).encode()
    _write(folder, files)
    for part in parts:
        if part is not slicing:
            print(part.as_text())
    print(f"{folder / 'paper.html'}")
