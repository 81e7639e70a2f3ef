"""What an exit means; scripts and CI of users stand on these numbers, so none ever changes."""

from enum import IntEnum


class ExitCode(IntEnum):
    """One number per answer; beside them the shell's own 130 (interrupted) and 141 (the reader of a pipe has gone)."""

    HOLDS = 0
    """The command did what it was asked to; where it judges, everything holds."""

    CRASH = 1
    """A fault of Obverse itself; nothing is concluded."""

    USAGE = 2
    """It could not be done as asked: a wrong call, bad input, or something that it needs is not there."""

    VIOLATED = 3
    """A clause is violated, or a finding stands."""

    UNDECIDED = 4
    """Nothing fails, but something that was asked is not known yet."""

    UNVERIFIED = 5
    """Evidence does not verify: do not trust it."""

    INTERRUPTED = 130
    """Stopped by Ctrl-C; what was recorded stays."""

    CLOSED_PIPE = 141
    """Whoever read our output went away before the end."""
