; There is no number 6.

        csrr s1, 6
        hlt
