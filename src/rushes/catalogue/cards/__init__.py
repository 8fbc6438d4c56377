"""The cards that come with the package, one file per family.

A card is data: it names its adapter by a dotted string, so listing models loads none.
A new family is a new file here and one line below. `CARDS` are models that are here with the package itself; those in
`OPEN` are here once somebody adds their weights.
"""

from rushes.catalogue.cards import animate2, blocks, h3, kandinsky6, ltx2, mini, wan

CARDS = (mini.CARD,)
OPEN = (*wan.CARDS, *animate2.CARDS, *ltx2.CARDS, *kandinsky6.CARDS, *blocks.CARDS, *h3.CARDS)
