"""The analog side along the signal path: DAC, crossbar, sample-and-hold, ADC.

To add an effect, change the stage it acts on, or put a stage of the same shape in its place:
:class:`models.analog.array.Array` is all that testbenches and system models know.
"""
