"""Mutation score: small changes of a policy, and whether a suite of cases notices them.

A mutant is the policy with one fault that an author could make. A case kills it if `decide` gives another verdict with it than
the case expects. What no case kills is proved to be the same policy by the solver, or shown not to be by a scenario, which
becomes a case. Not a score of a target: no model is run here. Design: `docs/design/cases.md`, `docs/concepts/mutation.md`.
"""
