"""Estimates with intervals, and claims that may be settled at any time. Pure; imports core only.

    counts      how the trials of each case ended: four outcomes, none dropped
    exact       Clopper–Pearson bounds and binomial tails, for a number of trials that was fixed first
    betting     evidence and bounds that hold whenever one stops
    schedule    which cases make up a block: the order of trials that the proofs rest on
    estimates   `estimate`: the one calculator of rates; `describe` words them
    judged      what the measured error of a judge does to a rate
    claims      `weigh` and `settle`: from trials to holds, fails, undecided, over a family of claims
    sequential  `SequentialClaim`: one claim, fed trial by trial, resumable
    power       what a number of trials can show, and how many more would settle a claim

The proofs stand in `docs/design/stats.md`. Laws L10, L11. numpy and scipy load when a function needs them.
"""
