"""From the options of `obverse stability` to a prepared run: prompts, ladders, judges, subject. Not a command."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from obverse.cli.output import note

if TYPE_CHECKING:
    from obverse.campaign.stability.prompts import Population
    from obverse.campaign.stability.run import StabilityRun
    from obverse.campaign.stability.scoring import Panel, Rater
    from obverse.campaign.stability.subjects import Subject
    from obverse.judges.encoder import Encoder
    from obverse.policy.checked import Checked
    from obverse.stability.records import Ladder, Prompt, Settings
    from obverse.targets.protocol import Connection

_LARGEST_SUITE = 256 * 1024 * 1024
_KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}


def prepared(given: dict[str, Any]) -> StabilityRun:
    """The run that these options mean, its plan fixed; the subject is opened, and nothing was asked of it."""
    from obverse.campaign.stability.planning import check_run
    from obverse.campaign.stability.prompts import Population, spread
    from obverse.campaign.stability.run import StabilityRun
    from obverse.cli.load import load
    from obverse.core.errors import MisuseError

    settings = settings_of(given)
    check_run(settings)
    checked = None if given["policy"] is None else load(given["policy"])
    population = Population(prompts=())
    if checked is not None and not given["only_behaviours"]:
        population = _cases(checked, given)
    if given["behaviours"]:
        population += _published(given)
    if checked is None and not given["behaviours"]:
        raise MisuseError(
            "nothing says what to ask", code="B540", hint="name a policy, or published requests with --behaviours"
        )
    if given["controls"]:
        population = _controlled(population, given["seed"])
    if given["limit"] is not None:
        population = spread(population, given["limit"], seed=given["seed"])
    encoder = _encoder()
    subject = _subject(given, population)
    try:
        panel = _panel(given, checked, population, encoder)
        ladders = _ladders(population.prompts, settings, given, encoder)
        policy = (
            {} if checked is None else {"name": checked.name, "version": str(checked.version), "digest": checked.digest}
        )
        return StabilityRun(
            population.prompts, ladders, settings, subject, panel, policy=policy, encoder=encoder,
            rewriter=given["rewriter"] or "", command=_command(),
        )  # fmt: skip
    except BaseException:
        asyncio.run(subject.close())
        raise


def settings_of(given: dict[str, Any]) -> Settings:
    """The settings that these options are."""
    from obverse.stability.records import Settings

    usual = Settings()
    ladders = usual.ladders if given["ladders"] is None else _names(given["ladders"])
    return Settings(
        ladders=ladders,
        **{
            name: given[name] if given[name] is not None else getattr(usual, name)
            for name in Settings.__struct_fields__
            if name != "ladders"
        },
    )


def _cases(checked: Checked, given: dict[str, Any]) -> Population:
    """The cases of a file, or those that follow from the policy, as prompts."""
    from obverse.campaign.stability.prompts import prompts_of
    from obverse.cases.files import read_cases
    from obverse.cases.given import suite_of
    from obverse.cases.invert import invert
    from obverse.cli.load import read_file

    if given["cases"] is not None:
        source = str(given["cases"])
        cases = read_cases(read_file(given["cases"], _LARGEST_SUITE, "the file of cases"), source=source)
        return prompts_of(checked, suite_of(checked, tuple(cases), seed=given["seed"], source=source))
    note("deriving the cases")
    return prompts_of(checked, invert(checked, seed=given["seed"]))


def _published(given: dict[str, Any]) -> Population:
    from obverse.campaign.stability.behaviours import behaviours
    from obverse.campaign.stability.prompts import Population
    from obverse.targets.catalogue import cache_folder

    names = _names(given["behaviours"])
    return Population(prompts=behaviours(names, cache_folder(os.environ), limit=given["per_set"], seed=given["seed"]))


def _controlled(population: Population, seed: int) -> Population:
    from obverse.campaign.stability.controls import with_controls
    from obverse.campaign.stability.prompts import Population

    return Population(prompts=with_controls(population.prompts, seed=seed), cases=population.cases)


def _subject(given: dict[str, Any], population: Population) -> Subject:
    from obverse.campaign.stability.subjects import Means, opened
    from obverse.targets.catalogue import cache_folder
    from obverse.testing.wavering import wavering_opener

    if given["ray"] is not None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    cache = cache_folder(os.environ)
    means = Means(
        connection=_connection(given, given["spec"]), cache=cache, converted=cache.parent / "converted", dtype=given["dtype"],
        threads=given["threads"], device=given["device"], told=note, clock=time.monotonic, workers=_workers(given["ray"]),
    )  # fmt: skip
    return opened(given["spec"], means, inside=given["inside"], extra={"sim": wavering_opener(population.cases)})


def _workers(ray: int | None) -> int | None:
    return (os.cpu_count() or 1) if ray == 0 else ray


def _connection(given: dict[str, Any], spec: str) -> Connection:
    from obverse.targets.protocol import Connection

    return Connection(
        base_url=given["base_url"],
        api_key=_key(given, spec),
        timeout_s=given["timeout"],
        concurrency=given["concurrency"],
        python_path=(str(Path.cwd()),),
        alternatives=given["alternatives"] if spec == given["spec"] else 0,
    )


def _key(given: dict[str, Any], spec: str) -> str | None:
    """The key from the environment: it never stands in a command line, a plan or a report."""
    name = given["api_key_env"]
    if name is not None and name not in os.environ:
        raise click.UsageError(f"the environment has no `{name}`")
    return os.environ.get(name or _KEYS.get(spec.partition(":")[0], ""))


def _panel(given: dict[str, Any], checked: Checked | None, population: Population, encoder: Encoder | None) -> Panel:
    """The judges: the shipped one, with the list of phrases where it is in doubt; that list alone; and a model, if one was named."""
    from obverse.campaign.judging import reply_predicates
    from obverse.campaign.stability.scoring import Panel
    from obverse.judges.keywords import KeywordJudge
    from obverse.judges.model import ModelJudge
    from obverse.judges.refusal import RefusalJudge
    from obverse.judges.second import SecondOpinion
    from obverse.policy.checked import REFUSES
    from obverse.targets.open import open_target

    phrases = KeywordJudge()
    model = None
    if given["judge"]:
        model = ModelJudge(open_target(given["judge"], _connection(given, given["judge"])))
    others = sorted(reply_predicates(checked) - {REFUSES}) if checked is not None else []
    if others and model is None:
        note(f"nobody judges {', '.join(others)}: what rests on it will be unscored (name a model with --judge)")
    raters = [
        _rater("refusal", SecondOpinion(RefusalJudge(encoder), phrases), model, checked, others),
        _rater("keywords", phrases, model, checked, others),
    ]
    if model is not None:
        raters.append(_rater(given["judge"], model, model, checked, others))
    return Panel(raters, checked=checked, cases=population.cases)


def _rater(name: str, judge: Any, model: Any, checked: Checked | None, others: list[str]) -> Rater:
    from obverse.campaign.judging import Bench
    from obverse.campaign.stability.scoring import Rater
    from obverse.judges.cached import CachedJudge
    from obverse.judges.calibration import shipped_card
    from obverse.judges.judgement import Predicate, uncalibrated
    from obverse.judges.refusal import REFUSAL
    from obverse.policy.checked import REFUSES

    kept = CachedJudge(judge, {})
    judges: dict[str, Any] = {REFUSES: kept}
    predicates = {REFUSES: REFUSAL}
    cards = {REFUSES: shipped_card(kept, REFUSAL)}
    if model is not None and checked is not None:
        for other in others:
            predicates[other] = Predicate.of(checked.judged[other])
            judges[other], cards[other] = CachedJudge(model, {}), uncalibrated(model, predicates[other])
    return Rater(name=name, bench=Bench(judges=judges, predicates=predicates, cards=cards))


def _encoder() -> Encoder | None:
    from obverse.judges.encoder import Encoder
    from obverse.targets.catalogue import cache_folder, find, folder_of

    folder = folder_of(find("minilm-l6-v2"), cache_folder(os.environ))
    if folder.exists():
        return Encoder.read(folder)
    note("without its encoder the refusal judge is in doubt more often, and clusters of meaning are not known")
    note("  (`obverse models fetch minilm-l6-v2`)")
    return None


def _ladders(
    prompts: tuple[Prompt, ...], settings: Settings, given: dict[str, Any], encoder: Encoder | None
) -> tuple[Ladder, ...]:
    """The ladders, each after its round trip; those that a model writes are taken from the folder where a run goes on."""
    from obverse.campaign.stability.run import STANDING, read_standing
    from obverse.stability.ladders.build import ladders

    if given["rewriter"] is None:
        return ladders(prompts, settings)
    if given["resume"] and given["output"] is not None and (given["output"] / STANDING).exists():
        held = read_standing(given["output"])
        if held.prompts == prompts:
            return held.ladders
    return asyncio.run(_rewritten(prompts, settings, given, encoder))


async def _rewritten(
    prompts: tuple[Prompt, ...], settings: Settings, given: dict[str, Any], encoder: Encoder | None
) -> tuple[Ladder, ...]:
    from obverse.campaign.stability.rewriting import ModelRewrites
    from obverse.campaign.stability.vectors import KeptVectors
    from obverse.core.errors import MisuseError
    from obverse.stability.ladders.build import ladders
    from obverse.stability.ladders.rewriting import rewritten
    from obverse.targets.open import open_target

    if encoder is None:
        raise MisuseError(
            "what a model writes is compared by the encoder, which is not here", code="B541",
            hint="obverse models fetch minilm-l6-v2",
        )  # fmt: skip
    note(f"`{given['rewriter']}` writes the ladders that a model writes")
    target = open_target(given["rewriter"], _connection(given, given["rewriter"]))
    try:
        by_model = await rewritten(
            prompts, settings, ModelRewrites(target), KeptVectors(encoder.identity, encoder=encoder)
        )
    finally:
        await target.close()
    written = {ladder.name for ladder in by_model}
    others = msgspec.structs.replace(settings, ladders=tuple(name for name in settings.ladders if name not in written))
    return (*ladders(prompts, others), *by_model)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _command() -> str:
    """What was typed, as one line."""
    return (
        shlex.join(["obverse", *sys.argv[1:]])
        if "obverse" in Path(sys.argv[0]).name or sys.argv[0].endswith("__main__.py")
        else ""
    )
