; A body that is empty, though it would never run.

        sset s1, 1
        loop 0, end
end:    hlt
