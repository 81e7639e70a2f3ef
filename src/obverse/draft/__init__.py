"""Drafting: a policy in prose → statements → several formalisations of each → what a person accepted, as a policy.

Rests on `core`, `policy` and `solver`; a model enters as the Protocol `draft.model.Model`. Nothing here is accepted by
anything but a person, and nothing of the prose is dropped silently. The page is docs/design/draft.md.
"""
