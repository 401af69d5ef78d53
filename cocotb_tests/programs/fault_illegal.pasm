; A nop with a reserved bit set.

        sset s1, 1
        .word 0x0400000000000001
        hlt
