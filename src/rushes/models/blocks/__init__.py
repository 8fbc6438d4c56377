"""Models that diffusers has as blocks, with the loop around their steps ours; needs the extra `torch`.

Between two steps the state is a dictionary that can be saved, which no pipeline called whole allows. `layout.py` says
whether a folder is one of them (without torch: the command line asks), `order.py` takes the blocks apart at their loop,
`state.py` is a clip between two steps, `adapter.py` is the story.
"""
