"""The full tier: the world that a GPU learns, drawn batch by batch on the GPU itself while it learns.

`world` holds the tables, `dice` throws what a film shows, `captions` says it, `motion` moves it, `scenes`, `places` and
`built` draw where, `sprites` who, `weather` what falls, and `compose` puts them together; `training.sound` lets it be
heard. Dice, tables and captions are plain Python; everything with a pixel is tensor code. `training.render.draw` is the
only caller from outside.
"""
