; An instruction of tile programs.

        send s1, 0, 64, 3, 0
        hlt
