"""`rushes/mini`, the embedded model: text to video with NumPy and ONNX Runtime, nothing else.

`adapter.py` is the story; `config.py` reads the model's numbers, `text.py` its words and `remarks.py` says which words
of a prompt it knows (these without NumPy, so that the door may use them); `windows.py` cuts long clips and `graph.py`
runs the two networks in `weights/`. How the weights are made: `training/` at the root of the repository.
"""
