; A reader that never takes.

        csr watchdog, 10
        vset r0, 1, 4
        st r0, s0, 0, 4
        hlt
