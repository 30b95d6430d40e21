"""
The soak: mixed traffic at saturation for minutes, and beside it clients that stall, are slow, or come in thousands.

`python -m tests.soak --help`
"""
