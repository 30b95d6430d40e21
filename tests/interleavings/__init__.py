"""
The real client, Lua scripts, SQL and signals under every interleaving that matters, one step at a time.

`processes.py` runs what a server runs, in threads that stop before everything others can notice; `world.py` has them,
the engines and the clock, to which `stage.py` binds the project's code; `oracle.py` says what a read may return;
`history.py` takes steps and judges each.

Two kinds of histories are played:

- scripted ones (`histories.txt`): each piece of the protocol is taken away, and a history of a few lines shows
  what goes wrong without it, and does not with it;
- random ones (`test_random_histories.py`), drawn by Hypothesis from `steps.py`. `INTERLEAVINGS_EXAMPLES=5000 pytest
  tests/interleavings -k no_random` plays that many, different ones each time.

A history that breaks the promise is told step by step, in words that a script may consist of.
"""
