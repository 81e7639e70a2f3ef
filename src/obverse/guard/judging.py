"""Asking judges: only what a verdict still hangs on, several at once, with one deadline, each answer remembered by content."""


class Judging:
    """The desk at which questions are asked."""
