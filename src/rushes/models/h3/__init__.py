"""MiniMax-H3 by the library's blocks, with the loop around their steps ours; needs the extra `torch`.

Film and sound come of one sequence of tokens, with words and whatever is given before them. `layout.py` says what a
folder holds (without torch: the command line asks), `processor.py` is what Qwen3-VL sees of pictures and clips,
`components.py` holds the parts and `memory.py` foretells what they take, `given.py` turns what a request brought into
what the blocks take, `adapter.py` is the story.
"""
