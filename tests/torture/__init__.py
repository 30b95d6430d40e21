"""
The torture test: the real system under load and faults, and an exact judgement of every read afterwards.

`python -m tests.torture --help`
"""
