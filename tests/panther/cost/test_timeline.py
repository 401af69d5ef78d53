"""When units worked: spans against counters, traces for Perfetto, samples."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from panther.cost import timeline as module
from panther.cost.measure import measure
from panther.cost.timeline import Sampler, events, timeline


@pytest.fixture(scope="module")
def drawn(built, measured):
    """A timeline of a batch that ends a CRS period."""
    run = measured(examples=4, variant="V1", crs_period=2)
    return timeline(built(variant="V1", crs_period=2).compiled, run)


def test_spans_are_within_the_run_and_do_not_overlap(drawn):
    assert {unit for _, unit in drawn.units()} == {
        "core0.m0", "core0.m1", "core0 vector unit", "core1.m0", "core1.m1", "core1 vector unit",
        "memory", "network",
    }  # fmt: skip
    assert len({tile for tile, _ in drawn.units()}) == 3
    by_unit: dict[tuple[int, str], list[module.Span]] = {unit: [] for unit in drawn.units()}
    for span in drawn.spans:
        by_unit[span.tile, span.unit].append(span)
    for unit, spans in by_unit.items():
        for span in spans:
            assert 0 <= span.start < span.end
            # rows are known to the end of a slice
            assert span.end <= drawn.cycles + (16 if unit[1] == "network" else 0)
        for before, after in pairwise(spans):
            assert before.end <= after.start, unit


def test_operations_are_those_of_the_counters(built, drawn, measured):
    run = measured(examples=4, variant="V1", crs_period=2)
    spans = [span for span in drawn.spans if ".m" in span.unit]
    assert {span.name for span in spans} == {"MVM", "MTVM", "OPA", "CRS"}
    assert {span.layer for span in spans} == {"linear_0", "linear_1"}
    # four examples with two CRS, and one that has a CRS at its end
    for tile, counters in enumerate(run.counters):
        for core in range(2):
            for m in range(2):
                name = f"core{core}.m{m}"
                mine = [s for s in spans if (s.tile, s.unit) == (tile, name)]
                taken = {"CRS": 2}
                busy = sum(taken.get(s.name, 4) * (s.end - s.start - 1) for s in mine)
                assert busy == counters[f"{name}.busy"], name


def test_network_has_all_rows(built, drawn, measured):
    sent: dict[int, int] = {}
    for span in drawn.spans:
        if span.unit == "network":
            sent[span.tile] = sent.get(span.tile, 0) + int(span.name.split()[0])
    run = measured(examples=4, variant="V1", crs_period=2)
    assert {tile: 4 * rows for tile, rows in sent.items()} == {
        tile: counters["sent"] for tile, counters in enumerate(run.counters) if counters["sent"]
    }


def test_trace_can_be_read_by_perfetto(drawn):
    trace = json.loads(json.dumps(events(drawn)))
    assert set(trace) == {"displayTimeUnit", "traceEvents"}
    named = {"process_name": set(), "thread_name": set()}
    times = []
    for event in trace["traceEvents"]:
        place = (event["pid"], event["tid"])
        if event["ph"] == "M":
            if event["name"] in named:
                assert event["args"]["name"]
                named[event["name"]].add(place)
            continue
        assert event["ph"] == "X"
        assert event["dur"] > 0
        assert event["args"]["end_cycle"] > event["args"]["start_cycle"]
        assert event["ts"] == pytest.approx(event["args"]["start_cycle"] / 1000)  # us
        assert place in named["thread_name"]
        assert event["pid"] in {pid for pid, _ in named["process_name"]}
        times.append(event["ts"])
    assert times == sorted(times)
    assert len(times) == len(drawn.spans)


def test_long_runs_have_no_trace(built, measured, monkeypatch):
    monkeypatch.setattr(module, "MOST_INSTRUCTIONS", 100)
    run = measured(examples=4, variant="V1", crs_period=2)
    assert timeline(built(variant="V1", crs_period=2).compiled, run) is None


def test_samples_have_all_busy_cycles(built, monkeypatch):
    monkeypatch.setattr(module, "FIRST_LOOK", 16)
    monkeypatch.setattr("panther.cost.measure.FIRST_LOOK", 16)
    monkeypatch.setattr(module, "_MOST_SAMPLES", 32)
    compiled = built(variant="V1", crs_period=2).compiled
    sampler = Sampler(compiled)
    run = measure(compiled, examples=4, look=sampler.look)
    shares = sampler.shares
    assert len(shares.ends) < 32 < run.cycles / 16  # less often the longer it takes
    assert (np.diff(shares.ends) > 0).all()
    assert shares.ends[-1] >= run.cycles
    assert shares.layers == ("linear_0", "linear_1")
    assert (shares.busy >= 0).all()
    assert (shares.busy <= 1).all()
    cycles = np.diff(shares.ends, prepend=0)
    for layer, units in (("linear_0", 6), ("linear_1", 3)):
        counted = sum(
            run.counters[p.core[0]][f"core{p.core[1]}.m{p.unit}.busy"]
            for p in compiled.placed
            if p.crossbar.matrix == layer
        )
        busy = shares.busy[shares.layers.index(layer)]
        assert (busy * cycles).sum() * units == pytest.approx(counted)


def test_spans_of_nobody_else(drawn):
    wrong = replace(drawn, spans=(replace(drawn.spans[0], unit="core7.m7"),))
    with pytest.raises(KeyError):
        events(wrong)
