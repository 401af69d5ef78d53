; A register that is read-only.

        csr seed, 7
        csr cycle, 1
        hlt
