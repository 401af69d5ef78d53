// Self-checking test of a core on ideal arrays: core_test.pasm is loaded and run, and what it has
// stored is compared with integer arithmetic. Ends with PASS, or with $fatal at a difference.
`timescale 1ns/1ps
module core_test;
  localparam N = 16, TIMES = 3, SHIFT = 8, RESULTS = 64;
  localparam STORE = 1;

  reg clk = 0, rst = 1;
  always #5 clk = ~clk;

  reg [77:0] program_payload = 0;
  reg program_valid = 0;
  wire program_ready;
  reg start = 0;
  wire running;
  wire [3:0] fault;
  wire [13:0] fault_pc;
  wire [93:0] request;
  wire request_valid;
  reg [63:0] answer [0:1];
  reg [1:0] answering = 0;

  bench bench (
    .clk(clk), .rst(rst),
    .i_program__payload(program_payload), .i_program__valid(program_valid),
    .i_program__ready(program_ready), .start(start), .start_pc(13'd0), .running(running),
    .fault(fault), .fault_pc(fault_pc), .fault_cycle(),
    .o_memory__payload(request), .o_memory__valid(request_valid), .o_memory__ready(1'b1),
    .hold(1'b0), .step(1'b0), .i_execute__payload(64'b0), .i_execute__valid(1'b0),
    .host_mcu(3'b0), .i_command__payload(11'b0), .i_command__valid(1'b0),
    .i_config__payload(36'b0), .i_config__valid(1'b0), .i_cells__payload(0),
    .i_cells__valid(1'b0), .i_cells_read__payload(8'b0), .i_cells_read__valid(1'b0),
    .o_cells__ready(1'b0), .i_memory__payload(answer[1]), .i_memory__valid(answering[1]), .i_memory__ready()
  );

  // groups of four words; always valid, and never taken by anybody: the program stores plainly
  reg signed [15:0] memory [0:1023];
  wire [1:0] op = request[1:0];
  wire [12:0] group = request[14:2];
  wire [3:0] mask = request[18:15];
  integer n;
  always @(posedge clk) begin
    answer[1] <= answer[0];
    answering <= {answering[0], request_valid && op == 0};
    for (n = 0; n < 4; n = n + 1) begin
      answer[0][16*n +: 16] <= memory[4 * group[7:0] + n];
      if (request_valid && op == STORE && mask[n])
        memory[4 * group[7:0] + n] = request[19 + 16*n +: 16];
    end
  end

  integer seed = 1;
  integer r, c, words;
  reg [63:0] code [0:511];
  reg signed [63:0] sum, y, expected;

  function signed [63:0] limited(input signed [63:0] value);
    limited = value > 32767 ? 32767 : value < -32768 ? -32768 : value;
  endfunction

  function integer among(input integer low, input integer high);
    among = low + $unsigned($random(seed)) % (high - low + 1);
  endfunction

  task compare(input integer place, input integer index);
    if (memory[RESULTS + place * N + index] !== expected[15:0])
      $fatal(1, "result %0d, word %0d is %0d, not %0d", place, index,
             memory[RESULTS + place * N + index], expected);
  endtask

  initial begin
    for (n = 0; n < 1024; n = n + 1) memory[n] = 0;
    // digits that fit a cell's headroom
    for (n = 0; n < N; n = n + 1) begin
      memory[n] = among(-1, 1);
      memory[N + n] = among(-7, 7);
      memory[2 * N + n] = among(-32768, 32767);
      memory[3 * N + n] = among(-32768, 32767);
    end
    for (n = 0; n < 512; n = n + 1) code[n] = 0;
    $readmemh("program.hex", code);
    repeat (4) @(negedge clk);
    rst = 0;
    for (words = 0; code[words] != 0; words = words + 1) begin
      @(negedge clk);
      program_payload = {1'b0, code[words], words[12:0]};
      program_valid = 1;
      #1 while (!program_ready) @(negedge clk) #1;
    end
    @(negedge clk) program_valid = 0;
    start = 1;
    @(negedge clk) start = 0;
    while (!running) @(negedge clk);
    while (running) @(negedge clk);
    if (fault != 0) $fatal(1, "fault %0d at %0d", fault, fault_pc);
    for (c = 0; c < N; c = c + 1) begin
      sum = 0;
      for (r = 0; r < N; r = r + 1) sum = sum + memory[2 * N + r] * TIMES * memory[r] * memory[N + c];
      y = limited((sum + (64'sd1 << (SHIFT - 1))) >>> SHIFT);
      expected = y;
      compare(0, c);
      expected = y > 0 ? y : 0;
      compare(1, c);
      expected = limited((limited(y + expected) * 7 + 4) >>> 3);
      compare(4, c);
    end
    for (r = 0; r < N; r = r + 1) begin
      sum = 0;
      for (c = 0; c < N; c = c + 1) sum = sum + memory[3 * N + c] * TIMES * memory[r] * memory[N + c];
      expected = limited((sum + (64'sd1 << (SHIFT - 1))) >>> SHIFT);
      compare(2, r);
      compare(3, r);
    end
    $display("PASS: %0d instructions, %0d words compared", words, 5 * N);
    $finish;
  end

  initial begin
    #10000000;
    $fatal(1, "the test does not end");
  end
endmodule
