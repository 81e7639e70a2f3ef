"""Grants: signed, scoped, counted, expiring relaxations of named clauses, and the register that counts and revokes them.

`statements` says which signatures make a grant count, `register` holds grants and counts their uses. What a grant does to a
decision is `policy.relax`; what it would newly allow is `solver.preview`.
"""
