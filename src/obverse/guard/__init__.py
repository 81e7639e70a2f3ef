"""The guard: the policy in front of the agent. It blocks before the act, asks people, holds grants and leases, and records first.

The room has one core (`guard`, `session`) and no way of its own into an agent; those are `gateway` and the adapters.
"""
