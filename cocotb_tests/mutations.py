"""Mutation drill: ``make mutate`` breaks one line of the hardware at a time; every test must bite.

Works on a copy of the project. A mutation that its test does not see is a hole in the test.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from panther.sim import ROOT

# what a testbench says of hardware that is wrong
VERDICTS = ("first divergence", " must take ", " must not wait ")
PARTS = ("panther", "hdl", "models", "golden", "cocotb_tests", "pyproject.toml")


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One line broken on purpose, and the test that has to fail for it."""

    what: str
    file: str
    before: str
    """Text that occurs exactly once in the file."""
    after: str
    test: str


def _none(test: str) -> Mutation:
    """No mutation at all: what is caught here is a fault of the test."""
    return Mutation(
        what="none", file="hdl/mcu/mcu.py", before="class Mcu(", after="class Mcu(", test=test
    )


def _mutation(what: str, file: str, before: str, after: str, test: str) -> Mutation:
    return Mutation(
        what=what, file=f"hdl/mcu/{file}.py", before=before, after=after,
        test=f"cocotb_tests/test_{test}",
    )  # fmt: skip


MUTATIONS = (
    _mutation("sign step added instead of subtracted", "shift_add",
              "old - (step_sum << place)", "old + (step_sum << place)",
              "shift_add.py::test_sums_match[TINY-icarus]"),
    _mutation("slices weighed one bit off", "shift_add",
              "k * params.slices.value_bits + step", "k * (params.slices.value_bits + 1) + step",
              "shift_add.py::test_sums_match[TINY-icarus]"),
    _mutation("a row read-back enters the sums", "shift_add",
              "self.i_valid & ~self.i_tag.read", "self.i_valid",
              "shift_add.py::test_sums_match[TINY-icarus]"),
    _mutation("no rounding", "requantise",
              "(scaled + 1) >> 1", "scaled >> 1",
              "requantise.py::test_words_match_golden[TINY-icarus]"),
    _mutation("negative saturation one too high", "requantise",
              "rounded < -high - 1", "rounded < -high",
              "requantise.py::test_words_match_golden[TINY-icarus]"),
    _mutation("last group of lines not converted", "adc_control",
              "following >= self.lines", "following + lanes >= self.lines",
              "adc_control.py::test_a_group_of_lines_is_converted_each_cycle[LANES-icarus]"),
    _mutation("rows driven in MTVM", "bit_stream",
              "with m.If(self.transpose):", "with m.If(~self.transpose):",
              "bit_stream.py::test_every_step_drives_its_bit[ODD-icarus]"),
    _mutation("lines stay driven after the last step", "bit_stream",
              "[self.row_drive.eq(0), self.column_drive.eq(0)]", "[self.row_drive.eq(0)]",
              "bit_stream.py::test_every_step_drives_its_bit[ODD-icarus]"),
    _mutation("magnitude of negative operands wrong", "xbar_in",
              "Mux(negative[n], -words[n], words[n])", "Mux(negative[n], ~words[n], words[n])",
              "xbar_in.py::test_words_land_in_their_bank[TINY-icarus]"),
    _mutation("polarity phases swapped", "opa_drive",
              "row_negative, column_negative = phase[1], phase[0]",
              "row_negative, column_negative = phase[0], phase[1]",
              "opa_drive.py::test_pulses_add_the_outer_product[TINY-icarus]"),
    _mutation("column digits not shifted from step to step", "opa_drive",
              "Mux(step == 0, self.i_column, shifted)", "self.i_column",
              "opa_drive.py::test_pulses_add_the_outer_product[TINY-icarus]"),
    _mutation("carry rounded the other way", "slice_carry",
              "(total + (1 << (p - 1))) >> p", "(total + (1 << (p - 1)) - 1) >> p",
              "slice_carry.py::test_carries_match_golden[SMALL-icarus]"),
    _mutation("top slice wraps instead of saturating", "slice_carry",
              "resolved[lane][name].eq(high)", "resolved[lane][name].eq(total)",
              "slice_carry.py::test_carries_match_golden[SMALL-icarus]"),
    _mutation("CRS leaves the last row", "row_access",
              "crs & (row + 1 < self.rows)", "crs & (row + 2 < self.rows)",
              "mcu.py::test_matches_golden[TINY-icarus]"),
    _mutation("rows of READ and WRITE ignored", "row_access",
              "m.d.sync += row.eq(self.row)", "m.d.sync += row.eq(0)",
              "mcu.py::test_matches_golden[TINY-icarus]"),
    _mutation("core may read XbarOut while it is written", "mcu",
              "xbar_out.locked[OutBank.MVM].eq(running & (operation == Operation.MVM))",
              "xbar_out.locked[OutBank.MVM].eq(0)",
              "mcu.py::test_matches_golden[TINY-icarus]"),
    _mutation("MTVM uses the shift of MVM", "mcu",
              "Mux(transpose, mtvm_shift, mvm_shift)", "mvm_shift",
              "mcu.py::test_matches_golden[TINY-icarus]"),
    _mutation("OPA is over before it is", "mcu",
              "with m.If(~opa_drive.busy):", "with m.If(opa_drive.busy):",
              "mcu.py::test_matches_golden[TINY-icarus]"),
    _mutation("clipped codes not counted", "mcu",
              "counters.adc_clip.eq(over_in_use)", "counters.adc_clip.eq(0)",
              "mcu.py::test_matches_golden[CLIP-icarus]"),
    _mutation("column operands not locked in an OPA", "mcu",
              "xbar_in.locked[InBank.OPA_COLUMNS].eq(running & (operation == Operation.OPA))",
              "xbar_in.locked[InBank.OPA_COLUMNS].eq(0)",
              "mcu.py::test_matches_golden[TINY-icarus]"),
    _mutation("row buffer not locked in a READ", "mcu",
              "row_buffer.locked.eq(running & row_operation)",
              "row_buffer.locked.eq(running & row_operation & (operation != Operation.READ))",
              "mcu.py::test_matches_golden[TINY-icarus]"),
    _mutation("row buffer not locked in a WRITE", "mcu",
              "row_buffer.locked.eq(running & row_operation)",
              "row_buffer.locked.eq(running & row_operation & (operation != Operation.WRITE))",
              "mcu.py::test_matches_golden[TINY-icarus]"),
    _mutation("row buffer locked in every operation", "mcu",
              "row_buffer.locked.eq(running & row_operation)", "row_buffer.locked.eq(running)",
              "mcu.py::test_matches_golden[TINY-icarus]"),
    _mutation("reading words past the end not flagged", "mcu",
              " | xbar_out.dropped", "",
              "mcu.py::test_matches_golden[TINY-icarus]"),
    _mutation("cells past the end not flagged", "mcu",
              " | row_buffer.dropped", "",
              "mcu.py::test_matches_golden[TINY-icarus]"),
    _mutation("counters not cleared", "mcu",
              "counters.clear.eq(1)", "counters.clear.eq(0)",
              "mcu.py::test_matches_golden[TINY-icarus]"),
    _mutation("configuration changes in mid-operation", "mcu",
              "self.i_config.valid & idle", "self.i_config.valid",
              "mcu.py::test_matches_golden[TINY-icarus]"),
    _mutation("configuration outlives a reset", "mcu",
              "mvm_shift = Signal(SHIFT_BITS)", "mvm_shift = Signal(SHIFT_BITS, reset_less=True)",
              "mcu.py::test_matches_golden[TINY-icarus]"),
    _mutation("clipped codes of lanes not in use counted", "mcu",
              "adc_control.o_valid & adc_control.o_tag.lanes[lane]", "adc_control.o_valid",
              "mcu.py::test_matches_golden[CLIP_LANES-icarus]"),
    _mutation("CRS writes a row not in use", "row_access",
              "crs & (row + 1 < self.rows)", "crs & (row < self.rows)",
              "mcu.py::test_matches_golden[TINY-icarus]"),
    _mutation("row buffer writes every lane", "row_buffer",
              " & (column % lanes == lane)", "",
              "row_buffer.py::test_cells_pass_between_core_and_array[LANES-icarus]"),
    _mutation("words of an operand turned the wrong way", "xbar_in",
              "(n - place)[:LANE_BITS]", "(n + place)[:LANE_BITS]",
              "xbar_in.py::test_words_land_in_their_bank[TINY-icarus]"),
    _mutation("words beyond the count written", "xbar_in",
              "lane < request.count", "lane <= request.count",
              "xbar_in.py::test_words_land_in_their_bank[TINY-icarus]"),
    _mutation("words past the end of XbarIn not flagged if the first is not", "xbar_in",
              "request.index + request.count > lines", "request.index >= lines",
              "xbar_in.py::test_words_land_in_their_bank[TINY-icarus]"),
    _mutation("XbarOut banks overlap", "xbar_out",
              "[:address_bits], self.write_bank)", "[:address_bits], 0)",
              "xbar_out.py::test_words_written_are_read[TINY-icarus]"),
    _mutation("lanes not in use overwrite XbarOut", "xbar_out",
              "self.write & self.write_tag.lanes[lane]", "self.write",
              "xbar_out.py::test_words_written_are_read[LANES-icarus]"),
    _mutation("words behind the first read from its row of memories", "xbar_out",
              "first > n if", "0 if",
              "xbar_out.py::test_words_written_are_read[ODD-icarus]"),
    _mutation("words behind the first come from its quarter of the memories", "xbar_out",
              "which.eq((start + (LANES - 1 - n))", "which.eq(start",
              "xbar_out.py::test_words_written_are_read[SIX-icarus]"),
    _mutation("only one event a cycle counted", "counters",
              "count + sum(lanes)", "count + 1",
              "counters.py::test_every_event_is_counted_once[LANES-icarus]"),
)  # fmt: skip


def run_one(mutation: Mutation, copy: Path) -> str:
    """Apply, test, restore; "caught", or what happened instead."""
    path = copy / mutation.file
    text = path.read_text()
    if text.count(mutation.before) != 1:
        return f"does not apply: {mutation.before!r} occurs {text.count(mutation.before)} times"
    path.write_text(text.replace(mutation.before, mutation.after))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", mutation.test],
            cwd=copy, env={**os.environ, "PYTHONPATH": str(copy)}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
    finally:
        path.write_text(text)
    # a build or a testbench that breaks down is no test that bites
    if done.returncode == 1 and any(text in done.stdout for text in VERDICTS):
        return "caught"
    return "SURVIVED" if done.returncode == 0 else f"broken: {done.stdout[-300:]}"


def main() -> int:
    console = Console(width=None if sys.stdout.isatty() else 160)
    table = Table("mutation", "file", "caught by", "result")
    survivors = 0
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / part)
        sound = [_none(test) for test in dict.fromkeys(item.test for item in MUTATIONS)]
        for mutation in track([*sound, *MUTATIONS], "mutating", console=console, transient=True):
            result = run_one(mutation, copy)
            if mutation.before == mutation.after:
                if result != "SURVIVED":
                    console.print(f"{mutation.test} fails on unbroken hardware: {result}")
                    return 1
                continue
            survivors += result != "caught"
            table.add_row(mutation.what, mutation.file, mutation.test, result)
    console.print(table)
    console.print(f"{len(MUTATIONS) - survivors} passed, {survivors} failed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
