// Where Verilator keeps a variable marked public: testbenches copy whole arrays at once.
#include "verilated.h"
#include "verilated_syms.h"

extern "C" void* panther_memory(const char* scope, const char* name) {
    const VerilatedScope* found = Verilated::threadContextp()->scopeFind(scope);
    if (!found) return nullptr;
    VerilatedVar* variable = found->varFind(name);
    return variable ? variable->datap() : nullptr;
}
