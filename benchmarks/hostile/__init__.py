"""Hostile inputs by mutation: `python -m benchmarks.hostile --seed S --audio N --tables N --directories N`.

A kind of input is a file here with a function that yields `Trial`s; each is judged in a process of its own, which is
ended where it hangs. `trials` has what they share, `__main__` the table.
"""
