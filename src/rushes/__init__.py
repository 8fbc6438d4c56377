"""Rushes: Together AI's videos API on your own hardware.

Two stories tell the rest: `videos.py` is how a video is asked for, `perform.py` is how it is made.
Importing this package imports no model, no tensor library and no web framework.
"""

__version__ = "0.1.0"
