"""Thin shims for the frameworks that people build agents with: their public API on one side, a guard's session on the other.

None decides anything. Each is imported by who uses it (`obverse.guard.adapters.openai_agents`), and only then the framework.
What each can and cannot promise is a table in `docs/guides/ways-in.md`.
"""
