// Host port of the bench: plays a script of transfers on the streams of one matrix compute unit.
//
// The testbench fills `script` and sets `length`; `done_toggle` changes when all entries are done.
// With `stall` s, every stream pauses in a cycle with probability s/256 (a linear feedback shift
// register), on the sending and on the receiving side.
//
// Entry: [3:0] kind, [15:8] bank, operation, key or counter, [31:16] index, row or column,
// [WIDTH-1:32] data. Kinds that answer write `results` in order.
module host_port #(
  parameter WIDTH = 64,
  parameter DEPTH = 4096,
  parameter WORD = 16,
  parameter LANES = 4,        // words the unit takes and gives at a time; the script has them singly
  parameter CELLS = 8,
  parameter RESULT = 32,
  parameter SELECT = 8
) (
  input clk,
  input rst,
  output [2+8+3+LANES*WORD-1:0] i_write__payload, output i_write__valid, input i_write__ready,
  output [3+8-1:0] i_command__payload, output i_command__valid, input i_command__ready,
  output [4+32-1:0] i_config__payload, output i_config__valid, input i_config__ready,
  output [1+8-1:0] i_read__payload, output i_read__valid, input i_read__ready,
  input [LANES*WORD-1:0] o_read__payload, input o_read__valid, output o_read__ready,
  output [8+CELLS-1:0] i_cells__payload, output i_cells__valid, input i_cells__ready,
  output [7:0] i_cells_read__payload, output i_cells_read__valid, input i_cells_read__ready,
  input [CELLS-1:0] o_cells__payload, input o_cells__valid, output o_cells__ready,
  output [SELECT-1:0] counter_select, input [31:0] counter_value,
  input busy,
  input rejected
);
  localparam WRITE = 1, COMMAND = 2, WAIT = 3, READ = 4, CONFIG = 5, CELLS_WRITE = 6,
             CELLS_READ = 7, COUNTER = 8, CYCLE = 9;

  reg [WIDTH-1:0] script [0:DEPTH-1] /* verilator public_flat_rw */;
  reg [RESULT-1:0] results [0:DEPTH-1] /* verilator public_flat_rw */;
  reg [31:0] length /* verilator public_flat_rw */ = 0;
  reg [31:0] stall /* verilator public_flat_rw */ = 0;
  reg [31:0] rejections /* verilator public_flat_rw */ = 0;
  reg [31:0] cycle /* verilator public_flat_rw */ = 0;
  reg done_toggle /* verilator public_flat_rw */ = 0;

  reg [31:0] pc = 0;
  reg [31:0] answers = 0;
  reg waiting = 0;           // a read was asked, its answer is outstanding
  reg [31:0] random = 32'h1;

  // the testbench writes behind the simulator's back, so only a clock edge may read what it writes
  reg [WIDTH-1:0] entry = 0;
  reg active = 0;
  reg done = 0;
  reg pause = 0;
  wire [3:0] kind = entry[3:0];
  wire [7:0] what = entry[15:8];
  wire [15:0] index = entry[31:16];
  wire go = active && !waiting && !pause;

  assign i_write__payload = {{(LANES-1)*WORD{1'b0}}, entry[32 +: WORD], 3'd1, index[7:0], what[1:0]};
  assign i_write__valid = go && kind == WRITE;
  assign i_command__payload = {index[7:0], what[2:0]};
  assign i_command__valid = go && kind == COMMAND;
  assign i_config__payload = {entry[63:32], what[3:0]};
  assign i_config__valid = go && kind == CONFIG;
  assign i_read__payload = {index[7:0], what[0]};
  assign i_read__valid = go && kind == READ;
  assign o_read__ready = waiting && !pause;
  assign i_cells__payload = {entry[32 +: CELLS], index[7:0]};
  assign i_cells__valid = go && kind == CELLS_WRITE;
  assign i_cells_read__payload = index[7:0];
  assign i_cells_read__valid = go && kind == CELLS_READ;
  assign o_cells__ready = waiting && !pause;
  assign counter_select = what[SELECT-1:0];

  wire taken = i_write__valid && i_write__ready || i_command__valid && i_command__ready
    || i_config__valid && i_config__ready || i_read__valid && i_read__ready
    || i_cells__valid && i_cells__ready || i_cells_read__valid && i_cells_read__ready
    || go && kind == WAIT && !busy || go && kind == COUNTER || go && kind == CYCLE;
  wire [WORD-1:0] word = o_read__payload[WORD-1:0];
  wire asked = kind == READ || kind == CELLS_READ;
  wire answered = waiting && !pause && (o_read__valid || o_cells__valid);
  wire next = taken && !asked || answered;

  // announced in mid-cycle, when everything has its new value
  always @(negedge clk) done_toggle <= done;

  always @(posedge clk) begin
    cycle <= cycle + 1;
    pause <= random[7:0] < stall[7:0];
    random <= {random[30:0], random[31] ^ random[21] ^ random[1] ^ random[0]};
    if (rejected)
      rejections <= rejections + 1;
    if (taken && asked)
      waiting <= 1;
    if (answered) begin
      waiting <= 0;
      results[answers] <= kind == READ ? {{RESULT-WORD{word[WORD-1]}}, word}
                                       : {{RESULT-CELLS{1'b0}}, o_cells__payload};
      answers <= answers + 1;
    end
    if (go && (kind == COUNTER || kind == CYCLE)) begin
      results[answers] <= kind == COUNTER ? counter_value : cycle;
      answers <= answers + 1;
    end
    if (rst) begin
      active <= 0;
      waiting <= 0;
      length <= 0;
      rejections <= 0;
    end else if (!active && length != 0) begin
      active <= 1;
      entry <= script[0];
      pc <= 1;
      answers <= 0;
    end
    if (next) begin
      entry <= script[pc];
      pc <= pc + 1;
      if (pc == length) begin
        active <= 0;
        length <= 0;
        done <= ~done;
      end
    end
  end
endmodule
