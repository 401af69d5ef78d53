"""``panther cost``: time, energy and area of training a network, layer by layer."""

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from panther.cli.errors import UserError
from panther.cli.import_model import sizes_of
from panther.cli.options import (
    Batch,
    CrsPeriod,
    Loss,
    NodeName,
    Sets,
    Shape,
    Variant,
    crs_period_of,
)
from panther.cli.output import replacing

if TYPE_CHECKING:
    from models.system.node import Node
    from panther.arch.params import OperationCycles
    from panther.compiler.compile import Compiled
    from panther.cost.case import Case
    from panther.cost.layers import Programs
    from panther.cost.measure import Run
    from panther.cost.report import Cost, Rows
    from panther.cost.timeline import Sampler
    from panther.energy import PriceSet


def cost(
    model: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", help="FILE.onnx, FILE.py[:NAME] or a model's name."),
    ] = None,
    variant: Variant = "V1",
    batch: Batch = None,
    crs_period: CrsPeriod = "16",
    node: NodeName = "auto",
    sets: Sets = None,
    prices: Annotated[
        str,
        typer.Option(
            metavar="SET", help="panther, digital, cmos_opa, opa_by_mvm, parts, or FILE.yaml."
        ),
    ] = "panther",
    timing: Annotated[
        str,
        typer.Option(
            help="ours: cycles of our RTL; source: those the prices come with; auto: ours, but for "
            "prices of other machines."
        ),
    ] = "auto",
    memory: Annotated[
        str, typer.Option(help="node, or paper: price tiles' memories as the paper's 64 KiB.")
    ] = "node",
    examples: Annotated[
        int | None, typer.Option(min=1, help="To run; default: up to a CRS, if that is quick.")
    ] = None,
    data: Annotated[
        str, typer.Option(help="random, digits, or a folder with MNIST's files.")
    ] = "random",
    engine: Annotated[str, typer.Option(help="transaction or rtl.")] = "transaction",
    sim: Annotated[str, typer.Option(help="verilator or icarus, of --engine rtl.")] = "verilator",
    against: Annotated[
        str, typer.Option(metavar="SET,..", help="Other price sets: how many times as much.")
    ] = "",
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Everything, in SI units.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="One page with pictures.")
    ] = None,
    trace: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Who did what when, for Perfetto.")
    ] = None,
    sources: Annotated[
        bool, typer.Option("--sources", help="Print every price with its source.")
    ] = False,
    shape: Shape = None,
    loss: Loss = None,
) -> None:
    """Count what training a network does, and price it: energy and area by layer, time, EDP."""
    from panther.cost.case import check_memory
    from panther.cost.layers import account
    from panther.cost.measure import ENGINES, on_machine
    from panther.cost.pricing import timing_of
    from panther.cost.report import Cost, page, remarks_of, remarks_of_cycles, source_table
    from panther.cost.timeline import MOST_INSTRUCTIONS
    from panther.energy import load_prices

    if model is None and not sources:
        raise UserError("A model must be given, or --sources")
    if engine not in ENGINES:
        raise UserError(f"Engine must be one of {', '.join(ENGINES)}, not {engine!r}")
    with _mistakes_said():
        chosen, *others = _told_apart(
            [load_prices(prices), *(load_prices(name) for name in against.split(",") if name)]
        )
        when = timing_of(chosen, timing)
        check_memory(memory)
    if engine == "rtl" and when == "source":
        raise UserError("Timing must be ours with engine rtl")
    wanted = [path for path in (json_file, html, trace) if path is not None]
    for n, path in enumerate(wanted):
        if path.resolve() in [other.resolve() for other in wanted[:n]]:
            raise UserError(f"Files must be different ones, not {path} twice")
    if sources:
        _print(source_table(chosen))
    if model is None:
        return
    if engine == "rtl":
        from panther.cli.simulation import check_simulator

        check_simulator(sim)
    with _mistakes_said(), ExitStack() as last, ExitStack() as stack:
        from panther.cost.case import build, with_memory

        # whether they can be written shows before anything is run; what goes wrong with a trace
        # leaves the others
        files = {
            path: (last if path is trace else stack).enter_context(replacing(path))
            for path in wanted
        }
        case = build(
            model, variant=variant, batch=batch, crs_period=crs_period_of(crs_period), node=node,
            node_parameters=sets or [], shape=None if shape is None else sizes_of(shape), loss=loss,
            data=data, examples=examples, least=engine == "rtl",
        )  # fmt: skip
        cycles = case.compiled.plan.mcu.cycles
        if engine == "rtl":
            _check_rtl(case)
        if when == "source" and not cycles.are_the_rtls:
            raise UserError("Cycles must be given by --set or come with the prices, not both")
        here = on_machine(case.compiled, chosen, when)
        there = [on_machine(case.compiled, other) for other in others]
        count = case.examples() if examples is None else examples
        print(f"{case.title}, {case.compiled.plan.variant}, batch {case.compiled.plan.batch}")
        print(f"node: {case.node_text}", flush=True)
        measured = _Measured(case, count, sim if engine == "rtl" else None)
        counted = measured.run(here, "", first=True)
        run = with_memory(counted, memory)
        programs = measured.programs(run)
        ours = account(run, chosen, programs)
        compared = []
        for other, compiled in zip(others, there, strict=True):
            run_of_other = with_memory(measured.run(compiled, other.name), memory)
            compared.append(account(run_of_other, other, measured.programs(run_of_other)))
        found = Cost(
            title=case.title, node=case.node_text, account=ours, against=tuple(compared),
            timing=when if when == "source" or cycles.are_the_rtls else "given",
            shares=measured.sampler.shares,
            remarks=(
                *(["Tiles' memories are priced as 64 KiB"] if memory == "paper" else []),
                *remarks_of_cycles([ours, *compared]),
                *remarks_of(ours, random=data == "random"),
            ),
        )  # fmt: skip
        _tell(found)
        if json_file is not None:
            files[json_file].write_text(_json(found), encoding="utf-8")
        found = replace(found, timeline=measured.timeline(html, trace, counted))
        if html is not None:
            files[html].write_text(page(found), encoding="utf-8")
        stack.close()
        for path in wanted:
            if path is not trace:
                print(path)
        if trace is not None:
            if found.timeline is None:
                raise UserError(
                    f"Trace must be of a batch of at most {MOST_INSTRUCTIONS:,} instructions, "
                    "which this network's exceed"
                )
            files[trace].write_text(_trace(found), encoding="utf-8")
    if trace is not None:
        print(trace)


class _Measured:
    """Runs of a case, each other timing once."""

    def __init__(self, case: "Case", examples: int, simulator: str | None) -> None:
        from panther.cost.timeline import Sampler

        self.case, self.examples, self.simulator = case, examples, simulator
        self.sampler: Sampler = Sampler(case.compiled)
        self._runs: dict[OperationCycles, Run] = {}

    def run(self, compiled: "Compiled", name: str, *, first: bool = False) -> "Run":
        """A run of the case's programs with the cycles of ``compiled``; ``name`` is shown."""
        from panther.cost.measure import measure

        cycles = compiled.plan.mcu.cycles
        if cycles in self._runs:
            return self._runs[cycles]
        case = self.case
        found = measure(
            compiled, examples=self.examples, cells=case.cells, data=case.data,
            look=_progress(name, self.sampler if first else None),
        )  # fmt: skip
        _clear_line()
        if self.simulator is not None and cycles.are_the_rtls:
            found = self._in_rtl(found)
        self._runs[cycles] = found
        return found

    def _in_rtl(self, twin: "Run") -> "Run":
        """The run in RTL; the twin's profile, for both count the same."""
        from panther.cost.measure import measure, unequal

        case = self.case
        found = measure(
            case.compiled, examples=self.examples, cells=case.cells, data=case.data,
            simulator=self.simulator,
        )  # fmt: skip
        if wrong := unequal(found, twin):
            for line in wrong[:20]:
                print(f"FAIL {line}", file=sys.stderr)
            raise typer.Exit(1)
        counters = sum(len(counts) for counts in (*found.counters, *found.routers))
        print(f"all {counters:,} counters of RTL equal the twin's after {found.cycles:,} cycles")
        return replace(found, profiles=twin.profiles)

    def programs(self, run: "Run") -> "Programs":
        """What programs did; it is checked that counters say the same."""
        from panther.cost.layers import differences, programs_did

        found = programs_did(run)
        if wrong := differences(run, found):
            raise RuntimeError("Counters must be what programs did: " + "; ".join(wrong[:5]))
        return found

    def timeline(self, html: Path | None, trace: Path | None, run: "Run") -> Any:
        """Of a batch, if a file wants it and it is not too long."""
        from panther.cost.pictures import MOST_UNITS
        from panther.cost.timeline import timeline

        few = len(run.compiled.placed) <= MOST_UNITS
        if trace is None and (html is None or not few):
            return None
        return timeline(run.compiled, run, cells=self.case.cells)


def _told_apart(sets: "list[PriceSet]") -> "list[PriceSet]":
    """The first set and those it is compared with; files go by their names where two sets have one
    name.
    """
    from panther.energy.prices import FOLDER

    others = [prices.path for prices in sets[1:]]
    for path in others:
        if others.count(path) > 1:
            name = path.stem if path.parent == FOLDER else path
            raise UserError(f"Price sets to compare with must be different ones, not {name} twice")
    paths: dict[str, set[Path]] = {}
    for prices in sets:
        paths.setdefault(prices.name, set()).add(prices.path)
    return [
        replace(prices, name=str(prices.path))
        if len(paths[prices.name]) > 1 and prices.path.parent != FOLDER
        else prices
        for prices in sets
    ]


def _check_rtl(case: "Case") -> None:
    """Refuse a node that only the transaction level can be."""
    try:
        case.compiled.node.tile.core.check_rtl()
    except ValueError as error:
        raise UserError(str(error)) from error


class _mistakes_said:
    """What a user can mend is one line."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from panther.cost.pictures import PictureError
        from panther.cost.pricing import CostError
        from panther.energy import PriceError
        from panther.train.errors import TrainError

        if isinstance(error, (CostError, PictureError, PriceError, TrainError)):
            raise UserError(str(error)) from error


def _progress(name: str, sampler: "Sampler | None") -> "Callable[[Node], int]":
    """Shows cycles on a terminal, and lets the sampler look."""
    terminal = sys.stderr.isatty()
    label = f"{name}: " if name else ""

    def look(node: "Node") -> int:
        if terminal:
            print(f"\r{label}{node.clock:,} cycles", end="", file=sys.stderr, flush=True)
        return sampler.look(node) if sampler is not None else 1 << 18

    return look


def _clear_line() -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _tell(found: "Cost") -> None:
    from panther.cost import report

    run = found.account.run
    print(
        f"{run.examples:,} example{'s' if run.examples > 1 else ''} in {run.cycles:,} cycles; "
        f"cycles {found.timing}; prices {found.account.prices.name}: {found.account.prices.title}"
    )
    for remark in found.remarks:
        print(f"note: {remark}")
    print("\nby layer, of an example")
    _print(report.layer_table(found.account))
    print("\nenergy of an example by kind of component")
    _print(report.group_table(found.account))
    print()
    lines = report.totals(found)
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        print(f"{name:{width}}  {value}")
    if found.against:
        print("\nother machines, and how many times as much as here they take")
        _print(report.against_table(found))
    count, of = report.assumed(found.account.prices)
    print(f"\n{count} of {of} prices are assumptions: see --sources")


def _print(rows: "Rows") -> None:
    from rich.console import Console
    from rich.table import Table

    head, lines = rows
    table = Table(box=None, pad_edge=False)
    for n, name in enumerate(head):
        numbers = n > 0 and all(_is_number(line[n]) for line in lines)
        table.add_column(name, justify="right" if numbers else "left")
    for line in lines:
        table.add_row(*line)
    Console(width=None if sys.stdout.isatty() else 10_000, highlight=False).print(table)


def _is_number(text: str) -> bool:
    return not text or text[0].isdigit()


def _json(found: "Cost") -> str:
    from panther.cost.report import as_json

    return json.dumps(as_json(found), indent=1) + "\n"


def _trace(found: "Cost") -> str:
    from panther.cost.timeline import events

    assert found.timeline is not None
    return json.dumps(events(found.timeline)) + "\n"
