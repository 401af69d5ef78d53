"""Mutation drill: ``make mutate`` breaks one line of the hardware at a time; every test must bite.

Works on a copy of the project. A mutation that its test does not see is a hole in the test.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
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


def _core(what: str, file: str, before: str, after: str, test: str) -> Mutation:
    return replace(_mutation(what, file, before, after, test), file=f"hdl/core/{file}.py")


def _router(what: str, before: str, after: str) -> Mutation:
    test = "router.py::test_flits_leave_in_their_cycle[3x3-icarus]"
    return replace(_mutation(what, "", before, after, test), file="hdl/node/router.py")


def _axi4(what: str, before: str, after: str) -> Mutation:
    test = "axi4.py::test_bursts_match_a_memory[icarus]"
    return replace(_mutation(what, "", before, after, test), file="hdl/host/axi4.py")


def _axi_lite(what: str, before: str, after: str) -> Mutation:
    test = "axi_lite.py::test_accesses_match_a_memory[icarus]"
    return replace(_mutation(what, "", before, after, test), file="hdl/host/axi_lite.py")


def _bank(what: str, before: str, after: str) -> Mutation:
    test = "memory_bank.py::test_requests_are_taken_in_turn[THREE-icarus]"
    return replace(_mutation(what, "", before, after, test), file="hdl/tile/memory_bank.py")


def _memory(what: str, before: str, after: str) -> Mutation:
    test = "shared_memory.py::test_every_cycle_is_as_in_the_twin[THREE-icarus]"
    return replace(_mutation(what, "", before, after, test), file="hdl/tile/shared_memory.py")


def _message(what: str, unit: str, before: str, after: str, case: str) -> Mutation:
    test = f"{unit}.py::test_{case}icarus]"
    return replace(_mutation(what, "", before, after, test), file=f"hdl/tile/{unit}.py")


def _tile(what: str, before: str, after: str) -> Mutation:
    test = "tile.py::test_units_work_together[icarus]"
    return replace(_mutation(what, "", before, after, test), file="hdl/tile/tile.py")


def _counted(what: str, file: str, before: str, after: str) -> Mutation:
    test = "activity.py::test_counters_agree[COUNTED_PLAIN-icarus]"
    return replace(_mutation(what, "", before, after, test), file=f"hdl/{file}.py")


def _mcu_ip(what: str, before: str, after: str) -> Mutation:
    test = "mcu_ip.py::test_matches_golden[TINY-icarus]"
    return replace(_mutation(what, "", before, after, test), file="hdl/ip/mcu_ip.py")


def _host(what: str, file: str, before: str, after: str, test: str) -> Mutation:
    return replace(_mutation(what, file, before, after, test), file=f"hdl/host/{file}.py")


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
    _mutation("currents settle a cycle less than they should", "bit_stream",
              "timer.eq(cycles - 1)", "timer.eq(cycles - 2)",
              "mcu.py::test_matches_golden[TINY-icarus]"),
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
    _mutation("the last pulse not marked", "opa_drive",
              "[running.eq(0), self.pulse_last.eq(1)]", "[running.eq(0)]",
              "opa_drive.py::test_pulses_add_the_outer_product[TINY-icarus]"),
    _mutation("carries of balanced digits end too early", "opa_drive",
              "carry = plane | carry", "carry = plane & carry",
              "opa_drive.py::test_pulses_add_the_outer_product[TINY_ENCODED-icarus]"),
    _mutation("columns stand still in gaps", "opa_drive",
              "with m.If(phase == 0):", "with m.If((phase == 0) & digits.digit.any()):",
              "opa_drive.py::test_pulses_add_the_outer_product[LANES_SKIP-icarus]"),
    _mutation("steps behind the last digit not left out", "opa_drive",
              "is_last = ~digits.is_left if skips else step == bits - 1",
              "is_last = step == bits - 1",
              "opa_drive.py::test_pulses_add_the_outer_product[LANES_SKIP-icarus]"),
    _mutation("rows of negative digits take the sign of their operand", "row_digits",
              "self.i_row_negative ^ above", "self.i_row_negative",
              "row_digits.py::test_digits_come_in_order[TALL_NAF-icarus]"),
    _mutation("carries of row digits lost", "row_digits",
              "carry.eq(carried)", "carry.eq(plane & above)",
              "row_digits.py::test_digits_come_in_order[TALL_NAF-icarus]"),
    _mutation("a last digit that is a carry left out", "row_digits",
              "self.is_left.eq(1)", "self.is_left.eq(0)",
              "row_digits.py::test_digits_come_in_order[TALL_NAF-icarus]"),
    _mutation("carry rounded the other way", "slice_carry",
              "(total + (1 << (p - 1))) >> p", "(total + (1 << (p - 1)) - 1) >> p",
              "slice_carry.py::test_carries_match_golden[SMALL-icarus]"),
    _mutation("top slice wraps instead of saturating", "slice_carry",
              "resolved[lane][name].eq(high)", "resolved[lane][name].eq(total)",
              "slice_carry.py::test_carries_match_golden[SMALL-icarus]"),
    _mutation("CRS leaves the last row", "row_access",
              "row, row + 1 < self.rows", "row, row + 2 < self.rows",
              "mcu.py::test_matches_golden[TINY-icarus]"),
    _mutation("room found where there is none", "headroom",
              "beyond[n].append(total > limit)", "beyond[n].append(total > limit + 1)",
              "headroom.py::test_matches_the_page[PAIRS-icarus]"),
    _mutation("what was pulsed before forgotten", "headroom",
              "m.d.sync += used[n].eq(total)", "m.d.sync += used[n].eq(digit)",
              "headroom.py::test_matches_the_page[PAIRS-icarus]"),
    _mutation("greatest top cell of the last row only", "headroom",
              "current[n] & (greatest > used[n])", "current[n]",
              "headroom.py::test_matches_the_page[PAIRS-icarus]"),
    _mutation("rows resolved that are not in use", "headroom",
              "(place == size - 1) | (self.row + 1 >= self.rows)", "place == size - 1",
              "headroom.py::test_matches_the_page[PAIRS-icarus]"),
    _mutation("a row that is written known", "mcu",
              "headroom.written.eq(~read)", "headroom.written.eq(0)",
              "mcu.py::test_units_with_a_headroom_tracker_match_the_page[PAIRS-icarus]"),
    _mutation("a CRS not noticed", "mcu",
              "headroom.start_crs.eq(1)", "headroom.start_crs.eq(0)",
              "mcu.py::test_units_with_a_headroom_tracker_match_the_page[PAIRS-icarus]"),
    _mutation("rows without room pulsed as well", "mcu",
              "pulsed & headroom.select.replicate(params.operand_bits)", "pulsed",
              "mcu.py::test_units_with_a_headroom_tracker_match_the_page[PAIRS-icarus]"),
    _mutation("rows read coarsely in an OPA", "mcu",
              "row_operation | (operation == Operation.OPA)", "row_operation",
              "mcu.py::test_units_with_a_headroom_tracker_match_the_page[COARSE-icarus]"),
    _mutation("a CRS adds the product", "row_access",
              "add.eq(self.start_resolve)", "add.eq(start_rows)",
              "row_access.py::test_rows_are_read_written_and_resolved[PAIRS-icarus]"),
    _mutation("products of columns not in use", "addend",
              "with m.If(self.i_tag.lanes[lane]):", "with m.If(1):",
              "addend.py::test_products_match_python[PAIRS-icarus]"),
    _mutation("top digit of a product without sign", "addend",
              "digit = rest\n", "digit = rest.as_unsigned()\n",
              "addend.py::test_products_match_python[PAIRS-icarus]"),
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
    _mutation("eager units read rows from the copies", "mcu",
              "array.copies.eq(running & eager & ((operation == Operation.MVM) | transpose))",
              "array.copies.eq(running & eager)",
              "mcu.py::test_matches_golden[TINY-icarus]"),
    _mutation("eager MTVMs read what OPA writes", "mcu",
              "((operation == Operation.MVM) | transpose)", "(operation == Operation.MVM)",
              "mcu.py::test_matches_golden[TINY-icarus]"),
    _mutation("eager outlives a reset", "mcu",
              "eager = Signal()", "eager = Signal(reset_less=True)",
              "mcu.py::test_matches_golden[TINY-icarus]"),
    _mutation("configuration outlives a reset", "mcu",
              "mvm_shift = Signal(SHIFT_BITS)", "mvm_shift = Signal(SHIFT_BITS, reset_less=True)",
              "mcu.py::test_matches_golden[TINY-icarus]"),
    _mutation("clipped codes of lanes not in use counted", "mcu",
              "adc_control.o_valid & adc_control.o_tag.lanes[lane]", "adc_control.o_valid",
              "mcu.py::test_matches_golden[CLIP_LANES-icarus]"),
    _mutation("CRS writes a row not in use", "row_access",
              "row, row + 1 < self.rows", "row, row < self.rows",
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
    _core("a loop runs once more", "fetch",
          "(counts[n] == 1)", "(counts[n] == 0)",
          "fetch.py::test_next_address_is_right[icarus]"),
    _core("a negative count opens a loop", "fetch",
          "(self.count == 0) | self.count[-1]", "self.count == 0",
          "fetch.py::test_next_address_is_right[icarus]"),
    _core("a jump to the end of a loop stays in it", "fetch",
          "self.target < ends[n]", "self.target <= ends[n]",
          "fetch.py::test_next_address_is_right[icarus]"),
    _core("a jump drops the innermost loop only", "fetch",
          "going = left", "going = C(0)",
          "fetch.py::test_next_address_is_right[icarus]"),
    _core("loops that end together end one by one", "fetch",
          "going = over", "going = C(0)",
          "fetch.py::test_next_address_is_right[icarus]"),
    _core("parity not inverted", "instruction_memory",
          "item.word.xor() ^ item.invert", "item.word.xor()",
          "instruction_memory.py::test_words_and_parity_are_kept[SMALL_X2-icarus]"),
    _core("the first address past the end exists", "instruction_memory",
          "past.eq(self.address >= depth)", "past.eq(self.address > depth)",
          "instruction_memory.py::test_words_and_parity_are_kept[SMALL_X2-icarus]"),
    _core("reserved bits may be 1", "decoder",
          "(self.word & item.fixed_bits) == item.pattern", "(self.word & 0) == 0",
          "decoder.py::test_words_are_decoded[icarus]"),
    _core("negative fields read as positive", "decoder",
          "value = value.as_signed()", "pass",
          "decoder.py::test_words_are_decoded[icarus]"),
    _core("least value of a field not checked", "decoder",
          "in_range &= value >= part.low", "pass",
          "decoder.py::test_words_are_decoded[icarus]"),
    _core("register 0 written", "scalar_unit",
          "self.write & (self.index != 0)", "self.write",
          "scalar_unit.py::test_registers_and_functions[icarus]"),
    _core("zeros shifted in for the sign", "scalar_unit",
          "ScalarFunction.SRA: a >> places", "ScalarFunction.SRA: a.as_unsigned() >> places",
          "scalar_unit.py::test_registers_and_functions[icarus]"),
    _core("words behind the first read from its row", "register_file",
          "row = at[lane_bits:] + in_front(at, lane)", "row = at[lane_bits:]",
          "register_file.py::test_words_are_where_the_map_says[CLIP_X3-icarus]"),
    _core("XbarOut may be written", "register_file",
          "(~d.exists | d.xbar_out)", "~d.exists",
          "register_file.py::test_words_are_where_the_map_says[CLIP_X3-icarus]"),
    _core("overlapping vectors not seen", "register_file",
          "(self.d < source + self.length)", "(self.d < source)",
          "register_file.py::test_words_are_where_the_map_says[CLIP_X3-icarus]"),
    _core("words of XbarOut go before they are replaced", "register_file",
          "answer.ready.eq(request.valid)", "answer.ready.eq(1)",
          "register_file.py::test_words_are_where_the_map_says[CLIP_X3-icarus]"),
    _core("vectors are a group too long", "vector_sequence",
          "last = now <= LANES", "last = now < LANES",
          "vector_sequence.py::test_vectors_go_group_by_group[icarus]"),
    _core("lanes that are not ready get a group", "vector_sequence",
          "(left != 0) & self.ready", "left != 0",
          "vector_sequence.py::test_vectors_go_group_by_group[icarus]"),
    _core("rows follow the last group, not the row", "load_store",
          "following = self.row_at + stride", "following = self.at + stride",
          "load_store.py::test_transfers_go_group_by_group[CLIP_X3-icarus]"),
    _core("negative addresses exist", "load_store",
          "(first < 0) | (behind", "(behind",
          "load_store.py::test_transfers_go_group_by_group[CLIP_X3-icarus]"),
    _core("a stopped transfer goes on", "load_store",
          "with m.If(self.stop):", "with m.If(0):",
          "load_store.py::test_transfers_go_group_by_group[CLIP_X3-icarus]"),
    _core("a store overtakes a request not taken", "load_store",
          "store & walk.busy & (~offered | taken)", "store & walk.busy",
          "load_store.py::test_transfers_go_group_by_group[CLIP_X3-icarus]"),
    _core("answers nobody waits for are written", "load_store",
          "self.write.eq(answered)", "self.write.eq(self.i_memory.valid)",
          "load_store.py::test_transfers_go_group_by_group[CLIP_X3-icarus]"),
    _core("naming a unit undoes the hand-over of another", "mcu_issue",
          "pending & ~handed | named", "Mux(self.issue, pending | named, pending & ~handed)",
          "mcu_issue.py::test_operations_are_handed_over_in_order[CLIP_X3-icarus]"),
    _core("columns of an OPA not in use", "mcu_issue",
          "InBank.OPA_COLUMNS].eq(active[2])", "InBank.OPA_COLUMNS].eq(0)",
          "mcu_issue.py::test_operations_are_handed_over_in_order[CLIP_X3-icarus]"),
    _core("banks in use when an operation is over", "mcu_issue",
          "Mux(self.busy[mcu], running, 0)", "running",
          "mcu_issue.py::test_operations_are_handed_over_in_order[CLIP_X3-icarus]"),
    _core("a fault's cycle is that after it", "control_status",
          "self.fault_cycle.eq(self.cycle)", "self.fault_cycle.eq(self.cycle + 1)",
          "control_status.py::test_registers_hold_what_they_should[CLIP_X3-icarus]"),
    _core("a watchdog of 0", "control_status",
          "Csr.WATCHDOG: (self.watchdog, self.value == 0)", "Csr.WATCHDOG: (self.watchdog, 0)",
          "control_status.py::test_registers_hold_what_they_should[CLIP_X3-icarus]"),
    _core("a fault outlives the next start", "control_status",
          "self.retired.eq(0), self.fault.eq(0)]", "self.retired.eq(0)]",
          "control_status.py::test_registers_hold_what_they_should[CLIP_X3-icarus]"),
    _core("rounding draws without being stochastic", "vfu",
          "random.draw.eq(self.i_valid & stochastic)",
          "random.draw.eq(self.i_valid & self.rounding)",
          "vfu.py::test_instructions_match_golden[icarus]"),
    _core("a word past the vector's end counts", "vfu",
          "(lane < self.o_count)",
          "(lane <= self.o_count)",
          "vfu.py::test_instructions_match_golden[icarus]"),
    _core("reductions go on from the last vector", "vfu",
          "first.eq(self.o_last)",
          "first.eq(0)",
          "vfu.py::test_instructions_match_golden[icarus]"),
    _core("the least word counts as saturated", "vfu",
          "above, below = exact > HIGH, exact < -HIGH - 1",
          "above, below = exact > HIGH, exact <= -HIGH - 1",
          "vfu.py::test_instructions_match_golden[icarus]"),
    _core("lanes share one random number", "vfu",
          "Mux(stochastic, random.o_words[lane],",
          "Mux(stochastic, random.o_words[0],",
          "vfu.py::test_instructions_match_golden[icarus]"),
    _core("the maximum of negative words is 0", "vfu",
          "Mux(adds, 0, -HIGH - 1)",
          "0",
          "vfu.py::test_instructions_match_golden[icarus]"),
    _core("a negative argument of exp counts", "vfu",
          "Mux(exponential & (a < 0), 0, a)",
          "a",
          "vfu.py::test_instructions_match_golden[icarus]"),
    _core("division does not hold the next group", "vfu",
          "self.ready.eq(divider.ready)",
          "self.ready.eq(1)",
          "vfu.py::test_instructions_match_golden[icarus]"),
    _core("half the divisor too much", "divider",
          "+ (size >> 1))",
          "+ ((size + 1) >> 1))",
          "divider.py::test_quotients_match_golden[icarus]"),
    _core("a quotient that just does not fit", "divider",
          "overflow.eq(remainder >= size)",
          "overflow.eq(remainder > size)",
          "divider.py::test_quotients_match_golden[icarus]"),
    _core("the divisor's sign", "divider",
          "negative.eq((word < 0) ^ (self.divisor < 0))",
          "negative.eq(word < 0)",
          "divider.py::test_quotients_match_golden[icarus]"),
    _core("no interpolation", "function_table",
          "row.data.slope * rest",
          "row.data.slope * 0",
          "function_table.py::test_results_match_golden[icarus]"),
    _core("one point of exp off", "function_table",
          'rows = [{"point": point, "slope": 0} for point in EXP2]',
          'rows = [{"point": point + (point == 8214), "slope": 0} for point in EXP2]',
          "function_table.py::test_results_match_golden[icarus]"),
    _core("a tap of the generator", "random_words",
          "low << (LFSR_BITS - tap)",
          "low << (LFSR_BITS - 1 - tap)",
          "random_words.py::test_words_match_golden[icarus]"),
    _core("the greatest cause wins", "core",
          "sorted(faults.items(), reverse=True)",
          "sorted(faults.items())",
          "core.py::test_random_programs_agree[icarus]"),
    _core("the watchdog barks a cycle early", "core",
          "waited == control.watchdog",
          "waited + 1 == control.watchdog",
          "core.py::test_random_programs_agree[icarus]"),
    _core("no branch is taken", "core",
          " | (now.unit_control & now.has_sa & scalars.holds)",
          "",
          "core.py::test_random_programs_agree[icarus]"),
    _core("a halt does not wait", "core",
          "            | (is_hlt & busy_units.any())\n",
          "",
          "core.py::test_random_programs_agree[icarus]"),
    _core("vset takes words of the register file", "core",
          "Cat(now.imm[:16] for _ in range(LANES))",
          "registers.words_a",
          "core.py::test_random_programs_agree[icarus]"),
    _core("division by an immediate 0", "core",
          "(operand == 0)",
          "now.has_sb & (operand == 0)",
          "core.py::test_random_programs_agree[icarus]"),
    _core("wrong parity goes unseen", "core",
          "~executing & memory.wrong",
          "~executing & memory.wrong & 0",
          "core.py::test_random_programs_agree[icarus]"),
    _core("a window as long as its row", "core",
          "Mux(now.has_rows, now.len * now.rows, now.len)",
          "now.len",
          "core.py::test_random_programs_agree[icarus]"),
    _core("every store is synchronised", "core",
          "load_store.plain.eq(now.plain)",
          "load_store.plain.eq(0)",
          "core.py::test_random_programs_agree[icarus]"),
    _core("sums of vectors do not reach their register", "core",
          "                    now.unit_vector,\n                    vfu.o_scalar,",
          "                    0,\n                    vfu.o_scalar,",
          "core.py::test_random_programs_agree[icarus]"),
    _core("a bank in use is written", "core",
          "            registers.locked\n            | ",
          "            ",
          "core.py::test_random_programs_agree[icarus]"),
    _core("a start does not wait", "core",
          "issue.idle.all() & ~load_store.busy", "1",
          "core.py::test_start_waits[icarus]"),
    _core("where to start is forgotten in the meantime", "core",
          "Mux(starting, starting_pc, self.start_pc)", "self.start_pc",
          "core.py::test_start_waits[icarus]"),
    _core("the host overtakes a start", "core",
          "~active & ~self.start & ~starting & ", "~active & ",
          "core.py::test_start_waits[icarus]"),
    _core("an instruction of the host moves pc", "core",
          "advance = retire & ~executing", "advance = retire",
          "core_host.py::test_host_holds_steps_and_executes[icarus]"),
    _core("a step outlives its instruction", "core",
          "m.d.sync += stepping.eq(0)\n", "m.d.sync += stepping.eq(1)\n",
          "core_host.py::test_host_holds_steps_and_executes[icarus]"),
    _core("the host may jump", "core",
          "~decoder.legal | (executing & flow)", "~decoder.legal",
          "core_host.py::test_host_holds_steps_and_executes[icarus]"),
    _core("a fault of the host's instruction is the program's", "core",
          "control.stop.eq(stop & ~executing)", "control.stop.eq(stop)",
          "core_host.py::test_host_holds_steps_and_executes[icarus]"),
    _core("a fault of the host's instruction ends the program", "core",
          "with m.If(executing & midway):", "with m.If(executing & midway & ~stop):",
          "core_host.py::test_host_holds_steps_and_executes[icarus]"),
    _core("columns in use read as rows", "control_status",
          "self.configuration[mcu][key.name.lower()]", "self.configuration[mcu].rows",
          "control_status.py::test_registers_hold_what_they_should[CLIP_X3-icarus]"),
    _router("the first input is always served first",
            "turn.eq(Mux((wait & after).any(), wait & after, wait))", "turn.eq(wait)"),
    _router("a flit unlocks its output", "lock.eq(Mux(flit.tail, 0, grant))", "lock.eq(0)"),
    _router("any flit begins a worm", "Mux(lock.any(), lock, heads)", "Mux(lock.any(), lock, 31)"),
    _router("a place taken while one is left is lost",
            "level.eq(level + comes - leaves)",
            "level.eq(Mux(leaves, level - 1, level + comes))"),
    _router("a blocked flit counts as served", "with m.If(moves):", "with m.If(grant.any()):"),
    _router("the reciprocal of the width rounded down",
            "-(-(1 << 2 * TILE_BITS) // self.params.width)",
            "(1 << 2 * TILE_BITS) // self.params.width"),
    _axi4("a burst may cross 4 KiB by a beat",
          ">= 1 << len(words)", "> 1 << len(words)"),
    _axi4("data nobody asked for are kept",
          "with m.Elif(dropping & has_data):", "with m.Elif(dropping & has_data & 0):"),
    _axi4("the response comes before the last beat's",
          "writing & write_ended & ~(waiting & chosen) &", "writing & write_ended &"),
    _axi4("a refused read goes on although nobody takes it",
          "refused.eq(reading & read_refused & ~read_ended & ~has_behind)",
          "refused.eq(reading & read_refused & ~read_ended)"),
    _axi_lite("an address between words gets to the bus",
              "address[:ALIGNMENT_BITS] != 0", "address[:1] != 0"),
    _axi_lite("a response overwrites one that waits",
              "has_write_address & has_write_data & ~self.s_axil_bvalid",
              "has_write_address & has_write_data"),
    _mcu_ip("a packet overwrites results that are being streamed",
            "self.packet_waits[n] & ~self.held[out]", "self.packet_waits[n]"),
    _mcu_ip("a command overwrites results that are being streamed",
            "mcu.i_command.ready & ~(overwrites & self.held).any()", "mcu.i_command.ready"),
    _mcu_ip("a packet too long starts an operation",
            "fits = ~too_long & ~overflowed[entry]", "fits = ~too_long"),
    _mcu_ip("a packet much too long begins anew",
            "used.eq(Mux(present > room, room, present))", "used.eq(present)"),
    _bank("the first requester goes first",
          "first.eq(turns & (~turns + 1))", "first.eq(awake & (~awake + 1))"),
    _bank("send unit takes for nobody",
          "reader[SEND_READER].eq(chosen[send])", "reader[SEND_READER].eq(0)"),
    _bank("who is refused sleeps for ever", " & ~woken)", ")"),
    _bank("whoever sleeps wakes for any group",
          "changed & (number.index == request.index)", "changed"),
    _bank("who has withdrawn a request sleeps on",
          "parked.eq(self.asks & (parked", "parked.eq((parked"),
    _bank("a store that is refused writes",
          "Mux(taken & stores, request.mask, 0)", "Mux(stores, request.mask, 0)"),
    _memory("a core loads what is not valid",
            "request.plain.eq(store & port.p.plain)", "request.plain.eq(port.p.plain)"),
    _memory("what a core releases is still to be read",
            "Mux(store, port.p.readers, 0)", "port.p.readers"),
    _memory("send unit leaves what it takes", "to_send.take.eq(1)", "to_send.take.eq(0)"),
    _tile("a core gets what it asked for before its reset",
          "memory.forget.eq(Cat(self.reset[:last], apply))", "memory.forget.eq(0)"),
    _tile("the clock stops while a matrix unit goes on",
          "~core.i_execute.ready, core.mcu_busy.any()]", "~core.i_execute.ready]"),
    _message("a worm without end", "send_unit",
             "worm_rows < WORM_ROWS - 1", "worm_rows < WORM_ROWS", "messages_are_sent[SQUARE-"),
    _message("one row more than there is room for", "send_unit",
             "under_way < tile.fifo_rows - 1", "under_way < tile.fifo_rows",
             "messages_are_sent[ROW-"),
    _message("a credit for several rows counts as one", "send_unit",
             "left_before.data + self.credit_rows", "left_before.data + 1",
             "messages_are_sent[ROW-"),
    _message("a credit that is owed when another goes is lost", "receive_unit",
             "Mux(tell, 0, owed[n]) + leaves", "Mux(tell, 0, owed[n] + leaves)",
             "messages_are_stored[ROW-"),
    _message("a message that ends early is stored", "receive_unit",
             "bad.eq(last != end_read.data)", "bad.eq(last & ~end_read.data)",
             "messages_are_stored[ROW-"),
    _message("a credit breaks into a worm", "network_port",
             "tells.eq(self.credit.valid & ~self.worm)", "tells.eq(self.credit.valid)",
             "flits_are_chosen["),
    _message("a later fault hides the first one", "sequencer",
             "with m.If(stop & (self.fault == TileFault.NONE)):", "with m.If(stop):",
             "programs_are_run[ALONE-"),
    _message("a halt does not wait for what is being sent", "sequencer",
             "((is_send | is_hlt) & ~self.send_idle)", "(is_send & ~self.send_idle)",
             "programs_are_run[ALONE-"),
    _counted("steps of MTVM are counted as those of MVM", "mcu/mcu",
             "mvm_steps.eq(bit_stream.integrate & ~transpose)",
             "mvm_steps.eq(bit_stream.integrate)"),
    _counted("only the last pulse of an OPA is counted", "mcu/mcu",
             "pulses.eq(opa_drive.pulse)", "pulses.eq(opa_drive.pulse_last)"),
    _counted("rows are counted when READ reads them, not when CRS does", "mcu/mcu",
             "row_reads.eq(row_access.integrate)",
             "row_reads.eq(row_access.integrate & (operation == Operation.READ))"),
    _counted("the second operand is not counted", "core/core",
             "Mux(now.has_a, length, 0) + Mux(now.has_b, length, 0)",
             "Mux(now.has_a, length, 0)"),
    _counted("a window counts as one row", "core/core",
             "words_written.eq(Mux(now.has_d, length, 0))",
             "words_written.eq(Mux(now.has_d, now.len, 0))"),
    _counted("instructions that fault are counted", "core/core",
             "m.d.sync += done.eq(advance)", "m.d.sync += done.eq(advance | (stop & ~executing))"),
    replace(
        _tile("what the host executes is counted of the core", "", ""), file="hdl/core/core.py",
        before="m.d.sync += done.eq(advance)", after="m.d.sync += done.eq(retire)",
    ),
    _tile("cycles of the sequencer are counted as its instructions",
          '"instructions": sequencer.retire', '"instructions": sequencer.running'),
    _host("the row of another unit is taken for the one in the buffer", "windows",
          "has_row & (core == its_core)", "has_row",
          "windows.py::test_windows_match_the_map[WIDE-icarus]"),
    _host("a row is no longer good after its unit has worked, but written", "windows",
          "with m.If(has_row & (closed | (busy & ~writing))):", "with m.If(has_row & closed):",
          "windows.py::test_windows_match_the_map[SMALLEST-icarus]"),
    _host("an end in the cycle of a clear is lost", "tile_control",
          "pending.eq((pending & ~cleared) | Cat(ended & ~faulty, ended & faulty))",
          "pending.eq((pending | Cat(ended & ~faulty, ended & faulty)) & ~cleared)",
          "tile_control.py::test_page_matches_its_table[WIDE-icarus]"),
    _host("a unit that is not armed starts", "tile_control",
          "self.start.eq(arm & self", "self.start.eq(self",
          "tile_control.py::test_page_matches_its_table[WIDE-icarus]"),
    _host("a reset of a unit counts as its halt", "tile_control",
          "ended.eq(before & ~running & ~held & ~reset)", "ended.eq(before & ~running & ~held)",
          "tile_control.py::test_page_matches_its_table[WIDE-icarus]"),
    _host("nobody's address is answered for", "fan_out",
          "answer.error.eq(BusError.DECERR)", "answer.error.eq(BusError.OKAY)",
          "fan_out.py::test_accesses_reach_their_bus[THREE-icarus]"),
    _host("what the owner refuses is done", "register_block",
          "with m.If(self.refused):", "with m.If(0):",
          "register_block.py::test_owner_sees_what_the_table_allows[icarus]"),
    _host("a start without its bit", "node_control",
          "block.write[number] & block.data[0]", "block.write[number]",
          "node_control.py::test_page_says_what_the_node_is[WIDE-icarus]"),
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
