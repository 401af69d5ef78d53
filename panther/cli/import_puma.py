"""``panther import-puma``: a program of the PUMA compiler on a node, held against its text."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panther.arch.node import NodeParams
from panther.arch.overrides import override_node
from panther.arch.presets import NODES
from panther.arch.tile import SEQUENCER
from panther.cli.errors import UserError

if TYPE_CHECKING:
    from cocotb_tests.puma_case import PumaCase
    from panther.puma import PumaProgram, Unit

ENGINES = ("transaction", "rtl")
LIMIT = 100_000_000
"""Cycles."""
REFERENCE = {"mlpPanther": 16069, "convGPanther": 8063}
"""Cycles that the simulator its authors published takes for theirs."""
MEMORY = "tile0.bin"
TESTBENCH = "cocotb_tests.puma_tb"


def import_puma(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="NAME-tile0.puma, NAME-tile0-core0.puma and so on."),
    ],
    engine: Annotated[
        str,
        typer.Option(
            help="transaction, or rtl: as well, tile by tile among transaction-level ones."
        ),
    ] = "transaction",
    shift: Annotated[
        int, typer.Option(help="Requantisation shift of MVM and MTVM: weights' fraction bits.")
    ] = 28,
    seed: Annotated[int, typer.Option(min=0, help="Of weights and inputs.")] = 1,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write what panther node runs to this new folder."),
    ] = None,
) -> None:
    """Translate a program of the PUMA compiler, run it, and compare with its text, interpreted."""
    if engine not in ENGINES:
        raise UserError(f"Engine must be one of {', '.join(ENGINES)}, not {engine!r}")
    from cocotb_tests.puma_case import PumaCase
    from panther.puma import PumaError

    try:
        case = PumaCase(folder=str(folder.resolve()), shift=shift, seed=seed)
        texts, end = case.texts, case.end
    except PumaError as error:
        raise UserError(str(error)) from error
    program, params = case.program, case.params
    print(f"{program.name}: {program.tiles} tiles of {program.cores} cores")
    _print_counts("text", program.opcodes())
    _print_counts("matrix units", program.operations())
    placed = sum(buffer.place != buffer.address for buffer in case.plan.buffers)
    if placed:
        print(f"{placed} of {len(case.plan.buffers)} vectors in memory moved, to begin at a group")
    if output is not None:
        with _new_folder(output) as new:
            _write(new, case, texts)
        print(f"run it: {_command(output, params)}")
    cycles, compared = _at_transaction_level(case)
    print(f"transaction level: {cycles:,} cycles{_beside(program, cycles)}")
    _print_counts("instructions", _retired(case))
    print(f"{compared:,} registers, words, states and cells equal those of the text, interpreted")
    print(f"{end.saturated:,} words saturated")
    if engine == "rtl":
        _in_rtl(case)


def _print_counts(what: str, counts: Mapping[str, int]) -> None:
    print(f"{what}: {', '.join(f'{name} {count}' for name, count in counts.items())}")


def _beside(program: "PumaProgram", cycles: int) -> str:
    reference = REFERENCE.get(program.name)
    if reference is None:
        return ""
    return f"; the reference simulator: {reference:,}, ratio {cycles / reference:.2f}"


def _retired(case: "PumaCase") -> dict[str, int]:
    """Instructions of the node by mnemonic: in straight lines each is done once."""
    from collections import Counter

    from panther.arch.isa import decode

    counts: Counter[str] = Counter()
    for program in case.assembled(case.params).values():
        for word in program.words:
            found = decode(int(word))
            counts["illegal" if found is None else found[0].mnemonic] += 1
    return dict(sorted(counts.items()))


def _at_transaction_level(case: "PumaCase") -> tuple[int, int]:
    """Cycles, and numbers compared."""
    node = case.twin(case.params, trace=False)
    ((_, starts),) = case.all_starts()
    node.start(starts)
    quiet = node.run(limit_cycles=LIMIT)
    statuses = {unit: node.status(*unit) for unit in starts}
    stopped = [
        f"{_unit(unit)}: {status.fault.name} at pc {status.pc}"
        for unit, status in statuses.items()
        if status.fault or status.running
    ]
    if stopped or not quiet:
        raise UserError(f"{case.program.name} must come to its end, but {'; '.join(stopped)}")
    return max(status.cycle for status in statuses.values()), case.check(node)


def _unit(unit: "Unit") -> str:
    from panther.asm import unit_name

    return unit_name(*unit)


def _in_rtl(case: "PumaCase") -> None:
    from rich.console import Console

    from cocotb_tests.designs import tile_lockstep_bench
    from panther.cli.simulation import check_simulator, report_failure, run_folder, simulate

    check_simulator("verilator")
    design = tile_lockstep_bench(case.params)
    console = Console(highlight=False)
    for tile in sorted({tile for tile, *_ in case.state.cells}):
        folder = run_folder("import-puma")
        variables = {"PANTHER_PUMA": json.dumps({"case": case.to_json(), "tile": tile})}
        result = simulate(design, "verilator", TESTBENCH, variables, folder)
        if result.failures:
            report_failure(console, design, "verilator", TESTBENCH, variables, result, LIMIT)
            raise typer.Exit(1)
        found = json.loads((folder / "puma.json").read_text())
        shutil.rmtree(folder)
        print(
            f"tile {tile} in RTL: {found['cycles']:,} cycles, {found['events']:,} events the same "
            f"in the same cycles, {found['cells']:,} cells those of the text, "
            f"{result.seconds:.0f} s"
        )


@contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    """A folder that is there when the block ends well."""
    if path.exists() or path.is_symlink():
        raise UserError(f"Output must be a new folder, which {path} is not")
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise UserError(f"Output {path} cannot be written: {error.strerror}") from error
    try:
        yield temporary
        temporary.chmod(0o755)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(folder: Path, case: "PumaCase", texts: "Mapping[Unit, str]") -> None:
    for (tile, unit), text in texts.items():
        name = "sequencer" if unit == SEQUENCER else f"core{unit}"
        (folder / f"tile{tile}.{name}.pasm").write_text(text)
    words, _, _ = case.memory(0, case.params)
    (folder / MEMORY).write_bytes(words.astype("<i8").tobytes())


def _command(folder: Path, params: NodeParams) -> str:
    """How ``panther node`` runs it."""
    core, tile = params.tile.core, params.tile
    wanted = {
        "width": params.width, "height": params.height, "cores": tile.cores, "fifos": tile.fifos,
        "tile.instructions": tile.instructions, "instructions": core.instructions,
        "registers": core.registers,
    }  # fmt: skip
    paper = NODES["PAPER"]
    sets = [
        f"--set {name}={value}"
        for name, value in wanted.items()
        if override_node(paper, [f"{name}={value}"]) != paper
    ]
    return " ".join(
        ["panther node", str(folder), "--node PAPER", *sets, f"--memory 0={folder / MEMORY}"]
    )
