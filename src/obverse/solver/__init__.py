"""The solver: `Checked` + a question → `Holds`, `Fails` with a witness, or `Undecided` with a reason.

Rests on `core` and `policy` only. Z3 is loaded by the modules that ask it (`find`, `analyse`), never by this file.
Law L06: every witness is replayed through the reference evaluator before anyone sees it.
"""
