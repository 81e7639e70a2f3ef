"""The one place that wires rooms together: plan, journal, run, resume, score, claim.

Laws: L11 (nothing that was not scored counts as kept), L18 (what will be claimed is fixed and digested before a trial runs).
"""
