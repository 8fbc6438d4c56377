"""Model files on this machine's disk: which folder is which model, and whether its files are what they were.

`checkpoint.py` looks at a folder of the diffusers format without running or unpickling anything in it; `header.py`
reads what a safetensors file says of itself; `shelf.py` remembers folders by model id; `hub.py` fetches them.
Knows no model: whether a folder fits a card is the family's to say. `cli` fills the shelf, `assemble` reads it.
"""
