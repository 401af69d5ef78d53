; The same of mcu: bit 9 is the MVM of m3.

        mcu 0x200
        hlt
