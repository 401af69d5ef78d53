// A tile's end of the network: sends what `script` holds, takes flits when it is ready, and logs
// them.
//
// An entry of the script is a flit and how many cycles after the one before it, or after the start,
// it is offered at the earliest; one of the log is a flit and its cycle. The testbench writes
// nothing that feeds anything but registers, or Verilator would evaluate all logic behind it in
// every step.
module mesh_port #(
  parameter FLIT = 280,
  parameter WORDS = 10,
  parameter SENDS = 2048,
  parameter TAKES = 4096
) (
  input clk,
  input start,
  input running,
  input [31:0] cycle,
  input take,
  output [FLIT-1:0] i_flit,
  output i_valid,
  input i_ready,
  input [FLIT-1:0] o_flit,
  input o_valid,
  output o_ready,
  output taken
);
  reg [32*WORDS-1:0] script [0:SENDS-1] /* verilator public_flat_rw */;  // flit, pause
  reg [32*WORDS-1:0] log [0:TAKES-1] /* verilator public_flat_rd */;  // flit, cycle
  reg [31:0] length /* verilator public_flat_rw */ = 0;
  reg [31:0] count /* verilator public_flat_rd */ = 0;

  reg [32*WORDS-1:0] entry = 0;
  reg [31:0] left = 0;
  reg [31:0] next = 0;
  reg loaded = 0;

  assign i_flit = entry[32 +: FLIT];
  assign i_valid = running && loaded && left == 0;
  assign o_ready = running && take;
  assign taken = o_valid && o_ready;

  always @(posedge clk) begin
    if (start || i_valid && i_ready) begin
      entry <= script[start ? 0 : next];
      left <= script[start ? 0 : next][31:0];
      loaded <= (start ? 0 : next) < length;
      next <= (start ? 0 : next) + 1;
    end else if (running && left != 0)
      left <= left - 1;
    if (start)
      count <= 0;
    else if (taken) begin
      log[count] <= {o_flit, cycle};
      count <= count + 1;
    end
  end
endmodule
