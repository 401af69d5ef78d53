"""Who may import whom, and where things live."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ANYTHING = frozenset({"*"})
ARCH = frozenset({"panther.arch"})

# The longest prefix that fits a file decides. Beside what is listed, every file may import the
# standard library and its own folder.
MAY_IMPORT = {
    "panther/__init__.py": frozenset[str](),
    "panther/arch": frozenset[str](),
    "panther/asm": ARCH,
    "panther/tools.py": ARCH | {"find_libpython"},
    "panther/yaml_lines.py": frozenset({"yaml"}),
    "panther/sim.py": ARCH | {"panther.tools", "cocotb_tools", "filelock"},
    "panther/host": ARCH | {"panther.asm", "models", "numpy", "safetensors"},
    "panther/check": ARCH | {"panther.asm"},
    "panther/compiler": ARCH | {"panther.asm", "panther.check", "numpy", "safetensors"},
    "panther/frontends": ARCH | {"panther.compiler", "numpy", "onnx", "torch"},
    "panther/puma": ARCH | {"panther.energy", "panther.host", "numpy"},
    "panther/train": ARCH
    | {"panther.asm", "panther.compiler", "panther.frontends", "panther.host", "panther.sim"}
    | {"panther.tools", "cocotb_tests", "golden", "models"}
    | {"numpy", "rich", "safetensors", "tensorboardX"},
    "panther/study": ARCH
    | {"panther.compiler", "panther.host", "panther.train", "golden", "dask_jobqueue"}
    | {"distributed", "duckdb", "filelock", "matplotlib", "numpy", "optuna", "rich"}
    | {"panther.yaml_lines"},
    "panther/cost": ARCH
    | {"panther.asm", "panther.compiler", "panther.energy", "panther.frontends", "panther.host"}
    | {"panther.study", "panther.train", "panther.yaml_lines", "models", "numpy"}
    | {"matplotlib", "rich"},
    "panther/energy": ARCH | {"panther.yaml_lines"},
    "panther/paper": ARCH
    | {"panther.compiler", "panther.cost", "panther.energy", "panther.puma", "panther.study"}
    | {"golden", "numpy", "matplotlib"},
    "panther/device": ARCH
    | {"panther.study", "numpy", "numba", "scipy", "matplotlib", "threadpoolctl"},
    "panther/synth": ARCH | {"panther.tools", "hdl"},
    "panther/cli": ANYTHING,
    "hdl": ARCH | {"amaranth"},
    "models": ARCH | {"numpy", "numba"},
    "golden": ARCH | {"numpy", "numba", "sklearn"},
    "cocotb_tests": ANYTHING,
    "benchmarks": ANYTHING,
    "tests": ANYTHING,
}
# Whoever may import anything may still not import the command line, but for itself and its tests.
MAY_IMPORT_CLI = ("panther/cli", "tests/panther")

PACKAGES = ("panther", "hdl", "models", "golden", "cocotb_tests", "benchmarks", "tests")

# Units without a testbench of their own, and why.
NO_TESTBENCH: dict[str, str] = {
    "hdl/host/bus.py": "only declares what others speak",
}


def _sources(root: Path) -> list[str]:
    return sorted(
        file.relative_to(root).as_posix() for top in PACKAGES for file in (root / top).rglob("*.py")
    )


def _imports(file: str, tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = file.split("/")[: -node.level] if node.level else []
            base = ".".join([*package, *([node.module] if node.module else [])])
            # "from panther import cli" imports panther.cli, "from panther.tools import Tool" does
            # not import a module of that name: only our own packages can hold the former
            names |= (
                {f"{base}.{alias.name}" for alias in node.names} if base in PACKAGES else {base}
            )
    return names


def _under(name: str, prefixes: frozenset[str], separator: str) -> bool:
    return any(name == prefix or name.startswith(prefix + separator) for prefix in prefixes)


def _bad_imports(file: str, tree: ast.AST) -> list[str]:
    fitting = [prefix for prefix in MAY_IMPORT if _under(file, frozenset({prefix}), "/")]
    if not fitting:
        return [f"{file} is not in the import table"]
    prefix = max(fitting, key=len)
    home = prefix.removesuffix(".py").replace("/", ".")
    allowed = MAY_IMPORT[prefix] | sys.stdlib_module_names | {home}
    bad = []
    for name in sorted(_imports(file, tree)):
        if _under(name, frozenset({"panther.cli"}), "."):
            if not file.startswith(MAY_IMPORT_CLI):
                bad.append(f"{file} imports {name}")
        elif allowed.isdisjoint(ANYTHING) and not _under(name, frozenset(allowed), "."):
            bad.append(f"{file} imports {name}")
    return bad


def violations(root: Path) -> list[str]:
    """Everything in the tree under ``root`` that breaks a rule, one line each."""
    found = []
    suppression = "no" + "qa"  # this file must pass, too
    for file in _sources(root):
        text = (root / file).read_text(encoding="utf-8")
        tree = ast.parse(text, file)
        found += _bad_imports(file, tree)
        if suppression in text:
            found.append(f"{file} suppresses a lint rule")
        if Path(file).stem == "utils" or "/utils/" in file:
            found.append(f"{file} is named utils: say what it is for")
        if file.startswith("hdl/") and any(
            isinstance(node, ast.ImportFrom) and node.module == "__future__"
            for node in ast.walk(tree)
        ):
            found.append(f"{file} imports from __future__: it empties Amaranth's classes")
        if file.startswith("tests/") and file.endswith("/__init__.py"):
            found.append(f"{file} makes the tests hide the package of the same name")
        parts = file.split("/")
        if (
            len(parts) == 3
            and parts[0] == "hdl"
            and parts[2] != "__init__.py"
            and file not in NO_TESTBENCH
            and not (root / "cocotb_tests" / f"test_{parts[2]}").is_file()
        ):
            found.append(f"{file} has no cocotb_tests/test_{parts[2]}")
    return found


def test_rules_hold():
    assert _sources(ROOT) != []
    found = violations(ROOT)
    assert not found, "\n".join(found)


def test_exceptions_are_needed():
    for file in NO_TESTBENCH:
        assert (ROOT / file).is_file()
        assert not (ROOT / "cocotb_tests" / f"test_{Path(file).name}").exists()


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("hdl/mcu.py", "import numpy\n", "hdl/mcu.py imports numpy"),
        ("hdl/mcu.py", "def f():\n    import golden.mvm\n", "hdl/mcu.py imports golden.mvm"),
        ("golden/mvm.py", "from models import analog\n", "golden/mvm.py imports models.analog"),
        ("golden/mvm.py", "from amaranth.hdl import *\n", "golden/mvm.py imports amaranth.hdl"),
        ("models/adc.py", "import cocotb\n", "models/adc.py imports cocotb"),
        ("models/adc.py", "from panther import tools\n", "models/adc.py imports panther.tools"),
        ("panther/arch/p.py", "import numpy as n\n", "panther/arch/p.py imports numpy"),
        ("panther/tools.py", "import rich\n", "panther/tools.py imports rich"),
        ("cocotb_tests/x.py", "import panther.cli\n", "cocotb_tests/x.py imports panther.cli"),
        ("panther/sim.py", "from . import cli\n", "panther/sim.py imports panther.cli"),
        ("panther/stray.py", "", "panther/stray.py is not in the import table"),
        ("golden/x.py", "a = 1  # no" + "qa\n", "golden/x.py suppresses a lint rule"),
        ("golden/utils.py", "", "golden/utils.py is named utils: say what it is for"),
        (
            "hdl/mcu.py",
            "from __future__ import annotations\n",
            "hdl/mcu.py imports from __future__: it empties Amaranth's classes",
        ),
        (
            "tests/hdl/__init__.py",
            "",
            "tests/hdl/__init__.py makes the tests hide the package of the same name",
        ),
        ("hdl/mcu/crs.py", "", "hdl/mcu/crs.py has no cocotb_tests/test_crs.py"),
    ],
)
def test_violation_is_found(tmp_path, file, text, message):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(text)
    assert violations(tmp_path) == [message]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (
            "hdl/x.py",
            "from amaranth.lib import wiring\nfrom panther.arch.params import McuParams\n",
        ),
        ("hdl/x.py", "import hdl.analog\nfrom hdl import analog\nfrom . import analog\n"),
        ("panther/cli/x.py", "import golden.train\nfrom panther.cli.errors import UserError\n"),
        ("tests/panther/x.py", "from panther.cli import main\n"),
    ],
)
def test_what_is_allowed_is_not_reported(tmp_path, file, text):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(text)
    assert violations(tmp_path) == []
