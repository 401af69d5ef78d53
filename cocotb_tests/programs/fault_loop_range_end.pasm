; A loop to the last of the 1024 words is fine, one that ends behind it is not.

        loop 1, 1024
        loops s0, 1025
        hlt
