"""Drives a model through a clip: load what it needs, encode, prepare, step by step, decode.

`residency.py` keeps parts loaded, `work.py` fits a clip to the memory there is. Between two steps it may keep the state
as a checkpoint (`checkpoint.py`), and goes on from one it can trust. Finds the adapter by the dotted name on the card
and knows no family by name. Where media come from, files and the database are `perform`'s business, the only caller.
"""
