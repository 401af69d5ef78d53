; Addresses have a sign.

        sset s1, -4
        vset r0, 1, 4
        st r0, s1, 0, 4, plain
        hlt
