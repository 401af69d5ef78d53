// Record of what a matrix unit has put into XbarOut, and of when it is done.
//
// `done_toggle` changes when the unit stops being busy, after `operation` number `count`, which took
// `cycles` from its command to the next one at the earliest; `words_of` holds the words of each bank
// in order.
module results #(
  parameter LANES = 1
) (
  input clk,
  input rst,
  input busy,
  input accepted,
  input [2:0] accepted_operation,
  input write,
  input bank,
  input [7:0] group,
  input [LANES-1:0] lanes,
  input [16*LANES-1:0] words
);
  reg [31:0] words_of [0:511] /* verilator public_flat_rd */;
  reg [31:0] operation /* verilator public_flat_rd */ = 0;
  reg [31:0] count /* verilator public_flat_rd */ = 0;
  reg [31:0] cycles /* verilator public_flat_rd */ = 0;
  reg done_toggle /* verilator public_flat_rd */ = 0;
  reg [31:0] running = 0;
  reg [2:0] current = 0;
  reg was_busy = 0;
  reg done = 0;
  integer n;
  initial for (n = 0; n < 512; n = n + 1) words_of[n] = 0;

  // announced in mid-cycle, when everything has its new value
  always @(negedge clk) done_toggle <= done;

  always @(posedge clk) begin
    was_busy <= busy && !rst;
    running <= accepted ? 1 : running + 1;
    if (accepted)
      current <= accepted_operation;
    if (was_busy && !busy && !rst) begin
      done <= ~done;
      operation <= {29'b0, current};
      cycles <= running;
      count <= count + 1;
    end
    if (write)
      for (n = 0; n < LANES; n = n + 1)
        if (lanes[n])
          words_of[256 * bank + group * LANES + n] <= {{16{words[16*n+15]}}, words[16*n +: 16]};
  end
endmodule
