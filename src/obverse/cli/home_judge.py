"""The judge of a guard's home, as its `guard.toml` names it: a model for judged predicates, a consensus for those about wavering."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obverse.campaign.standing_judge import StandingJudge
    from obverse.guard.home import Home
    from obverse.judges.judgement import Judge


def judge_of_home(home: Home) -> StandingJudge | None:
    """The judge, listening; None where the home names none."""
    from obverse.campaign.standing_judge import judge_of

    return judge_of(home.configuration.judge, seconds=home.settings.judge_seconds, refusal=_refusal)


def _refusal() -> Judge:
    """The shipped judge of refusal, with its encoder if that was fetched; phrases decide where it is in doubt."""
    from obverse.judges.encoder import Encoder
    from obverse.judges.keywords import KeywordJudge
    from obverse.judges.refusal import RefusalJudge
    from obverse.judges.second import SecondOpinion
    from obverse.targets.catalogue import cache_folder, find, folder_of

    folder = folder_of(find("minilm-l6-v2"), cache_folder(os.environ))
    encoder = Encoder.read(folder) if folder.exists() else None
    return SecondOpinion(RefusalJudge(encoder), KeywordJudge())
