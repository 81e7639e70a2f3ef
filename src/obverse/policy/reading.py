"""Reading JSON values as typed values: the one place where bytes become something that a rule can test.

A value is `str`, `Fraction` (numbers, exact), `bool`, `Instant`/`Span` (milliseconds), a tuple (list), or a dict (record,
map). What is missing or of another type is an `Unknown`, never a default. Arguments are read from the raw text that the
target wrote: a duplicate key, a number too large, a byte that is no JSON makes them malformed as a whole, since two
programs may read them in two ways.
"""
