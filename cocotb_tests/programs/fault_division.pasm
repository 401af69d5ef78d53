; By a register that is zero.

        vset r0, 1, 4
        sset s1, 1
        vs.div r0, r0, s1, 4, 3
        vs.div r0, r0, s0, 4, 3
        hlt
