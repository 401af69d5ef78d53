; The last word is behind the memory's 1024.

        sset s1, 1020
        ld r0, s1, 0, 4
        ld r4, s1, 1, 4
        hlt
