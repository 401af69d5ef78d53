"""The checker: proves programs of a node free of deadlocks and of races by one abstract run.

::

    report = check_node(params, read_node_program(folder, params), written={0: [range(0, 640)]})
    assert report.ok, report.problems[0]
"""

from panther.check.check import LIMIT, check_core, check_node
from panther.check.report import KINDS, Problem, Report

__all__ = ["KINDS", "LIMIT", "Problem", "Report", "check_core", "check_node"]
