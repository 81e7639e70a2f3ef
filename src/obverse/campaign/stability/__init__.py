"""Stability runs: prompts out of policies and published sets, plan, journal, run, resume. The wiring of the room `stability`."""
