; Valid, but for somebody else.

        csr watchdog, 10
        ld r0, s0, 0, 4, take
        hlt
