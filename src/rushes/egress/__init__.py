"""Guarded egress: every request that this program sends out goes through here, and nowhere else.

The addresses come from strangers: a media field to fetch, a webhook to call. `target` reads a URL strictly, `dial`
resolves its name once and connects only to an address that `addresses` lets pass, `exchange` speaks HTTP under one
deadline, and `fetch` and `post` are what others call. What the bytes mean is the business of `media`, when to call
again that of `events`. A test forbids other HTTP clients in the package.
"""
