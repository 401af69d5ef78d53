"""``panther study``: many points of one task, in parallel, never the same one twice."""

import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panther.cli.errors import UserError

if TYPE_CHECKING:
    from panther.study.results import Results

TEMPORARY = 75
"""Exit status of what ended before its end and can go on: that of sysexits.h."""

INTERRUPTED = 130

study = typer.Typer(help="Run many points of one task in parallel; never the same one twice.")

File = Annotated[Path, typer.Argument(metavar="FILE", help="Study file, in YAML.")]
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Of a study.")]
Place = Annotated[
    Path | None, typer.Option("--folder", help="Of results; default: runs/studies/NAME.")
]


@study.command()
def run(
    file: File,
    folder: Place = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes.")] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Run on the workers of a Dask cluster.")
    ] = None,
    slurm: Annotated[bool, typer.Option("--slurm", help="Run on Dask workers in Slurm.")] = False,
) -> None:
    """Run the points that have no result yet; the same command goes on after whatever happened."""
    from panther.study import run as start

    with errors_said("panther study"):
        results = start(file, folder=folder, workers=workers, scheduler=scheduler, slurm=slurm)
        page = _write_report(results)
    print(f"table: {results.folder / 'results.parquet'}\nreport: {page}")
    _tell(results)


@study.command()
def show(
    folder: Folder,
    sql: Annotated[
        str | None, typer.Option("--sql", metavar="QUERY", help="Of the table results.")
    ] = None,
) -> None:
    """Print a table of all points, or what a query in SQL finds."""
    from panther.study.report import overview

    with errors_said("panther study"):
        results = _read(folder)
        head, rows = overview(results) if sql is None else results.query(sql)
    _print_table(head, rows)
    if sql is None:
        _tell(results)


@study.command()
def report(folder: Folder) -> None:
    """Write one page with plots, all points and the study itself."""
    with errors_said("panther study"):
        print(_write_report(_read(folder)))


@study.command()
def pareto(
    folder: Folder,
    fronts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FRONT]...",
            help="energy_j:min,accuracy:max,accuracy>=0.9; the study's if none.",
        ),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE", help="PNG, PDF or SVG.")
    ] = None,
    colour: Annotated[str | None, typer.Option(metavar="NAME", help="Column of colours.")] = None,
    shape: Annotated[str | None, typer.Option(metavar="NAME", help="Column of shapes.")] = None,
    title: Annotated[str | None, typer.Option(help="Of the picture.")] = None,
) -> None:
    """Print the points than which none is better, and draw them among all."""
    from panther.study.front_plots import draw, write
    from panther.study.fronts import numbered, table, units_of
    from panther.study.report import fronts as find_fronts
    from panther.study.report import varying_means

    with errors_said("panther study"):
        results = _read(folder)
        found = find_fronts(results, fronts or ())
        names = varying_means(results)
        numbers, units = numbered(found, names), units_of(found)
        for front in found:
            print(f"{len(front.best)} of {len(front.rows)} points: {front.front}")
            head, rows = table(front, numbers, units, names)
            _print_table(head, rows)
        if picture is not None:
            given = results.manifest.name if title is None else title
            write(draw(found, names, colour=colour, shape=shape, title=given), picture)
            print(picture)


@study.command()
def point(
    where: Annotated[Path, typer.Argument(metavar="FILE", help="Study file, or folder of one.")],
    key: Annotated[str, typer.Option(help="Beginning of the point's key.")],
    folder: Place = None,
) -> None:
    """Run one point in the foreground, and print its results; nothing is kept."""
    from panther.study.run import point_of
    from panther.study.worker import plain

    with errors_said("panther study"):
        task, chosen = point_of(where, key, folder)
    for name, value in chosen.parameters.items():
        print(f"{name}: {value}")
    print(flush=True)
    try:
        result = plain(task.run(chosen.parameters, lambda _share: None))
    except Exception as error:
        traceback.print_exc()
        raise typer.Exit(1) from error
    for name, found in result.items():
        print(f"{name}: {found}")


@contextmanager
def errors_said(command: str) -> Iterator[None]:
    """Say what went wrong with a study, and end with its status."""
    from panther.study.errors import InterruptedStudyError, StoppedError, StudyError

    try:
        yield
    except StudyError as error:
        raise UserError(str(error)) from error
    except StoppedError as error:
        print(
            f"{command}: {error}. All results so far are kept; the same command goes on",
            file=sys.stderr,
        )
        interrupted = isinstance(error, InterruptedStudyError)
        raise typer.Exit(INTERRUPTED if interrupted else TEMPORARY) from error


def _read(folder: Path) -> "Results":
    """What a folder holds; its table is written anew."""
    from panther.study import StoppedError
    from panther.study.results import read_results
    from panther.study.store import Store

    store = Store(folder)
    results = read_results(store)
    for remark in results.remarks:
        print(f"warning: {remark}", file=sys.stderr)
    try:
        results.write(store)
    except StoppedError as error:
        print(f"warning: {error}", file=sys.stderr)
    return results


def _write_report(results: "Results") -> Path:
    from panther.study.report import page
    from panther.study.store import REPORT, Store

    return Store(results.folder).write_file(REPORT, page(results).encode())


def _tell(results: "Results") -> None:
    """How many points have results, and how to see again what failed; the status is 1 then."""
    from panther.study.report import best

    for record in results.failed:
        print(f"FAIL {record.error}\n  {results.replay(record)}")
    if results.manifest.objective:
        print(best(results))
    missing = len(results.records) - len(results.done) - len(results.failed)
    print(
        f"{len(results.done)} of {len(results.records)} points have results, "
        f"{len(results.failed)} failed, {missing} have not been run"
    )
    if results.failed:
        raise typer.Exit(1)


def _print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*head, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    Console(width=None if sys.stdout.isatty() else 10_000, highlight=False).print(table)


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
