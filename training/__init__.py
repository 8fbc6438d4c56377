"""How the embedded model is made, from nothing: data, network, loop, evaluation, export.

Imports the package, is imported by nothing in it. `README.md` beside this file tells the order of the scripts.
"""
