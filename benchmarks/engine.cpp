// The bench without cocotb, as a library: its caller runs the clock until the bench wants something.
#include <cstdint>
#include <cstring>
#include <memory>

#include "Vtop.h"
#include "verilated.h"

extern "C" void* panther_memory(const char* scope, const char* name);

namespace {

constexpr int RESET_CYCLES = 6;
constexpr int EVENT = 1, DONE = 2;
constexpr uint32_t INTEGRATE = 1;

struct Engine {
    std::unique_ptr<Vtop> top;
    uint8_t *event, *done;
    uint32_t *kind, *held, *codes;
    uint8_t event_seen = 0, done_seen = 0;

    Engine() {
        // the name the scopes have under cocotb, too
        top.reset(new Vtop{""});
        top->clk = 0;
        top->eval();
        for (int n = 0; n < RESET_CYCLES; ++n) cycle();
        find("converter", "event_toggle", event);
        find("converter", "event_kind", kind);
        find("converter", "held", held);
        find("converter", "codes", codes);
        find("host", "done_toggle", done);
    }

    ~Engine() { top->final(); }

    template <typename T>
    void find(const char* part, const char* name, T*& address) {
        const std::string scope = std::string{"bench.unit0."} + part;
        address = static_cast<T*>(panther_memory(scope.c_str(), name));
    }

    void cycle() {
        top->clk = 1;
        top->eval();
        top->clk = 0;
        top->eval();
    }

    // Clock cycles until an analog event waits for its answer, the host port is done, or both.
    int run() {
        int news = 0;
        while (!news) {
            cycle();
            if (*event != event_seen) news |= EVENT;
            if (*done != done_seen) news |= DONE;
            event_seen = *event;
            done_seen = *done;
        }
        return news;
    }
};

// not destroyed at exit, when Verilator's own statics may be gone already
Engine* engine = nullptr;

}  // namespace

extern "C" {

// A bench as it is after power-on; an earlier one and its memory are gone.
void engine_open() {
    delete engine;
    engine = new Engine;
}

int engine_run() { return engine->run(); }

// Run until the host port is done, answering integration n with the `size` words of `recorded[n]`,
// of which there are `count`; returns how many integrations there were.
uint64_t engine_replay(const uint32_t* recorded, uint64_t count, uint64_t size) {
    uint64_t answers = 0;
    int news;
    do {
        news = engine->run();
        if ((news & EVENT) && *engine->kind == INTEGRATE) {
            uint32_t* bank = engine->codes + (1 - *engine->held) * size;
            if (answers < count) memcpy(bank, recorded + answers * size, size * sizeof(uint32_t));
            ++answers;
        }
    } while (!(news & DONE));
    return answers;
}
}
