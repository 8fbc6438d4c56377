"""Kandinsky 6 from diffusers' components, with steps of our own: film and sound together; needs the extra `torch`.

`adapter.py` is the story. `layout.py` says what a folder holds (without torch: the command line asks), `components.py`
loads the parts, `text.py` reads prompts, `state.py` is a clip between two steps, `film.py` turns pictures into latents
and latents into frames, `sound.py` latents into samples, `memory.py` foretells what a clip needs.
"""
