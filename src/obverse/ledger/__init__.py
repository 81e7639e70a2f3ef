"""The append-only log of everything that was decided or measured, in the tlog-tiles form of C2SP.

A stranger verifies it offline, without this package: the forms are public and small.
"""
