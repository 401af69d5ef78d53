; Only plain stores may begin inside of a group.

        vset r0, 1, 4
        st r0, s0, 2, 4, plain
        st r0, s0, 10, 2
        hlt
