"""Judges: a text and a question about it, answered yes, no or unknown, with a measured error.

Not a judge of policies (that is `policy.decide`), and never the sole reason to allow an irreversible effect. This room
imports core, policy and stats only; a model behind a judge enters as the Protocol `judgement.Asks`, the encoder of the
refusal judge as a path. The modules load numpy when they are imported; the room itself loads nothing.
"""
