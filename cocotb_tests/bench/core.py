"""The bench of a core: converters behind its units, its memory, a runner, a console, a trace, a
host port.
"""

from collections.abc import Collection

from cocotb_tests.bench import (
    FOLDER,
    clocked_top,
    converter_instance,
    pin,
    result_bits,
    script_bits,
)
from panther.arch.core import LANES, CoreParams
from panther.arch.mcu import COUNTER_BITS, INDEX_BITS
from panther.sim import Design

TRACE_DEPTH = 4096


def core_bench_design(
    params: CoreParams, core_verilog: str, *, twins: Collection[int] = ()
) -> Design:
    """A bench with one core, ``core0``, whose Verilog has the retire port.

    Units ``twins`` are at transaction level in that Verilog; see
    :func:`cocotb_tests.bench.mcu_twin.mixed_core_verilog`.
    """
    text = [core_verilog]
    files = ["converter.v", "host_port.v", "memory.v", "runner.v", "console.v"]
    files += ["trace.v", "results.v"]
    if twins:
        files.append("mcu_twin.v")
    text += [(FOLDER / name).read_text() for name in files]
    text += [_core(params, twins), clocked_top("  core_unit core0(.clk(clk), .rst(rst));")]
    return Design(toplevel="bench", verilog="\n".join(text))


def _pins(params: CoreParams) -> str:
    """A unit's converter and the record of its results, in a scope of its own."""
    from hdl.mcu.adc_control import tag_layout

    mcu = params.mcu
    ports, converter = converter_instance(mcu)
    declared = ",\n  ".join(f"{way} {width} {name}" for way, width, name in ports)
    tag = tag_layout(mcu)
    index, lanes = tag["index"], tag["lanes"]
    return f"""\
module pins(
  input clk, input rst,
  {declared},
  input busy, input accepted, input [2:0] accepted_operation,
  input result, input result_bank, input [{tag.size - 1}:0] result_tag,
  input [{16 * mcu.adc.per_slice - 1}:0] result_words
);
{converter}
  results #(.LANES({mcu.adc.per_slice})) results (
    .clk(clk), .rst(rst), .busy(busy), .accepted(accepted),
    .accepted_operation(accepted_operation), .write(result), .bank(result_bank),
    .group(result_tag[{index.offset} +: {index.width}]),
    .lanes(result_tag[{lanes.offset} +: {lanes.width}]), .words(result_words)
  );
endmodule
module twin_pins(input clk, input rst, input busy, input accepted, input [2:0] accepted_operation);
  results results(
    .clk(clk), .rst(rst), .busy(busy), .accepted(accepted),
    .accepted_operation(accepted_operation), .write(1'b0), .bank(1'b0), .group(8'b0),
    .lanes(1'b0), .words(16'b0)
  );
endmodule
"""


def _core(params: CoreParams, twins: Collection[int]) -> str:
    mcu = params.mcu
    cells = sum(mcu.slices.cell_bits)
    ports, _ = converter_instance(mcu)
    wires, connected, units = [], [], []
    for n in range(params.mcus):
        mcu_n = f"core.mcu{n}.twin" if n in twins else f"core.mcu{n}"
        command, out = f"{mcu_n}.i_command", f"{mcu_n}.xbar_out"
        record = (
            f".busy({mcu_n}.busy), .accepted({command}__valid && {command}__ready), "
            f".accepted_operation({command}__payload[2:0])"
        )
        if n in twins:
            units.append(f"  twin_pins unit{n}(.clk(clk), .rst(rst), {record});")
            continue
        links = []
        for _, width, name in ports:
            wires.append(f"wire {width} u{n}_{name};")
            connected.append(f".array__{n}__{pin(name)}(u{n}_{name})")
            links.append(f".{name}(u{n}_{name})")
        units.append(
            f"  pins unit{n}(.clk(clk), .rst(rst), {', '.join(links)}, {record}, "
            f".result({out}.write), .result_bank({out}.write_bank), "
            f".result_tag({out}.write_tag), .result_words({out}.write_word));"
        )
    joined = "".join(f",\n    {pins}" for pins in connected)
    newline = "\n  "
    return f"""\
{_pins(params)}
module core_unit(input clk, input rst);
  {newline.join(wires)}
  wire [10:0] h_command; wire h_command_v, h_command_r;
  wire [35:0] h_config; wire h_config_v, h_config_r;
  wire [{8 + cells - 1}:0] h_cells; wire h_cells_v, h_cells_r;
  wire [7:0] h_ask; wire h_ask_v, h_ask_r;
  wire [{cells - 1}:0] h_answer; wire h_answer_v, h_answer_r;
  wire h_busy, h_rejected;
  wire hold, held, step, waits, execute_valid, execute_ready;
  wire [63:0] execute;
  wire [31:0] scalar;
  wire [3:0] execute_fault;
  wire running, start, copy, program_invert, program_valid;
  wire [12:0] start_address, program_address;
  wire [63:0] program_word;
  wire [3:0] fault /* verilator public_flat_rd */;
  wire [13:0] fault_pc /* verilator public_flat_rd */;
  wire [31:0] fault_cycle /* verilator public_flat_rd */;
  wire [13:0] pc;
  reg [31:0] twin_units /* verilator public_flat_rd */ = {sum(1 << n for n in set(twins))};
  // what the testbench writes feeds a register only
  reg [31:0] host_mcu /* verilator public_flat_rw */ = 0;
  reg [2:0] host_mcu_now = 0;
  reg [31:0] stopped [0:3] /* verilator public_flat_rd */;  // fault, its pc and cycle, cycles run
  always @(posedge clk) begin
    host_mcu_now <= host_mcu[2:0];
    stopped[0] <= {{28'b0, fault}};
    stopped[1] <= {{18'b0, fault_pc}};
    stopped[2] <= fault_cycle;
    stopped[3] <= {{31'b0, running}};
  end
  wire [{params.mcus - 1}:0] mcu_busy;
  wire [1:0] m_op; wire [12:0] m_group; wire [3:0] m_mask; wire [63:0] m_data;
  wire m_take, m_plain; wire [8:0] m_readers; wire m_valid, m_ready;
  wire [63:0] m_answer; wire m_answer_valid;
  wire t_valid, t_scalar, t_vector;
  wire [13:0] t_pc; wire [63:0] t_word, t_vector_words; wire [31:0] t_cycle, t_scalar_value;
  wire [4:0] t_scalar_index; wire [12:0] t_vector_address; wire [2:0] t_vector_count;
  core core(
    .clk(clk), .rst(rst),
    .i_program__payload({{program_invert, program_word, program_address}}),
    .i_program__valid(program_valid), .i_program__ready(),
    .start(start), .start_pc(start_address), .running(running),
    .hold(hold), .held(held), .step(step), .scalar(scalar), .execute_fault(execute_fault),
    .i_execute__payload(execute), .i_execute__valid(execute_valid),
    .i_execute__ready(execute_ready), .wait_matrix(waits), .pc(pc), .mcu_busy(mcu_busy),
    .fault(fault), .fault_pc(fault_pc), .fault_cycle(fault_cycle),
    .o_memory__payload({{m_readers, m_plain, m_take, m_data, m_mask, m_group, m_op}}),
    .o_memory__valid(m_valid), .o_memory__ready(m_ready),
    .i_memory__payload(m_answer), .i_memory__valid(m_answer_valid), .i_memory__ready(),
    .host_mcu(host_mcu_now), .host_busy(h_busy), .host_rejected(h_rejected),
    .i_command__payload(h_command), .i_command__valid(h_command_v), .i_command__ready(h_command_r),
    .i_config__payload(h_config), .i_config__valid(h_config_v), .i_config__ready(h_config_r),
    .i_cells__payload(h_cells), .i_cells__valid(h_cells_v), .i_cells__ready(h_cells_r),
    .i_cells_read__payload(h_ask), .i_cells_read__valid(h_ask_v), .i_cells_read__ready(h_ask_r),
    .o_cells__payload(h_answer), .o_cells__valid(h_answer_v), .o_cells__ready(h_answer_r),
    .retire__valid(t_valid), .retire__pc(t_pc), .retire__word(t_word), .retire__cycle(t_cycle),
    .retire__scalar(t_scalar), .retire__scalar_index(t_scalar_index),
    .retire__scalar_value(t_scalar_value), .retire__vector(t_vector),
    .retire__vector_address(t_vector_address), .retire__vector_count(t_vector_count),
    .retire__vector_words(t_vector_words){joined}
  );
{newline.join(units)}
  memory #(.GROUPS({params.memory_words // LANES}), .LATENCY({params.memory_cycles})) memory (
    .clk(clk), .rst(rst), .copy(copy), .op(m_op), .group(m_group), .mask(m_mask), .data(m_data),
    .take(m_take), .plain(m_plain), .readers(m_readers), .valid(m_valid), .ready(m_ready),
    .answer(m_answer), .answer_valid(m_answer_valid)
  );
  runner #(.DEPTH({params.instructions})) runner (
    .clk(clk), .rst(rst), .copy(copy), .program_address(program_address),
    .program_word(program_word), .program_invert(program_invert), .program_valid(program_valid),
    .start(start), .start_address(start_address), .running(running || held),
    .idle(&core.mcu_issue.idle && !core.load_store.busy)
  );
  console console (
    .clk(clk), .rst(rst), .running(running), .held(held), .waits(waits), .pc(pc),
    .scalar(scalar), .execute_fault(execute_fault), .execute_ready(execute_ready),
    .hold(hold), .step(step), .execute(execute), .execute_valid(execute_valid)
  );
  trace #(.DEPTH({TRACE_DEPTH})) trace (
    .clk(clk), .rst(rst), .running(running || held), .cycle(t_cycle), .retire(t_valid), .pc(t_pc),
    .word(t_word), .scalar(t_scalar), .scalar_index(t_scalar_index), .scalar_value(t_scalar_value),
    .vector(t_vector), .vector_address(t_vector_address), .vector_count(t_vector_count),
    .vector_words(t_vector_words), .memory(m_valid && m_ready), .memory_op(m_op),
    .memory_group(m_group), .memory_mask(m_mask), .memory_take(m_take), .memory_plain(m_plain),
    .memory_readers(m_readers), .memory_data(m_data)
  );
  host_port #(
    .WIDTH({script_bits(mcu)}), .WORD({mcu.operand_bits}), .LANES({LANES}), .CELLS({cells}),
    .RESULT({result_bits(mcu)}), .SELECT(8)
  ) host (
    .clk(clk), .rst(rst),
    .i_write__payload(), .i_write__valid(), .i_write__ready(1'b0),
    .i_command__payload(h_command), .i_command__valid(h_command_v), .i_command__ready(h_command_r),
    .i_config__payload(h_config), .i_config__valid(h_config_v), .i_config__ready(h_config_r),
    .i_read__payload(), .i_read__valid(), .i_read__ready(1'b0),
    .o_read__payload({LANES * mcu.operand_bits}'b0), .o_read__valid(1'b0), .o_read__ready(),
    .i_cells__payload(h_cells), .i_cells__valid(h_cells_v), .i_cells__ready(h_cells_r),
    .i_cells_read__payload(h_ask), .i_cells_read__valid(h_ask_v), .i_cells_read__ready(h_ask_r),
    .o_cells__payload(h_answer), .o_cells__valid(h_answer_v), .o_cells__ready(h_answer_r),
    .counter_select(), .counter_value({COUNTER_BITS}'b0), .busy(h_busy), .rejected(h_rejected)
  );
endmodule
"""


RESULT_BANK = 1 << INDEX_BITS
"""Words from one bank of the record of results to the next."""
