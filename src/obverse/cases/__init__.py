"""Inversion: `Checked` → obligations → cases with their twins, and what they cover.

A case is a world, what the user says, and the verdict that `decide` gives on the act that is wanted. Laws: L07 a case and its
twin differ in one condition and have opposite verdicts; L08 coverage is recomputed from the cases; L09 same policy, settings
and seed, same bytes. Rests on `core`, `policy`, `solver`; runs nothing and calls no model.
"""
