// Memory behind a bus (hdl/host/bus.py) that takes its time, refuses addresses from REFUSED on with
// SLVERR and from NOBODY on with DECERR, and watches how it is asked. A reset clears it.
module bus_memory #(
  parameter ADDRESS_BITS = 16,
  parameter DATA_BITS = 64,
  parameter REFUSED = 1 << 15,
  parameter NOBODY = 1 << 15
) (
  input clk,
  input rst,
  input [7:0] stall,  // a pause begins or lasts with probability stall / 256
  input valid,
  output ready,
  input [2+ADDRESS_BITS+DATA_BITS+DATA_BITS/8-1:0] payload,
  output response_valid,
  input response_ready,
  output [DATA_BITS+1:0] response,
  output reg [31:0] bursts = 0,      // ended, of both kinds
  output reg [31:0] beats = 0,
  output reg [31:0] violations = 0,  // cycles in which the requester broke a rule of the bus
  output ending,                     // a request that ends a burst is taken
  output ending_write                // it is a write
);
  localparam STROBES = DATA_BITS / 8;
  localparam SHIFT = $clog2(STROBES);

  wire write = payload[0];
  wire [ADDRESS_BITS-1:0] address = payload[1 +: ADDRESS_BITS];
  wire [DATA_BITS-1:0] data = payload[1+ADDRESS_BITS +: DATA_BITS];
  wire [STROBES-1:0] strobe = payload[1+ADDRESS_BITS+DATA_BITS +: STROBES];
  wire last = payload[1+ADDRESS_BITS+DATA_BITS+STROBES];
  wire refused = address >= REFUSED;
  wire nobody = address >= NOBODY;
  wire [ADDRESS_BITS-SHIFT-1:0] word = address[ADDRESS_BITS-1:SHIFT];

  reg [DATA_BITS-1:0] words [0:(1<<(ADDRESS_BITS-SHIFT))-1];
  integer n;

  // xorshift: the same pauses in every simulator
  localparam SEED = 32'h2545f491;
  reg [31:0] random = SEED;
  wire [31:0] first = random ^ (random << 13);
  wire [31:0] second = first ^ (first >> 17);
  wire pause = second[7:0] < stall;
  reg resting = 0;
  always @(posedge clk) begin
    random <= rst ? SEED : second ^ (second << 5);
    resting <= rst ? 0 : pause;
  end

  reg waiting = 0;
  reg [DATA_BITS-1:0] answer = 0;
  reg [1:0] error = 0;
  wire taken = valid && ready;
  wire answered = response_valid && response_ready;
  assign ready = !waiting && !resting;
  assign response_valid = waiting && !resting;
  assign response = {error, answer};
  assign ending = taken && last;
  assign ending_write = write;

  // what has to stay while a request waits, and where a burst of each kind goes on
  reg held = 0;
  reg [2+ADDRESS_BITS+DATA_BITS+STROBES-1:0] offered = 0;
  reg [1:0] unfinished = 0;
  reg [ADDRESS_BITS-1:0] next [0:1];
  wire [2+ADDRESS_BITS+DATA_BITS+STROBES-1:0] said =
    write ? payload : {last, {DATA_BITS+STROBES{1'b0}}, address, write};
  wire changed = held && (!valid || said != offered);
  wire early = valid && waiting;
  wire late = response_valid && !response_ready;
  wire misaligned = valid && address[SHIFT-1:0] != 0;
  wire astray = taken && unfinished[write] && address != next[write];

  always @(posedge clk) begin
    held <= valid && !ready;
    offered <= said;
    if (taken) begin
      waiting <= 1;
      error <= nobody ? 3 : refused ? 2 : 0;
      answer <= words[word];
      beats <= beats + 1;
      bursts <= bursts + {31'b0, last};
      unfinished[write] <= !last;
      next[write] <= address + STROBES;
      if (write && !refused && !nobody)
        for (n = 0; n < STROBES; n = n + 1)
          if (strobe[n])
            words[word][8 * n +: 8] = data[8 * n +: 8];
    end else if (answered)
      waiting <= 0;
    if (changed || early || late || misaligned || astray)
      violations <= violations + 1;
    if (rst) begin
      waiting <= 0;
      held <= 0;
      unfinished <= 0;
      bursts <= 0;
      beats <= 0;
      violations <= 0;
      for (n = 0; n < 1 << (ADDRESS_BITS - SHIFT); n = n + 1)
        words[n] = 0;
    end
  end
endmodule
