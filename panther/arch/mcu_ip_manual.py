"""``docs/mcu-ip.md`` and ``docs/panther_mcu_ip.h``: the stand-alone unit and its registers."""

from panther.arch.mcu_ip import mcu_ip_registers
from panther.arch.params import McuParams
from panther.arch.presets import PAPER
from panther.arch.registers import c_header, markdown

_MANUAL = """\
# The matrix unit by itself

Generated from `panther/arch/mcu_ip.py` and `mcu_ip_manual.py` by `make registers`: do not edit.

`mcu_ip` is one matrix compute unit, MVM, MTVM, OPA and CRS on one weight matrix, for designs that
know nothing of cores and programs: registers on AXI4-Lite, operands and results on AXI4-Stream,
and the pins of the analog arrays.

    panther verilog --ip --preset PAPER --output mcu_ip.v

writes it, for any preset and any `--set` that `panther verilog` takes. What the operations compute
stands in [isa.md](isa.md#instructions-matrix-units).

## Ports

| port | what |
|---|---|
| `clk`, `rst` | one clock; synchronous reset, active high |
| `s_axil_*` | AXI4-Lite slave, 32 bits of data, 12 of address; without `prot` |
| `s_axis_*` | operands: 64 bits of `tdata`, `tkeep`, `tlast`, `tdest` (2) |
| `m_axis_*` | results: the same |
| `irq` | high while an enabled interrupt is pending |
| `array__*` | the analog arrays; timing diagram in `hdl/analog.py` |

A beat of a stream is four words of 16 bits, the first one lowest. Operands of fewer bits are
sign-extended: the lower bits count. `tdest` of operands is the bank of XbarIn: 0 MVM, 1 MTVM,
2 rows of OPA, 3 columns of OPA; a packet fills it from line 0 on, and lines behind its end keep
their words. `tkeep` of the last beat says how many words there are; a master without `tkeep` ties
it to ones, and its packets must be whole beats. Words beyond the bank's last line are dropped, with
error `packet`. `tdest` of results is the bank of XbarOut: 0 MVM, 1 MTVM; a packet is all lines in
use.

Nothing overwrites what is still needed: a packet waits (`tready` low) while an operation reads its
bank; an operation is refused while its results are being streamed.

## Registers

Those of the preset `PAPER`; `docs/panther_mcu_ip.h` has them for C, and
`panther.arch.mcu_ip.mcu_ip_registers` for any parameters. Only whole registers can be written.
SLVERR answers what cannot be done, DECERR an address without a register. Neither has an effect;
what the unit refuses sets a bit of `errors`, too.

{registers}
## Timing

An access takes four cycles from one handshake of an address to the next, one more where cells are
fetched. Nothing an access asks for is waited for: what is busy refuses. Each stream moves a beat a
cycle. With `auto_mvm` or `auto_mtvm`, the first results come T + 4 cycles after the last beat of
operands, T being the operation's cycles in [core.md](core.md#matrix-units), 2060 for an MVM of
`PAPER`; the next packet may come while results are being streamed, and waits for them to leave
before it is multiplied. Without, it is for the host to write `command`, wait until `status` is not
busy or for the interrupt `done`, and write `start_stream`.

## Integration, in ten lines

1. Write the Verilog: `panther verilog --ip --set rows=64 --set columns=64 -o mcu_ip.v`.
2. Add it to the project; it needs no other file and infers all memories.
3. Connect `array__*` to the arrays' macro, or to module `arrays` in simulation (below).
4. Connect `s_axil` to the bus (4 KiB), `s_axis` and `m_axis` to the data path, `irq` if wanted.
5. Write the matrix: for each row, `cell_column` = 0; the registers `cells` for each column, the
   last one stores; then `command` = WRITE with that row, and wait for `status` = 0.
6. Write `rows`, `columns` if the matrix is smaller, `mvm_shift` and `mtvm_shift`.
7. Inference: set `control.auto_mvm`; every packet of operands becomes a packet of results.
8. Training: stream the vectors of an outer product to `tdest` 2 and 3, `command` = OPA; now and
   then `command` = CRS.
9. Read `counters` to see whether anything has saturated.
10. Read a row back: `command` = READ, wait, `cell_column` = 0, then `cells`.

`examples/mcu_ip/accelerator.v` is such a design, with the few lines that lead results back in.

## Simulation

    make regress ARGS="-k mcu_ip"

runs the unit (`cocotb_tests/mcu_ip_tb.py`) and the example
(`examples/mcu_ip/accelerator_tb.py`) against the golden model on both simulators. Another design
gets its arrays from `cocotb_tests.bench.mcu_ip.arrays_verilog`, module `arrays`, which
`cocotb_tests.analog_bridge.AnalogBridge` connects to an array model in Python, ideal or noisy.
"""


def manual() -> str:
    """The whole text of ``docs/mcu-ip.md``."""
    return _MANUAL.replace("{registers}", markdown(mcu_ip_registers(PAPER)))


def header(params: McuParams = PAPER) -> str:
    """A C header of the registers of a unit."""
    return c_header("Registers of a stand-alone matrix unit", "MCU_IP", mcu_ip_registers(params))
