"""Any video pipeline of diffusers, called whole, from a folder that names it; needs the extra `torch`.

Fewer promises than a family of our own, and its card says which. `layout.py` reads what the pipeline takes from the
library's source (without torch: the command line asks), `components.py` loads its parts, `run.py` lets a call stand
still between two steps, `adapter.py` is the story.
"""
