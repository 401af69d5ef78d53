; Of several faults the lowest number is reported: OVERLAP is 7, DIVISION 12.

        vi.div r1, r0, 0, 4, 0
        hlt
