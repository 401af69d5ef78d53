; This core has no m3; m0, which is named as well, does not begin.

        crs 0b1001
        hlt
