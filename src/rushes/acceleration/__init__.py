"""How a large model is made fast and made to fit, and at which exactness: a plan, and one file per technique.

`plan.py` decides, and holds the ladder of what needs less memory, without a tensor library, so that `doctor` can print
it; `put_on.py` puts a plan on an adapter from outside, `dress.py` on a network, with `pieces.py`. `tensors.py` counts
bytes. Adapters do not know of it; `engine` puts it on for each clip. `mini` needs none.
"""
