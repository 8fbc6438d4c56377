"""Kandinsky 6 from diffusers' components, with steps of our own: film and sound together; needs the extra `torch`.

`adapter.py` is the story. `layout.py` says what a folder holds (without torch: the command line asks), `components.py`
loads the parts, `text.py` reads prompts, `state.py` is a clip between two steps, `film.py` turns pictures into latents
and latents into frames, `sound.py` latents into samples, `memory.py` foretells what a clip needs.

What is larger than one pass makes well takes a second stage where its parts are there. `enlarger.py` says what they
are, `shape.py` which sizes that makes; `refine.py` does it, `nabla.py` is its attention, `enlarging_memory.py` what it
needs.
"""
