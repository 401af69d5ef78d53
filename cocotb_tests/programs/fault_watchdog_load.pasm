; The second of two groups never comes; the first has been loaded.

        csr watchdog, 10
        ld r0, s0, 0, 8
        hlt
