"""The plan of a stability run: what will be asked, perturbed how, drawn how often. Made, and digested, before any draw (L18)."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Final, get_args

import msgspec

from obverse.campaign.stability.records import StabilityPlan, exact
from obverse.core.canon import digest
from obverse.core.errors import MisuseError
from obverse.stability.placing import check_settings
from obverse.stability.records import BASE, Ladder, LadderName, Point, Prompt, Rung, Settings

LADDERS: Final = get_args(LadderName)
STOPPING: Final = (
    "a prompt is drawn from, in the order of draw index, until it is placed in refuse, unstable or comply, or `most` draws are made; "
    "each rung gets `per_rung`; a cap or an interruption ends a start, and never turns what was found"
)
GREEDY: Final = "; at temperature 0 a further draw would say the same, so there is one"


def check_run(settings: Settings) -> None:
    """Raises a `MisuseError` unless these settings make a run."""
    for name in settings.ladders:
        if name not in LADDERS:
            near = difflib.get_close_matches(name, LADDERS, n=1)
            hint = f"did you mean `{near[0]}`?" if near else "known: " + ", ".join(f"`{known}`" for known in LADDERS)
            raise MisuseError(f"unknown ladder `{name}`", code="B501", hint=hint)
    if len(set(settings.ladders)) < len(settings.ladders):
        raise MisuseError(f"a ladder is named twice in `{','.join(settings.ladders)}`", code="B502")
    numbers = {"levels": settings.levels, "variants": settings.variants, "per-rung": settings.per_rung,
               "attempts": settings.attempts, "max-tokens": settings.max_tokens}  # fmt: skip
    for name, number in numbers.items():
        if number < 1:
            raise MisuseError(f"`{number}` {name} ask nothing", code="B503", hint="at least 1")
    if not 0 <= settings.temperature <= 10:  # nan is not within
        raise MisuseError(f"`{settings.temperature}` is no temperature", code="B504", hint="from 0, such as 0.7")
    check_settings(settings)


def points_of(prompts: Sequence[Prompt], ladders: Sequence[Ladder], settings: Settings) -> tuple[Point, ...]:
    """Every place to draw from: the prompts as they are first, then the rungs, those of one prompt together."""
    base = [_base(prompt, settings) for prompt in prompts]
    by_prompt: dict[str, list[Point]] = {prompt.id: [] for prompt in prompts}
    for ladder in ladders:
        by_prompt[ladder.prompt] += [_rung(ladder, rung, settings) for rung in ladder.rungs]
    return (*base, *(point for points in by_prompt.values() for point in points))


def plan_stability(
    prompts: Sequence[Prompt],
    ladders: Sequence[Ladder],
    settings: Settings,
    *,
    policy: Mapping[str, str],
    target: str,
    fingerprint: str,
    judges: Sequence[str],
    rewriter: str = "",
) -> StabilityPlan:
    """The plan of a run over these prompts and their ladders; `policy` has `digest`, `name` and `version`.

    Raises:
        MisuseError: there is nothing to ask, or two prompts have one name.
    """
    check_run(settings)
    if not prompts:
        raise MisuseError(
            "there is nothing to ask: no case follows, and no request was named", code="B505",
            hint="`obverse check` says why rules cannot fire; --behaviours names published requests",
        )  # fmt: skip
    names = [prompt.id for prompt in prompts]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise MisuseError(f"two prompts are called `{twice}`", code="B506")
    points = points_of(prompts, ladders, settings)
    base = sum(point.draws for point in points if point.adaptive)
    return StabilityPlan(
        policy=policy.get("digest", ""), policy_name=policy.get("name", ""), policy_version=policy.get("version", ""),
        target=target, fingerprint=fingerprint, settings=settings,
        asked=digest(exact(msgspec.to_builtins(list(prompts)))), ladders=digest(exact(msgspec.to_builtins(list(ladders)))),
        prompts=len(prompts), points=len(points), rejected=sum(len(ladder.rejected) for ladder in ladders),
        base_draws=base, rung_draws=sum(point.draws for point in points) - base,
        judges=tuple(judges), rewriter=rewriter, stopping=STOPPING + (GREEDY if settings.temperature == 0 else ""),
    )  # fmt: skip


def _base(prompt: Prompt, settings: Settings) -> Point:
    rung = Rung(ladder=BASE, level=0, strength=0.0, messages=prompt.messages, span=prompt.span)
    greedy = settings.temperature == 0
    return Point(
        prompt=prompt.id, rung=rung, temperature=settings.temperature,
        draws=1 if greedy else settings.most, adaptive=True,
    )  # fmt: skip


def _rung(ladder: Ladder, rung: Rung, settings: Settings) -> Point:
    temperature = settings.temperature if rung.temperature is None else rung.temperature
    return Point(
        prompt=ladder.prompt, rung=rung, temperature=temperature, draws=1 if temperature == 0 else settings.per_rung
    )
