"""
The benchmark: what Django's users would take instead, and ours, side by side in one run.

`python -m tests.benchmarks --help`
"""
