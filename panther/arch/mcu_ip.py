"""The stand-alone matrix unit's register map and streams: one table, many readers."""

from panther.arch.mcu import (
    CONFIG_VALUES,
    COUNTER_BITS,
    INDEX_BITS,
    OPERATION_BITS,
    OUT_BANK_BITS,
    SHIFT_BITS,
    ConfigKey,
    InBank,
    Operation,
    OutBank,
    counter_names,
)
from panther.arch.params import McuParams
from panther.arch.registers import REGISTER_BITS, Access, Bits, Register

ADDRESS_BITS = 12
"""Of the AXI4-Lite port."""
IDENTITY = 0x50414E54
"""What register ``identity`` reads, ``PANT``."""

STREAM_WORDS = 4
"""Words in a beat of the streams."""
STREAM_WORD_BITS = 16
"""Bits of each; operands are sign-extended."""
DESTINATION_BITS = 2
"""TDEST: the bank."""

ERRORS = {
    "busy": "Asked for something while the unit, its row buffer or the result stream was busy",
    "command": "No such operation, or no such row",
    "configuration": "A value out of its range",
    "cells": "No such column",
    "packet": "A packet longer than its bank; what does not fit is dropped",
}
"""Errors in the order of their bits, and what brings them about."""

INTERRUPTS = {
    "done": "An operation has ended",
    "streamed": "The last beat of results was taken",
    "packet": "A packet's last beat was taken",
    "error": "A bit of ``errors`` was set",
}
"""Interrupts in the order of their bits, and what brings them about."""


def cells_words(params: McuParams) -> int:
    """Registers that hold the cells of one weight."""
    return -(-sum(params.slices.cell_bits) // REGISTER_BITS)


def mcu_ip_registers(params: McuParams) -> tuple[Register, ...]:
    """The register map of a stand-alone unit."""
    counters = counter_names(params.slices.count)
    lines = INDEX_BITS + 1
    return (
        Register(
            "identity", 0x000, Access.RO,
            (Bits("value", 0, REGISTER_BITS, "``PANT``", IDENTITY),), "What this is.",
        ),
        Register(
            "size", 0x004, Access.RO,
            (
                Bits("rows", 0, lines, "Of the crossbar", params.rows),
                Bits("columns", 16, lines, "Of the crossbar", params.columns),
            ),
            "Lines of the crossbar.",
        ),
        Register(
            "format", 0x008, Access.RO,
            (
                Bits("operand_bits", 0, 5, "Of a word", params.operand_bits),
                Bits("slices", 8, 6, "Cells of a weight", params.slices.count),
                Bits("cell_bits", 16, 10, "Of all cells of a weight",
                     sum(params.slices.cell_bits)),
            ),
            "Words and weights.",
        ),
        Register(
            "control", 0x010, Access.RW,
            (
                Bits("auto_mvm", 0, 1, "A packet into bank MVM that fits starts an MVM once its "
                     "last beat is there, and the results are streamed when that has ended"),
                Bits("auto_mtvm", 1, 1, "The same of bank MTVM and an MTVM"),
            ),
            "What happens by itself.",
        ),
        Register(
            "status", 0x014, Access.RO,
            (
                Bits("busy", 0, 1, "An operation is going on"),
                Bits("streaming", 1, 1, "Results are being streamed"),
                Bits("waiting", 2, 1, "A packet is there whose operation has not begun, or results "
                     "whose stream has not begun"),
            ),
            "What is going on.",
        ),
        Register(
            "errors", 0x018, Access.W1C,
            tuple(Bits(name, n, 1, meaning) for n, (name, meaning) in enumerate(ERRORS.items())),
            "What has gone wrong.",
        ),
        Register(
            "interrupt_enable", 0x01C, Access.RW,
            tuple(
                Bits(name, n, 1, "Lets this pending interrupt through")
                for n, name in enumerate(INTERRUPTS)
            ),
            "Pin ``irq`` is high while an enabled interrupt is pending.",
        ),
        Register(
            "interrupt_pending", 0x020, Access.W1C,
            tuple(
                Bits(name, n, 1, meaning) for n, (name, meaning) in enumerate(INTERRUPTS.items())
            ),
            "What has happened.",
        ),
        Register(
            "command", 0x024, Access.WO,
            (
                Bits("operation", 0, OPERATION_BITS, "What to do", values=Operation),
                Bits("row", 8, INDEX_BITS, "Of READ and WRITE"),
            ),
            "Starts an operation.",
        ),
        Register(
            "start_stream", 0x028, Access.WO,
            (Bits("bank", 0, OUT_BANK_BITS, "Whose results", values=OutBank),),
            "Streams the results of a bank, all lines in use; waits for an operation that writes "
            "it.",
        ),
        Register(
            "rows", 0x030, Access.RW, (Bits("value", 0, lines, "Lines", params.rows),),
            f"Rows in use: {CONFIG_VALUES[ConfigKey.ROWS][0]}.",
        ),
        Register(
            "columns", 0x034, Access.RW, (Bits("value", 0, lines, "Lines", params.columns),),
            f"Columns in use: {CONFIG_VALUES[ConfigKey.COLUMNS][0]}.",
        ),
        Register(
            "mvm_shift", 0x038, Access.RW, (Bits("value", 0, SHIFT_BITS, "Bits"),),
            f"Requantisation shift of MVM: 0 to {params.sum_bits - 1}.",
        ),
        Register(
            "mtvm_shift", 0x03C, Access.RW, (Bits("value", 0, SHIFT_BITS, "Bits"),),
            f"Requantisation shift of MTVM: 0 to {params.sum_bits - 1}.",
        ),
        Register(
            "clear_counters", 0x040, Access.WO, (),
            "Writing anything clears every saturation counter.",
        ),
        Register(
            "cell_column", 0x044, Access.RW, (Bits("value", 0, INDEX_BITS, "Column"),),
            "Column of the row buffer that ``cells`` means; one more after each access to the last "
            "of them.",
        ),
        Register(
            "eager", 0x048, Access.RW, (Bits("value", 0, 1, "1: the copies are read"),),
            "Whether MVM and MTVM read copies of the cells, which only CRS and WRITE change, and "
            "not the cells OPA writes.",
        ),
        Register(
            "cells", 0x080, Access.RW,
            (Bits("value", 0, REGISTER_BITS, "Cells of one weight, slice 0 first, each in two's "
                  "complement of its width, without gaps"),),
            "Cells of a column of the row buffer. Reading the first register fetches them, writing "
            "the last one stores them; the others only hold what is on its way.",
            cells_words(params),
        ),
        Register(
            "counters", 0x100, Access.RO, (Bits("value", 0, COUNTER_BITS, "Events, wrapping"),),
            f"Saturation counters: {', '.join(f'``{name}``' for name in counters)}.",
            len(counters),
        ),
    )  # fmt: skip


CONFIGURED = {
    "rows": ConfigKey.ROWS,
    "columns": ConfigKey.COLUMNS,
    "mvm_shift": ConfigKey.MVM_SHIFT,
    "mtvm_shift": ConfigKey.MTVM_SHIFT,
    "clear_counters": ConfigKey.CLEAR_COUNTERS,
    "eager": ConfigKey.EAGER,
}
"""Registers that are the unit's own configuration."""

AUTOMATIC = (
    (InBank.MVM, Operation.MVM, OutBank.MVM, "auto_mvm"),
    (InBank.MTVM, Operation.MTVM, OutBank.MTVM, "auto_mtvm"),
)
"""Bank of a packet, what it starts, bank of the results, field of ``control``."""
