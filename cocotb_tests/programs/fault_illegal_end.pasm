; Nothing at the end: what follows is 0, which is no instruction.

        sset s1, 1
        nop
