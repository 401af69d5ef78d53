; A generator at 0 would stay there.

        csr seed, 0
        hlt
