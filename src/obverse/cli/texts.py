"""`obverse texts`: the cases of a policy in other words, by our own phrases or by a model, each checked."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from obverse.cli.exit_codes import ExitCode
from obverse.cli.numbers import Finite
from obverse.cli.output import json_option, note, one_line, print_json, say, when_interrupted
from obverse.core.errors import MisuseError

if TYPE_CHECKING:
    from obverse.cases.context import Context
    from obverse.cases.diversity import Diversity
    from obverse.cases.labellers import Embeds, Labeller
    from obverse.cases.realise import Realised
    from obverse.cases.records import Case
    from obverse.cases.telling import Texts
    from obverse.policy.checked import Checked
    from obverse.targets.protocol import Target

_COUNT = click.IntRange(min=1, max=1000)
_LARGEST = 1_000_000_000


@click.command()
@click.argument("policy", type=click.Path(path_type=Path))
@click.option(
    "--cases", "source", type=click.Path(path_type=Path), help="Cases of this policy; by default they are derived."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the cases here, one JSON a line."
)
@click.option(
    "--in",
    "contexts",
    multiple=True,
    metavar="FACTOR=VALUE,…",
    help="A context, such as language=de,register=polite; of several, each family of cases gets one.",
)
@click.option(
    "--vary",
    "varied",
    multiple=True,
    metavar="FACTOR",
    help="Each family gets one of the values of: language, register, persona, channel, turn, technique.",
)
@click.option("--writer", help="A target that puts the messages into other words: openai:MODEL, local:NAME, …")
@click.option(
    "--labeller",
    default="nearest",
    show_default=True,
    help="Who says whether a text still means it: nearest (to the examples), patterns, or a target that is asked.",
)
@click.option("--same-model", is_flag=True, help="Let the writer be its own labeller.")
@click.option("--attempts", type=_COUNT, default=3, show_default=True, help="How often one text is asked for.")
@click.option("--temperature", type=Finite(min=0), default=0.8, show_default=True, help="Of the writer.")
@click.option("--max-tokens", type=_COUNT, default=200, show_default=True, help="Of one text.")
@click.option("--concurrency", type=_COUNT, default=16, show_default=True, help="Questions under way at once.")
@click.option(
    "--timeout", type=Finite(min=0, min_open=True), default=120.0, show_default=True, help="Seconds for one question."
)
@click.option("--base-url", help="Where an openai: or anthropic: endpoint is, such as http://localhost:8000/v1.")
@click.option("--api-key-env", help="The environment variable that holds the key; by default that of the SDK.")
@click.option(
    "--answers",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where answers are recorded; by default beside the output. What is there is not asked again.",
)
@click.option(
    "--seed", type=click.IntRange(min=0, max=2**63 - 1), default=0, show_default=True, help="Of derived cases."
)
@json_option
def texts(policy: Path, **given: Any) -> ExitCode:
    """Put the cases of POLICY into other words: another language, register, channel or manner, or the words of a model.

    Every text keeps its labels and values, or it is not used. What a model writes goes through a round trip: a labeller that
    did not write it recovers from the text alone what is true of it, and unknown is rejected like wrong. Exit code 4: some cases
    could not be put so and are left out.
    """
    from obverse.cases.files import digest_of, write_cases
    from obverse.cli.load import load
    from obverse.core.files import write_whole

    checked = load(policy)
    contexts = _contexts(checked, given["contexts"], given["varied"])
    before = _cases(checked, given)
    with when_interrupted(_advice(given)):
        told = asyncio.run(_told(checked, before, contexts, given))
        if given["output"] is not None:
            write_whole(given["output"], write_cases(told.cases))
            note(f"wrote {one_line(str(given['output']))}")
    found = {
        "policy": {"name": checked.name, "version": checked.version, "digest": checked.digest},
        "cases": len(told.cases),
        "digest": digest_of(told.cases),
        "output": None if given["output"] is None else str(given["output"]),
        "untold": dict(Counter(one.reason for one in told.untold).most_common()),
        **_written(told.realised, given),
        "diversity": {"before": _diversity(checked, before), "after": _diversity(checked, told.cases)},
    }
    if given["as_json"]:
        print_json(found)
    else:
        _print(f"{checked.name} {checked.version}", found)
    return ExitCode.UNDECIDED if told.untold else ExitCode.HOLDS


# --- what is asked for ------------------------------------------------------------------------------------------------------


def _contexts(checked: Checked, named: Sequence[str], varied: Sequence[str]) -> list[Context]:
    """The contexts among which each family gets one; what is named goes into each."""
    from obverse.cases.context import FACTORS, LANGUAGE, whole
    from obverse.cases.tongues import languages

    base = [whole(_parsed(text)) for text in named] or [{}]
    for factor in varied:
        if factor not in FACTORS:
            whole({factor: ""})  # says which there are
    values = [languages(checked) if factor == LANGUAGE else FACTORS[factor] for factor in varied]
    drawn = [dict(zip(varied, row, strict=True)) for row in itertools.product(*values)]
    return [{**one, **row} for one in base for row in drawn]


def _parsed(text: str) -> dict[str, str]:
    context = {}
    for part in text.split(","):
        factor, equals, value = part.partition("=")
        if not equals:
            raise MisuseError(f"`{part}` is no factor with a value", code="U020", hint="such as `--in register=polite`")
        context[factor.strip()] = value.strip()
    return context


def _cases(checked: Checked, given: Mapping[str, Any]) -> tuple[Case, ...]:
    from obverse.cases.files import read_cases
    from obverse.cases.invert import invert
    from obverse.cli.load import read_file

    if given["source"] is None:
        note("deriving the cases")
        return invert(checked, seed=given["seed"]).cases
    cases = tuple(read_cases(read_file(given["source"], _LARGEST, "the cases"), source=str(given["source"])))
    strange = next((case for case in cases if case.policy != checked.digest), None)
    if strange is not None:
        raise MisuseError(
            f"the case `{strange.id}` is of another policy",
            code="U021",
            hint="derive the cases again with `obverse cases`",
        )
    return cases


# --- the work ---------------------------------------------------------------------------------------------------------------


async def _told(
    checked: Checked, cases: Sequence[Case], contexts: Sequence[Context], given: Mapping[str, Any]
) -> Texts:
    from obverse.cases.answers import Answers
    from obverse.cases.realise import Settings, realise
    from obverse.cases.telling import tell

    if given["writer"] is None:
        return await tell(checked, cases, contexts)
    writer = _target(given["writer"], given)
    labeller, asked = _labeller(checked, given)
    path = _answers(given)
    answers = None if path is None else Answers(path)
    progress = _Progress()
    settings = Settings(
        attempts=given["attempts"], temperature=given["temperature"], max_tokens=given["max_tokens"],
        concurrency=given["concurrency"], same_model=given["same_model"],
    )  # fmt: skip

    async def write(several: Sequence[Case], language: str | None) -> Realised:
        return await realise(
            checked, several, writer, labeller, language=language, settings=settings, answers=answers,
            progress=progress.tell,
        )  # fmt: skip

    try:
        return await tell(checked, cases, contexts, write=write)
    finally:
        progress.close()
        if answers is not None:
            answers.close()
        await writer.close()
        if asked is not None:
            await asked.close()


def _labeller(checked: Checked, given: Mapping[str, Any]) -> tuple[Labeller, Target | None]:
    """Who labels, and the target behind, which is to be closed."""
    from obverse.campaign.labelling import model_labeller
    from obverse.cases.labellers import NearestLabeller, PatternLabeller

    if given["labeller"] == "patterns":
        return PatternLabeller(), None
    if given["labeller"] == "nearest":
        encoder = _encoder()
        if encoder is None:
            note("texts are compared by their words, which is weak: `obverse models fetch minilm-l6-v2`")
        return NearestLabeller(checked, encoder), None
    target = _target(given["labeller"], given)
    return model_labeller(target, timeout_s=given["timeout"]), target


def _target(spec: str, given: Mapping[str, Any]) -> Target:
    from obverse.targets.open import open_target
    from obverse.targets.protocol import Connection

    connection = Connection(
        base_url=given["base_url"], api_key=_key(spec, given["api_key_env"]), timeout_s=given["timeout"],
        concurrency=given["concurrency"], python_path=(str(Path.cwd()),),
    )  # fmt: skip
    return open_target(spec, connection)


def _key(spec: str, name: str | None) -> str | None:
    """The key from the environment: it never stands in a command line or a file."""
    if name is not None and name not in os.environ:
        raise click.UsageError(f"the environment has no `{name}`")
    usual = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
    return os.environ.get(name or usual.get(spec.partition(":")[0], ""))


def _encoder() -> Embeds | None:
    from obverse.judges.encoder import Encoder
    from obverse.targets.catalogue import cache_folder, find, folder_of

    folder = folder_of(find("minilm-l6-v2"), cache_folder(os.environ))
    return Encoder.read(folder) if folder.exists() else None


def _answers(given: Mapping[str, Any]) -> Path | None:
    if given["answers"] is not None:
        return Path(given["answers"])
    output = given["output"]
    return None if output is None else output.with_name(f"{output.name}.answers")


def _advice(given: Mapping[str, Any]) -> str:
    path = _answers(given)
    if given["writer"] is None or path is None:
        return "nothing was written"
    return f"nothing was written; the same command goes on with the answers in `{path}`"


class _Progress:
    """Attempts, rate and time left on stderr: one line that is rewritten on a terminal, else a line every ten seconds."""

    def __init__(self) -> None:
        self.began = self.told = time.monotonic()
        self.on_terminal = sys.stderr.isatty()

    def tell(self, done: int, most: int, accepted: int) -> None:
        now = time.monotonic()
        if now - self.told < (0.2 if self.on_terminal else 10):
            return
        self.told = now
        rate = done / (now - self.began)
        text = f"{done:,} of at most {most:,} texts  {accepted:,} accepted  {rate:,.1f}/s  at most {(most - done) / rate:,.0f} s left"
        click.echo(f"\r\033[K{text}" if self.on_terminal else text, err=True, nl=not self.on_terminal)

    def close(self) -> None:
        if self.on_terminal:
            click.echo("\r\033[K", err=True, nl=False)


# --- what is printed --------------------------------------------------------------------------------------------------------


def _written(rounds: Sequence[Realised], given: Mapping[str, Any]) -> dict[str, Any]:
    """What became of the messages; nothing where no model was asked."""
    if given["writer"] is None:
        return {"writer": None, "labeller": None, "realised": None, "rejected": {}, "fallback": None}
    rejected: Counter[str] = Counter()
    for one in rounds:
        rejected.update(one.rejected)
    return {
        "writer": given["writer"],
        "labeller": given["labeller"],
        "messages": sum(one.messages for one in rounds),
        "realised": sum(one.told for one in rounds),
        "fallback": sum(one.fallback for one in rounds),
        "written": sum(one.written for one in rounds),
        "accepted": sum(one.accepted for one in rounds),
        "rejected": dict(rejected.most_common()),
    }


def _diversity(checked: Checked, cases: Sequence[Case]) -> Mapping[str, Diversity]:
    from obverse.cases.diversity import figures
    from obverse.cases.tongues import main_language

    return figures(cases, main_language(checked), _encoder())


def _print(name: str, found: Mapping[str, Any]) -> None:
    say(f"{one_line(name)}: {found['cases']} cases")
    for reason, count in found["untold"].items():
        say(f"  {count} left out: {one_line(reason)}")
    if found["writer"] is not None:
        say(
            f"{found['realised']} of {found['messages']} messages in the words of {one_line(found['writer'])}, "
            f"{found['fallback']} in our own; {found['written']} texts were written, {found['accepted']} accepted"
        )
        for reason, count in found["rejected"].items():
            say(f"  {count} rejected: {reason}")
    say()
    say(f"{'diversity':18}  texts  distinct-1  distinct-2  distinct-3  distance  vendi")
    for when in ("before", "after"):
        for language, row in found["diversity"][when].items():
            cells = (row.distinct_1, row.distinct_2, row.distinct_3, row.distance, row.vendi)
            shown = [
                f"{'.' if cell is None else f'{cell:.2f}':>{width}}"
                for cell, width in zip(cells, (10, 10, 10, 8, 5), strict=True)
            ]
            say(f"{f'{when}, {language}':18}  {row.texts:5}  {'  '.join(shown)}")
