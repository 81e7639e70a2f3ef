"""Records, ids, canonical encoding, digests and errors: what every other room speaks.

This room imports nothing of ours, reads no clock and does no I/O.
"""
