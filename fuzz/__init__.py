"""Inputs nobody thought of: properties that hold for any bytes, for CI and for as long as you like.

`properties` states them by hypothesis, `junk` makes what they are tried with. `tests/test_fuzz.py`
runs a bounded number of examples, `python -m fuzz` goes on without end.
"""
