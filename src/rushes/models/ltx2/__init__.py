"""The LTX-2 family from diffusers' components, with steps of our own; needs the extra `torch`.

`adapter.py` is the story: a film and its sound, made together. `layout.py` says which generation a folder holds
(without torch: the command line asks), `shape.py` which size, rate and length it makes, `components.py` loads the
parts, `text.py` reads prompts, `given.py` pictures and clips, `sound.py` sound, `schedule.py` says how noisy each step
is, `guidance.py` weighs what the passes predict, `refine.py` begins the second stage of a large film, `state.py` is a
clip between two steps, `film.py` turns latents into frames, `memory.py` foretells what a clip needs; `chance.py`
makes a small one for `rushes bench`.
"""
