"""The independent witness: trains a network in numpy with exactly the arithmetic of the hardware.

It knows nothing of clocks, instructions or hardware description, and shares no arithmetic code
with the models and the RTL it judges. The literal definitions (:mod:`golden.mvm`,
:mod:`golden.opa`, :mod:`golden.crs`) go bit step by bit step and pulse by pulse; the compiled
kernels of :mod:`golden.fast` are proven equal to them, counters included.
"""
