"""FuseSoC generator: writes the Verilog of a design, and what its targets need beside it.

Its parameters are ``top``, mcu or core, and ``preset``, a name that ``panther presets`` lists.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / ".venv" / "bin" / "python"

if PYTHON.is_file() and Path(sys.prefix) != ROOT / ".venv":
    # FuseSoC starts what PATH calls python3, which need not have our packages
    os.execv(PYTHON, [str(PYTHON), *sys.argv])

from fusesoc.capi2.generator import Generator  # pip install fusesoc

from hdl.analog import group_shape
from hdl.verilog import core_verilog, mcu_verilog
from panther.arch.params import McuParams
from panther.arch.presets import core_preset, preset


def parameters(params: McuParams) -> str:
    """Sizes of a matrix compute unit for ``mcu_test.sv``.

    Raises
    ------
    ValueError
        If its converters clip or have steps, which ``crossbar.v`` has not.
    """
    if params.adc.bits is not None or any(params.adc_step_log2):
        raise ValueError("Converters must be lossless: crossbar.v knows no others")
    slices = params.slices
    numbers = {
        "ROWS": params.rows,
        "COLUMNS": params.columns,
        "SLICES": slices.count,
        "LANES": params.adc.per_slice,
        "VALUE_BITS": slices.value_bits,
        "OPERAND_BITS": params.operand_bits,
        "DIGIT_BITS": params.digit_bits,
        "SUM_BITS": params.sum_bits,
        "MUX_BITS": group_shape(params).width,
        "CELLS": sum(slices.cell_bits),
        "CODES": sum(params.adc_bits),
    }
    lists = {"CELL_BITS": slices.cell_bits, "CODE_BITS": params.adc_bits}
    lines = [f"localparam {name} = {value};" for name, value in numbers.items()]
    for name, values in lists.items():
        bytes_ = ", ".join(f"8'd{value}" for value in reversed(values))
        lines.append(f"localparam [{8 * len(values) - 1}:0] {name} = {{{bytes_}}};")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the files into the current folder, and the core that names them."""
    generator = Generator()
    top, name = generator.config["top"], generator.config["preset"]
    if top == "mcu":
        params = preset(name)
        text = mcu_verilog(params)
        Path("parameters.vh").write_text(parameters(params))
        generator.add_files(
            [{"parameters.vh": {"is_include_file": True}}], "simulation", file_type="verilogSource"
        )
    elif top == "core":
        text = core_verilog(core_preset(name))
    else:
        raise ValueError(f"Parameter top must be mcu or core, not {top!r}")
    Path(f"{top}.v").write_text(text)
    Path("lint.vlt").write_text((ROOT / "hdl" / "lint.vlt").read_text())
    generator.add_files([{f"{top}.v": {"copyto": f"{top}.v"}}], "rtl", file_type="verilogSource")
    generator.add_files(["lint.vlt"], "lint", file_type="vlt")
    generator.write()


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
