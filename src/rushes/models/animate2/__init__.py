"""Wan-Animate-2 from diffusers' components: a character moves as somebody in a clip does; needs the extra `torch`.

A film is made in segments of some three seconds, each of which begins with the end of the one before. `layout.py` says
what a folder holds (without torch: the command line asks), `components.py` loads the parts, `given.py` lays out
picture and clip, `state.py` is a film between two steps, `adapter.py` is the story.
"""
