"""Model families, each behind the same few verbs (`adapter.py`).

A family lives in its own folder and imports only `catalogue`, `diffusion`, `contract` and `errors`.
`engine` finds it by the dotted name on its card, so that nothing here is imported before it is needed.
Start with `mini`, the embedded model: it is the shortest.
"""
