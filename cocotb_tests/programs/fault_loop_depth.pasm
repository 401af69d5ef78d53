; A fifth loop inside of four; one that does not run does not count.

        loop 2, end
        loop 2, end
        loop 2, end
        loop 2, end
        loop 0, fifth
        nop
fifth:  loop 1, end
        nop
end:    hlt
