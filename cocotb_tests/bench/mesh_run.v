// Runs the bench of a mesh: cycles, who is ready in which one, and the routers' counters at the end.
//
// Set `go`: in the cycle before cycle 0 the counters are cleared. `done_toggle` changes when `wanted`
// flits are taken or `limit` cycles over, and the counters are read. Bit n of `patterns` says in
// which cycles tile n is ready, over and over.
module mesh_run #(
  parameter TILES = 16,
  parameter PERIOD = 1024,
  parameter COUNTERS = 10
) (
  input clk,
  input rst,
  output reg start,
  output reg running,
  output reg [31:0] cycle,
  output reg [TILES-1:0] take,
  input [TILES-1:0] taken,
  output reg [3:0] counter_select,
  input [32*TILES-1:0] counter_value
);
  reg [31:0] patterns [0:PERIOD-1] /* verilator public_flat_rw */;
  reg [31:0] counters [0:COUNTERS*TILES-1] /* verilator public_flat_rd */;
  reg [31:0] go /* verilator public_flat_rw */ = 0;
  reg [31:0] wanted /* verilator public_flat_rw */ = 0;
  reg [31:0] limit /* verilator public_flat_rw */ = 0;
  reg done_toggle /* verilator public_flat_rd */ = 0;

  reg [31:0] arrived = 0;
  reg [31:0] total = 0;
  reg reading = 0;
  reg done = 0;
  integer n;
  initial begin
    start = 0;
    running = 0;
    cycle = 0;
    take = 0;
    counter_select = 0;
  end

  // announced in mid-cycle, when everything has its new value
  always @(negedge clk) done_toggle <= done;

  always @(*) begin
    total = arrived;
    for (n = 0; n < TILES; n = n + 1)
      total = total + {31'b0, taken[n]};
  end

  always @(posedge clk) begin
    start <= 0;
    cycle <= start ? 0 : cycle + 1;
    take <= patterns[start ? 0 : (cycle + 1) % PERIOD][TILES-1:0];
    arrived <= start ? 0 : total;
    if (go != 0) begin
      go <= 0;
      start <= 1;
      running <= 0;
    end
    if (start)
      running <= 1;
    if (running && (total >= wanted || cycle + 1 >= limit)) begin
      running <= 0;
      reading <= 1;
      counter_select <= 0;
    end
    if (reading) begin
      for (n = 0; n < TILES; n = n + 1)
        counters[counter_select * TILES + n] <= counter_value[32 * n +: 32];
      counter_select <= counter_select + 1;
      if (counter_select == COUNTERS - 1) begin
        reading <= 0;
        done <= ~done;
      end
    end
    if (rst)
      running <= 0;
  end
endmodule
