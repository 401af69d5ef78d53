; Every scalar instruction, on numbers that can be checked in one's head.

        sset s1, 12
        sset s2, -5
        sadd s3, s1, 100
        salu.add s4, s1, s2
        salu.sub s5, s1, s2
        salu.mul s6, s1, s2
        salu.and s7, s1, s2             ; -5 is ...11111011
        salu.or s8, s1, s2
        salu.xor s9, s1, s2
        sset s10, 33                    ; shifts count modulo 32: by 1
        salu.shl s11, s1, s10
        salu.shr s12, s2, s10
        salu.sra s13, s2, s10
        salu.slt s14, s2, s1
        salu.slt s15, s1, s2

; 32 bits, wrapping
        sset s16, 0x7fffffff
        sadd s17, s16, 1
        salu.mul s18, s16, s16
        salu.sub s19, s0, s17

; s0 is zero whatever is written to it
        sset s0, 77
        salu.add s20, s0, s1
        nop
        hlt
