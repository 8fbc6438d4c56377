"""A model that a card can name."""


class CountedAdapter:
    built = 0

    def __init__(self) -> None:
        type(self).built += 1
