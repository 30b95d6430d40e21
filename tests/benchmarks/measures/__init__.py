"""
What is measured, a module for each measure.

    __doc__         what its section of docs/benchmarks.md says, below HEADING
    SUMMARY         for `--help`
    measure         gives the figures, for JSON, from a `Session`
    table           of its figures; the second argument is all that the run found
    requirements    of its figures, where something is promised
"""
