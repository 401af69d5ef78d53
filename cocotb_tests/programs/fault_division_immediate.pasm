; By zero.

        vi.div r0, r0, 0, 4, 0
        hlt
