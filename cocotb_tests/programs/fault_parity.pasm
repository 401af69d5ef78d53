; A flipped bit in the instruction memory.

        sset s1, 1
        sset s2, 1
        hlt
