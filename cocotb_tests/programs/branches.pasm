; Every branch, taken and not; bit n of s10 is set where branch n was not taken.

        sset s1, -1
        sset s2, 1
        sset s10, 0
        br.eq s1, s1, a
        sadd s10, s10, 1
a:      br.eq s1, s2, b
        sadd s10, s10, 2
b:      br.ne s1, s2, c
        sadd s10, s10, 4
c:      br.ne s2, s2, d
        sadd s10, s10, 8
d:      br.lt s1, s2, e                 ; signed: -1 < 1
        sadd s10, s10, 16
e:      br.lt s2, s1, f
        sadd s10, s10, 32
f:      br.lt s2, s2, g
        sadd s10, s10, 64
g:      br.ge s2, s1, h
        sadd s10, s10, 128
h:      br.ge s1, s2, i
        sadd s10, s10, 256
i:      br.ge s1, s1, j
        sadd s10, s10, 512
j:      jmp forward
back:   hlt
forward: sset s11, 7
        jmp back
