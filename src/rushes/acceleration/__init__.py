"""How a large model is made fast, and at which exactness: a plan, and one file per technique that it may name.

`plan.py` decides, without a tensor library, so that `doctor` can print it; `attention.py` is put on a loaded model from
outside. Adapters do not know of it; `engine` puts it on after loading. `mini` needs none.
"""
