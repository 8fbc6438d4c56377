"""The cards that come with the package, one file per family.

A card is data: it names its adapter by a dotted string, so listing models loads none.
A new family is a new file here and one line below.
"""

from rushes.catalogue.cards import mini

CARDS = (mini.CARD,)
