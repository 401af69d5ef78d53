"""The files ``panther regress`` leaves behind: JUnit XML for machines, one HTML page for people."""

import platform
import xml.etree.ElementTree as ET
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from panther import tools

if TYPE_CHECKING:
    from panther.cli.regress import Result, Verdict


def _legal(text: str) -> str:
    """XML 1.0 has no place for control characters, and simulators print colours."""
    return "".join(c for c in text if c in "\t\n" or (c >= " " and c not in "\ufffe\uffff"))


def write_junit(path: Path, verdict: "Verdict", *, seed: int, seconds: float) -> None:
    """Write the verdict as JUnit XML; a problem becomes a test case of its own."""
    skipped = sum(result.outcome in ("skipped", "not run") for result in verdict.results)
    suite = ET.Element(
        "testsuite",
        name="panther regress",
        tests=str(len(verdict.results) + len(verdict.problems)),
        failures=str(verdict.failed),
        errors="0",
        skipped=str(skipped),
        time=f"{seconds:.3f}",
    )
    properties = ET.SubElement(suite, "properties")
    ET.SubElement(properties, "property", name="seed", value=str(seed))
    for result in verdict.results:
        file, _, name = result.id.partition("::")
        case = ET.SubElement(
            suite,
            "testcase",
            classname=file.removesuffix(".py").replace("/", "."),
            name=_legal(name or file),
            time=f"{result.duration_s:.3f}",
        )
        if result.outcome in ("failed", "missing"):
            failure = ET.SubElement(case, "failure", message=_legal(result.message))
            failure.text = _legal(result.text)
        elif result.outcome in ("skipped", "not run"):
            ET.SubElement(case, "skipped", message=_legal(result.message))
    for problem in verdict.problems:
        case = ET.SubElement(suite, "testcase", classname="panther.regress", name=_legal(problem))
        ET.SubElement(case, "failure", message=_legal(problem))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One test of one unit with one parameter set, and its result on each simulator."""

    unit: str
    test: str
    parameter_set: str
    results: dict[str, "Result"]


def _simulated(verdict: "Verdict") -> list[Row]:
    rows: dict[tuple[str, str, str], dict[str, Result]] = defaultdict(dict)
    for result in verdict.results:
        if result.simulator:
            unit = Path(result.file).stem.removeprefix("test_")
            rows[unit, result.function, result.parameter_set][result.simulator] = result
    return [
        Row(unit=unit, test=test, parameter_set=name, results=results)
        for (unit, test, name), results in sorted(rows.items())
    ]


def _others(verdict: "Verdict") -> dict[str, list["Result"]]:
    """Tests that use no simulator, by file."""
    files: dict[str, list[Result]] = defaultdict(list)
    for result in verdict.results:
        if not result.simulator:
            files[result.file].append(result)
    return files


def write_html(
    path: Path, verdict: "Verdict", *, seed: int, seconds: float, began: datetime, jobs: int
) -> None:
    """Write the verdict as one page that needs nothing else."""
    import jinja2

    template = resources.files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    rows = _simulated(verdict)
    versions = {s.requirement.name: s.tool.version for s in tools.survey() if s.tool is not None}
    page = environment.from_string(template).render(
        verdict=verdict,
        rows=rows,
        simulators=[name for name in tools.SIMULATORS if any(name in row.results for row in rows)],
        others=_others(verdict),
        seed=seed,
        seconds=seconds,
        began=began,
        jobs=jobs,
        machine=f"{platform.system()} {platform.machine()}",
        versions=versions,
    )
    path.write_text(page, encoding="utf-8")
