"""Compiled kernels, each proven equal to the literal definition it stands for, to the bit.

``product``
    Lossless MVM and MTVM: one float64 product, exact below 2**53, or one of 64-bit integers.
``packed``
    Eight slices of four value bits in cells of at most eight bits: the cells of one weight are
    the bytes of one 64-bit word, and loops over bytes become vector instructions.
``wide``
    Any slicing, cells of up to 16 bits.

Loops are written so that the compiler turns them into vector code; none relies on relaxed
floating-point rules.
"""
