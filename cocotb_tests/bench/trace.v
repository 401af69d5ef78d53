// Trace of the bench: what a core retires and writes, kept in four rings the testbench empties.
//
// `full_toggle` changes when one of them is half full, and when the core stops.
module trace #(
  parameter DEPTH = 4096
) (
  input clk,
  input rst,
  input running,
  input [31:0] cycle,
  input retire,
  input [13:0] pc,
  input [63:0] word,
  input scalar,
  input [4:0] scalar_index,
  input [31:0] scalar_value,
  input vector,
  input [12:0] vector_address,
  input [2:0] vector_count,
  input [63:0] vector_words,
  input memory,
  input [1:0] memory_op,
  input [12:0] memory_group,
  input [3:0] memory_mask,
  input memory_take,
  input memory_plain,
  input [8:0] memory_readers,
  input [63:0] memory_data
);
  localparam HALF = DEPTH / 2;

  reg [127:0] retires [0:DEPTH-1] /* verilator public_flat_rd */;
  reg [95:0] scalars [0:DEPTH-1] /* verilator public_flat_rd */;
  reg [127:0] vectors [0:DEPTH-1] /* verilator public_flat_rd */;
  reg [159:0] memories [0:DEPTH-1] /* verilator public_flat_rd */;
  reg [31:0] retire_count /* verilator public_flat_rd */ = 0;
  reg [31:0] scalar_count /* verilator public_flat_rd */ = 0;
  reg [31:0] vector_count_all /* verilator public_flat_rd */ = 0;
  reg [31:0] memory_count /* verilator public_flat_rd */ = 0;
  reg [31:0] retire_cycle /* verilator public_flat_rd */ = 0;  // of the last one
  reg full_toggle /* verilator public_flat_rd */ = 0;

  reg full = 0;
  reg [31:0] after = 0;
  // answers that come when the core has stopped have their cycle, too
  wire [31:0] stamp = running ? cycle : after;
  reg ran = 0;

  // words past the count are no part of what is written
  wire [63:0] written = {
    vector_count > 3 ? vector_words[63:48] : 16'b0, vector_count > 2 ? vector_words[47:32] : 16'b0,
    vector_count > 1 ? vector_words[31:16] : 16'b0, vector_words[15:0]};

  always @(negedge clk) full_toggle <= full;

  always @(posedge clk) begin
    ran <= running;
    after <= stamp + 1;
    if (retire) begin
      retires[retire_count % DEPTH] <= {word, 18'b0, pc, stamp};
      retire_count <= retire_count + 1;
      retire_cycle <= cycle;
    end
    if (scalar) begin
      scalars[scalar_count % DEPTH] <= {scalar_value, 27'b0, scalar_index, stamp};
      scalar_count <= scalar_count + 1;
    end
    if (vector) begin
      vectors[vector_count_all % DEPTH] <= {written, 13'b0, vector_count, 3'b0, vector_address, stamp};
      vector_count_all <= vector_count_all + 1;
    end
    if (memory) begin
      memories[memory_count % DEPTH] <= {memory_data, 3'b0, memory_group,
        7'b0, memory_readers, 16'b0, 7'b0, memory_plain, memory_take, memory_mask, 1'b0, memory_op,
        stamp};
      memory_count <= memory_count + 1;
    end
    if (ran && !running || retire && retire_count % HALF == HALF - 1
        || scalar && scalar_count % HALF == HALF - 1
        || vector && vector_count_all % HALF == HALF - 1
        || memory && memory_count % HALF == HALF - 1)
      full <= ~full;
  end
endmodule
