// Memory behind a core's port: groups of four words, each valid or free, with the readers that
// have yet to take it.
//
// A request is taken as soon as its condition holds; the answer to a load comes LATENCY cycles
// later. The testbench fills `image` and `image_state` and has them copied in one cycle; nothing it
// writes feeds anything else, or Verilator would evaluate all logic behind it in every step.
module memory #(
  parameter GROUPS = 8192,
  parameter LATENCY = 2,
  parameter READER = 0
) (
  input clk,
  input rst,
  input copy,
  input [1:0] op,
  input [12:0] group,
  input [3:0] mask,
  input [63:0] data,
  input take,
  input plain,
  input [8:0] readers,
  input valid,
  output ready,
  output [63:0] answer,
  output answer_valid
);
  localparam LOAD = 0, STORE = 1;

  reg [63:0] image [0:GROUPS-1] /* verilator public_flat_rw */;
  reg [31:0] image_state [0:GROUPS-1] /* verilator public_flat_rw */;
  reg [63:0] words [0:GROUPS-1] /* verilator public_flat_rd */;
  reg [31:0] state [0:GROUPS-1] /* verilator public_flat_rd */;  // bit 31 valid, [8:0] readers

  reg [63:0] answers [0:LATENCY-1];
  reg [LATENCY-1:0] answering = 0;
  integer n;
  initial
    for (n = 0; n < GROUPS; n = n + 1) begin
      words[n] = 0;
      state[n] = 0;
      image[n] = 0;
      image_state[n] = 0;
    end

  wire [31:0] now = state[group];
  assign ready = op == LOAD ? now[31] && (!take || now[READER])
               : op == STORE ? plain || !now[31] : 1'b1;
  assign answer = answers[LATENCY-1];
  assign answer_valid = answering[LATENCY-1];
  wire taken = valid && ready;
  wire [8:0] left = now[8:0] & ~(9'b1 << READER);

  always @(posedge clk) begin
    answers[0] <= words[group];
    answering[0] <= taken && op == LOAD;
    for (n = 1; n < LATENCY; n = n + 1) begin
      answers[n] <= answers[n-1];
      answering[n] <= answering[n-1];
    end
    if (rst)
      answering <= 0;
    if (copy) begin
      for (n = 0; n < GROUPS; n = n + 1) begin
        words[n] = image[n];
        state[n] = image_state[n];
      end
    end else if (taken) begin
      if (op == LOAD) begin
        if (take)
          state[group] = {left != 0, 22'b0, left};
      end else if (op == STORE) begin
        for (n = 0; n < 4; n = n + 1)
          if (mask[n])
            words[group][16 * n +: 16] = data[16 * n +: 16];
        state[group] = {1'b1, 22'b0, plain ? 9'b0 : readers};
      end else
        state[group] = 0;
    end
  end
endmodule
