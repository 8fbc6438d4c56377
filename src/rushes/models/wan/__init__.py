"""The Wan family from diffusers' components, with steps of our own; needs the extra `torch`.

`adapter.py` is the story. `layout.py` says which arrangement a folder holds, and `memory.py` what a clip needs (both
without torch), `components.py` loads the parts, `text.py` reads prompts, `given.py` pictures and clips, `state.py` is a
clip between two steps, `film.py` turns latents into frames. `chance.py` makes random weights, to be measured.
"""
