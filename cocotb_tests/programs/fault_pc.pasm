; Past the end of the instruction memory of 1024 words.

        sset s1, 1
        jmp 1024
        sset s2, 1
