"""Drives a model through a clip: load once, encode, prepare, step by step, decode.

Finds the adapter by the dotted name on the card and knows no family by name. Where media come from, files and the
database are `perform`'s business, which is the only caller.
"""
