// Self-checking test of a node of two tiles on ideal arrays, through its two buses: cells, operands
// and node_test.pasm are written, all units started, and after the interrupt the results are read
// and compared with integer arithmetic. Ends with PASS, or with $fatal at the first difference.
`timescale 1ns/1ps
module node_test;
`include "parameters.vh"
  localparam BEATS = 256;
  localparam DIGIT = 12;  // operands of outer products are -1, 0 or 1 at this bit
  localparam OKAY = 0, SLVERR = 2;
  localparam CORE = 1, SEQUENCER = 1 << 8;  // in a set of units

  reg clk = 0, rst = 1;
  always #5 clk = ~clk;

  wire irq;
  reg [CONTROL_BITS-1:0] control_address = 0;
  reg [31:0] wdata = 0;
  reg awvalid = 0, wvalid = 0, arvalid = 0;
  wire awready, wready, arready, bvalid, rvalid;
  wire [1:0] bresp, rresp;
  wire [31:0] rdata;
  reg [MEMORY_BITS-1:0] memory_address = 0;
  reg [7:0] length = 0;
  reg [63:0] beat = 0;
  reg beat_last = 0, burst_write = 0, beat_valid = 0, burst_read = 0;
  wire write_ready, beat_ready, read_ready, written, beat_read;
  wire [1:0] write_response, read_response;
  wire [7:0] write_id, read_id;
  wire [63:0] read_beat;
  wire read_last;

  bench bench (
    .clk(clk), .rst(rst), .irq(irq), .clock_enable(),
    .s_axil_awaddr(control_address), .s_axil_awvalid(awvalid), .s_axil_awready(awready),
    .s_axil_wdata(wdata), .s_axil_wstrb(4'hf), .s_axil_wvalid(wvalid), .s_axil_wready(wready),
    .s_axil_bresp(bresp), .s_axil_bvalid(bvalid), .s_axil_bready(1'b1),
    .s_axil_araddr(control_address), .s_axil_arvalid(arvalid), .s_axil_arready(arready),
    .s_axil_rdata(rdata), .s_axil_rresp(rresp), .s_axil_rvalid(rvalid), .s_axil_rready(1'b1),
    .s_axi_awid(8'h5a), .s_axi_awaddr(memory_address), .s_axi_awlen(length), .s_axi_awsize(3'd3),
    .s_axi_awburst(2'd1), .s_axi_awvalid(burst_write), .s_axi_awready(write_ready),
    .s_axi_wdata(beat), .s_axi_wstrb(8'hff), .s_axi_wlast(beat_last), .s_axi_wvalid(beat_valid),
    .s_axi_wready(beat_ready), .s_axi_bid(write_id), .s_axi_bresp(write_response),
    .s_axi_bvalid(written), .s_axi_bready(1'b1),
    .s_axi_arid(8'ha5), .s_axi_araddr(memory_address), .s_axi_arlen(length), .s_axi_arsize(3'd3),
    .s_axi_arburst(2'd1), .s_axi_arvalid(burst_read), .s_axi_arready(read_ready),
    .s_axi_rid(read_id), .s_axi_rdata(read_beat), .s_axi_rresp(read_response),
    .s_axi_rlast(read_last), .s_axi_rvalid(beat_read), .s_axi_rready(1'b1)
  );

  integer seed = 1;
  integer r, c, k, b, n, from, beats_read, compared = 0;
  reg took_address, took_data;
  reg [31:0] read;
  reg [63:0] buffer [0:BEATS-1];      // of a burst
  reg [63:0] code [0:PROGRAM_WORDS-1];
  reg signed [15:0] words [0:4*BEATS-1];
  reg signed [63:0] weight [0:ROWS*COLUMNS-1];
  reg signed [31:0] x [0:ROWS-1];
  reg signed [31:0] e [0:COLUMNS-1];
  reg signed [15:0] forward [0:ROWS-1];
  reg signed [63:0] sum, expected;
  reg signed [31:0] cells;

  // a number from low to high
  function integer among(input integer low, input integer high);
    among = low + $unsigned($random(seed)) % (high - low + 1);
  endfunction

  function integer bits_of(input integer slice);
    bits_of = {24'b0, CELL_BITS[8*slice +: 8]};
  endfunction

  task put(input integer address, input integer value);
    begin
      @(negedge clk);
      control_address = address[CONTROL_BITS-1:0];
      wdata = value;
      awvalid = 1;
      wvalid = 1;
      while (awvalid || wvalid) begin
        #1 took_address = awready;
        took_data = wready;
        @(negedge clk);
        if (took_address) awvalid = 0;
        if (took_data) wvalid = 0;
      end
      while (!bvalid) @(negedge clk);
      if (bresp != OKAY) $fatal(1, "register %0h refuses %0h at %0t", address, value, $time);
    end
  endtask

  task get(input integer address);
    begin
      @(negedge clk);
      control_address = address[CONTROL_BITS-1:0];
      arvalid = 1;
      #1 while (!arready) @(negedge clk) #1;
      @(negedge clk) arvalid = 0;
      while (!rvalid) @(negedge clk);
      if (rresp != OKAY) $fatal(1, "register %0h cannot be read at %0t", address, $time);
      read = rdata;
    end
  endtask

  task expect_register(input integer address, input integer value);
    begin
      get(address);
      if (read !== value)
        $fatal(1, "register %0h is %0h, not %0h, at %0t", address, read, value, $time);
    end
  endtask

  task put_burst(input integer address, input integer beats, input integer response);
    begin
      @(negedge clk);
      memory_address = address[MEMORY_BITS-1:0];
      length = beats - 1;
      burst_write = 1;
      #1 while (!write_ready) @(negedge clk) #1;
      @(negedge clk) burst_write = 0;
      for (n = 0; n < beats; n = n + 1) begin
        beat = buffer[n];
        beat_last = n == beats - 1;
        beat_valid = 1;
        #1 while (!beat_ready) @(negedge clk) #1;
        @(negedge clk) beat_valid = 0;
      end
      while (!written) @(negedge clk);
      if (write_response != response || write_id != 8'h5a)
        $fatal(1, "burst at %0h ends with %0d at %0t", address, write_response, $time);
    end
  endtask

  task get_burst(input integer address, input integer beats);
    begin
      @(negedge clk);
      memory_address = address[MEMORY_BITS-1:0];
      length = beats - 1;
      burst_read = 1;
      #1 while (!read_ready) @(negedge clk) #1;
      @(negedge clk) burst_read = 0;
      for (n = 0; n < beats; n = n + 1) begin
        while (!beat_read) @(negedge clk);
        if (read_response != OKAY || read_id != 8'ha5 || read_last != (n == beats - 1))
          $fatal(1, "beat %0d from %0h is wrong at %0t", n, address, $time);
        buffer[n] = read_beat;
        @(negedge clk);
      end
    end
  endtask

  // the memory of a tile, in words: from and to words[]
  task put_words(input integer tile, input integer place, input integer count);
    begin
      for (n = 0; n < count; n = n + 1) buffer[n / 4][16*(n % 4) +: 16] = words[n];
      put_burst(TILE_MEMORY * tile + 2 * place, (count + 3) / 4, OKAY);
    end
  endtask

  task get_words(input integer tile, input integer place, input integer count);
    begin
      get_burst(TILE_MEMORY * tile + 2 * place, (count + 3) / 4);
      for (n = 0; n < count; n = n + 1) words[n] = buffer[n / 4][16*(n % 4) +: 16];
    end
  endtask

  task put_program(input integer address, input integer response);
    begin
      for (n = 0; n < PROGRAM_WORDS; n = n + 1) buffer[n] = code[n];
      put_burst(address, PROGRAM_WORDS, response);
    end
  endtask

  // to nearest, ties up, then limited to a word
  function signed [63:0] rounded(input signed [63:0] value);
    begin
      rounded = (value + (64'sd1 << (SHIFT - 1))) >>> SHIFT;
      if (rounded > 32767) rounded = 32767;
      if (rounded < -32768) rounded = -32768;
    end
  endfunction

  task compare(input integer rectified);
    for (c = 0; c < COLUMNS; c = c + 1) begin
      sum = 0;
      for (r = 0; r < ROWS; r = r + 1)
        sum = sum + forward[r] * (weight[r * COLUMNS + c] + TIMES * x[r] * e[c]);
      expected = rounded(sum);
      if (rectified && expected < 0) expected = 0;
      compared = compared + 1;
      if (words[c] !== expected[15:0])
        $fatal(1, "word %0d is %0d, not %0d", c, words[c], expected);
    end
  endtask

  initial begin
    $readmemh("program.hex", code);
    repeat (4) @(negedge clk);
    rst = 0;

    // cells small enough that the outer products saturate none
    for (r = 0; r < ROWS; r = r + 1) begin
      for (c = 0; c < COLUMNS; c = c + 1) begin
        from = 0;
        sum = 0;
        buffer[c] = 0;
        for (k = 0; k < SLICES; k = k + 1) begin
          cells = among(-(1 << (bits_of(k) - 2)), (1 << (bits_of(k) - 2)) - 1);
          for (b = 0; b < bits_of(k); b = b + 1) buffer[c][from + b] = cells[b];
          from = from + bits_of(k);
          sum = sum + ($signed({{32{cells[31]}}, cells}) <<< (k * VALUE_BITS));
        end
        weight[r * COLUMNS + c] = sum;
      end
      put_burst(CELLS_WINDOW + CELLS_ROW * r, COLUMNS, OKAY);
    end
    for (r = 0; r < ROWS; r = r + 1) begin
      x[r] = among(-1, 1) <<< DIGIT;
      words[r] = x[r];
    end
    put_words(0, X_AT, ROWS);
    for (c = 0; c < COLUMNS; c = c + 1) begin
      e[c] = among(-1, 1) <<< DIGIT;
      words[c] = e[c];
    end
    put_words(0, E_AT, COLUMNS);
    for (r = 0; r < ROWS; r = r + 1) begin
      forward[r] = among(-32768, 32767);
      words[r] = forward[r];
    end
    put_words(0, FORWARD_AT, ROWS);

    put_program(CORE0_PROGRAM, OKAY);
    put_program(SEQUENCER0_PROGRAM, OKAY);
    put_program(CORE1_PROGRAM, OKAY);
    put_program(SEQUENCER1_PROGRAM, OKAY);
    put(CORE0_START_PC, START_MULTIPLY);
    put(SEQUENCER0_START_PC, START_OUT);
    put(CORE1_START_PC, START_RECTIFY);
    put(SEQUENCER1_START_PC, START_IN);
    put(TILE0_ARM, CORE | SEQUENCER);
    put(TILE1_ARM, CORE | SEQUENCER);
    put(TILE1_INTERRUPT_ENABLE, CORE);
    put(NODE_START, 1);
    // a program is refused while its core runs
    put_program(CORE0_PROGRAM, SLVERR);

    while (!irq) @(negedge clk);
    expect_register(NODE_INTERRUPT, 2);  // tile 1
    expect_register(TILE0_INTERRUPT, CORE | SEQUENCER);  // halts, no faults
    expect_register(TILE1_INTERRUPT, CORE | SEQUENCER);
    put(TILE1_INTERRUPT, CORE);
    repeat (2) @(negedge clk);
    if (irq) $fatal(1, "interrupt does not end");

    get_words(1, RESULTS_AT, COLUMNS);
    compare(0);
    get_words(1, RECTIFIED_AT, COLUMNS);
    compare(1);
    $display("PASS: %0d words compared", compared);
    $finish;
  end

  // nothing may hang
  initial begin
    #300000;
    $fatal(1, "the test does not end");
  end
endmodule
