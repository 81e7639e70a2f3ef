"""The policy language: text → `Policy` → `Checked`; and `decide`, the reference evaluator.

This room reads no clock and no network. It knows nothing of targets, cases or reports.
"""
