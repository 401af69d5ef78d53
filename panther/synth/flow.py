"""Runs Yosys and nextpnr on a design, in a folder that keeps their scripts, logs and netlists."""

import json
import os
import re
import resource
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from panther.synth import modules, netlist, pins
from panther.synth.netlist import Cells, Words
from panther.synth.targets import Target
from panther.tools import require_tool

DEVICE = ("--85k", "--package", "CABGA756", "--speed", "6")
DEVICE_NAME = "LFE5U-85F in CABGA756, speed grade 6 (the slowest)"
LUTS_OF_DEVICE = 83640
SEED = 1
"""Of nextpnr's placement. Another one changes Fmax by several percent."""
GOAL_MHZ = 100

Progress = Callable[[str], None]
"""Is told what goes on, in a few words."""

_STAGE = re.compile(
    r"^(?:\d[\d.]*\. Executing (?P<yosys>[A-Z0-9_]+) pass|Info: (?P<nextpnr>[A-Z].{5,50}))"
)


class SynthesisError(Exception):
    """Yosys or nextpnr refused a design, or found a fault; the message ends with the log's end."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a program took."""

    cpu_seconds: float
    gigabytes: float
    """The most memory it held."""


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """What Yosys made of a design."""

    cells: Cells
    units: Mapping[str, Cells]
    """Cells by submodule."""
    words: Words
    memories_in_logic: Sequence[str]
    """Memories that no RAM holds."""
    cost: Cost


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What nextpnr made of it."""

    fmax_mhz: float
    path: netlist.Path
    cost: Cost


def synthesize(target: Target, folder: Path, progress: Progress) -> Synthesis:
    """Map a design to the cells of an ECP5.

    Parameters
    ----------
    target
        What to synthesize.
    folder
        Existing folder for the Verilog, the netlists and the log.
    progress
        Is told of every pass.

    Raises
    ------
    ToolError
        If Yosys is missing.
    SynthesisError
        If it refuses the design, or finds a latch, a combinational loop or a signal with two
        drivers.
    """
    yosys = require_tool("yosys")
    progress("writing Verilog")
    verilog = target.verilog()
    (folder / "design.v").write_text(verilog)
    (folder / "pins.v").write_text(pins.wrapper(verilog, target.top))
    (folder / "synth.ys").write_text(
        f"""\
read_verilog design.v
synth_ecp5 -top {target.top} -run begin:map_ram
check -assert -nolatches
select {target.top}
write_json -selected words.json
select -clear
synth_ecp5 -top {target.top} -run map_ram:
check -assert
write_json netlist.json
read_verilog pins.v
hierarchy -check -top {pins.TOP}
proc
flatten -noscopeinfo
opt_clean -purge
write_json pins.json
"""
    )
    log = folder / "yosys.log"
    cost = _execute([str(yosys.path), "-s", "synth.ys"], folder, log, progress)
    module = _read_json(folder / "netlist.json")["modules"][target.top]
    return Synthesis(
        cells=netlist.cells(module),
        units=netlist.cells_of_units(module, modules.drivers(verilog, target.top)),
        words=netlist.words(_read_json(folder / "words.json")["modules"][target.top]),
        memories_in_logic=netlist.memories_in_logic(log.read_text()),
        cost=cost,
    )


def place_and_route(folder: Path, progress: Progress) -> Layout:
    """Place and route what :func:`synthesize` has left in ``folder``.

    Raises
    ------
    ToolError
        If nextpnr is missing.
    SynthesisError
        If the design does not fit, or cannot be routed.
    """
    nextpnr = require_tool("nextpnr-ecp5")
    cost = _execute(
        [
            str(nextpnr.path), *DEVICE, "--json", "pins.json", "--seed", str(SEED), "--freq",
            str(GOAL_MHZ), "--timing-allow-fail", "--lpf-allow-unconstrained", "--report",
            "timing.json",
        ],
        folder, folder / "nextpnr.log", progress,
    )  # fmt: skip
    fmax, path = netlist.slowest_path(_read_json(folder / "timing.json"))
    return Layout(fmax_mhz=fmax, path=path, cost=cost)


def versions() -> dict[str, str]:
    """Versions of the programs, by name.

    Raises
    ------
    ToolError
        If one is missing.
    """
    return {name: require_tool(name).version for name in ("yosys", "nextpnr-ecp5")}


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text())


def _execute(command: Sequence[str], folder: Path, log: Path, progress: Progress) -> Cost:
    """Run a program to its end, and tell its stages."""
    name = Path(command[0]).name
    with log.open("w") as stream:
        process = subprocess.Popen(
            command, cwd=folder, text=True, errors="replace", bufsize=1,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            for line in process.stdout:
                stream.write(line)
                if match := _STAGE.match(line):
                    progress(f"{name}: {match['yosys'] or match['nextpnr']}".rstrip("\n."))
            # not wait(): only this call says what the child used
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            process.stdout.close()
    if process.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise SynthesisError(f"{name} ended with status {process.returncode}, log {log}:\n{tail}")
    return _cost(usage)


def _cost(usage: resource.struct_rusage) -> Cost:
    return Cost(
        cpu_seconds=round(usage.ru_utime + usage.ru_stime, 1),
        gigabytes=round(usage.ru_maxrss / (1 << 20), 2),
    )
