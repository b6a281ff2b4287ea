"""The OCI registry: is this image there, what is its digest, and putting a new one there.

`client.Registry` is what the bridge and the append builder call; the rest of the package is how it
gets there: image references, credentials, the token dance, uploads, errors in the reader's words.
"""
