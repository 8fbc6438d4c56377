"""The Wan family from diffusers' components, with steps of our own; needs the extra `torch`.

`adapter.py` is the story. `layout.py` says which arrangement a folder holds (without torch: the command line asks),
`components.py` loads the parts, `text.py` reads prompts, `given.py` pictures and clips, `solver.py` moves a latent one
step, `state.py` is a clip between two steps, `film.py` turns latents into frames.
"""
