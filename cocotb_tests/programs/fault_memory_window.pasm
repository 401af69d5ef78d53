; Only the last row of the window is outside; nothing is loaded.

        sset s1, 1000
        ld2 r0, s1, 0, 4, 3, 12
        hlt
