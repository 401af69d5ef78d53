; The rows of a window that takes must begin at groups, too.

        ld2 r0, s0, 0, 4, 2, 6, take
        hlt
