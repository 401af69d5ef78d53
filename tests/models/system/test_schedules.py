"""Reader masks make programs independent of the schedule."""

from dataclasses import replace

from cocotb_tests.schedules import (
    CORES,
    expected,
    outcome,
    outcome_with_counts,
)
from panther.arch.presets import NODES

SCHEDULES = 300
NODE = replace(NODES["SMALL"], tile=replace(NODES["SMALL"].tile, cores=CORES), width=1, height=1)


def test_every_schedule_gives_the_same():
    right = b"".join(expected(core).tobytes() for core in range(CORES))
    wrong = [n for n in range(SCHEDULES) if outcome(NODE, n) != right]
    assert wrong == []


def test_without_waiting_schedules_differ():
    found = {outcome(NODE, n, synchronised=False) for n in range(SCHEDULES // 10)}
    assert len(found) > SCHEDULES // 20


def test_with_counts_instead_of_masks_schedules_differ():
    found = {outcome_with_counts(n) for n in range(SCHEDULES)}
    assert len(found) > SCHEDULES // 10
