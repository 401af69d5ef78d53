; Control registers: what they are at the start, and what was written to them.

        csrr s1, cycle
        csrr s2, retired
        csrr s3, rounding
        csr rounding, 1
        csrr s4, rounding
        csr rounding, 0
        csrr s5, seed
        csr seed, 0xffffffff
        csrr s6, seed
        csrr s7, watchdog
        csr watchdog, 100
        csrr s8, watchdog
        csr saturated, 41
        vset r0, 32767, 3
        v.add r0, r0, r0, 3
        csrr s9, saturated
        csrr s10, cycle
        csrr s11, retired
        hlt
