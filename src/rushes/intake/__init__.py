"""What a request brings along: copied in when it is accepted, opened when it is made.

`copy` is the door's half, and imports no tensor or media library: bytes that travelled inside the request are checked
for their kind and put into the storage of inputs; what is behind a URL gets the key that it will have there. `open` is
the worker's half: it fetches what is not there yet, decodes, and fits to the model's grid. So whatever happens to a
job, its inputs are fetched once, and its row holds references instead of megabytes.
"""
