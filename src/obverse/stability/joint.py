"""Do external and internal signals together find the prompts that waver?"""

from __future__ import annotations

from collections.abc import Sequence

from obverse.stability.findings import Joint, PromptFinding, Signals
from obverse.stability.records import Draw, Settings


def joint(
    findings: Sequence[PromptFinding], signals: Sequence[Signals], settings: Settings, *, draws: Sequence[Draw] = ()
) -> Joint:
    """Detectors of unstable prompts, held out by family, each signal alone and all together.

    `draws` add the token entropy on the rungs; draws of base points, which placed the prompts, are not used as signals.
    """
    return Joint(lines=(), association=None, says="cannot be told: not written yet", unstable=0, of=len(findings))
