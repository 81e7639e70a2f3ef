"""How well drafting gets back what a policy says: rules → plain English → several drafts → questions → rules, with known truth.

    python benchmarks/draft.py [--out benchmarks/results/draft.json] [--full] [--prose FILE]

Each rule of the corpus is said in English by `draft.english`, put into a page of prose with the others of its policy, split,
drafted by a scripted model, settled by the solver; questions are answered by the true rule. What would then be accepted is
compared with the truth by the solver: *equivalent* at once, *resolved* (equivalent after questions), *wrong* (with or without a
question before), *not formalised*. The models: one that knows the truth and says it in other forms; some that slip in a known
share of their drafts, each draft by itself or all drafts of a statement alike, with and without a confirming question; one that
talks nonsense. `--full` adds small real models that run here, over a sample; their figures stand beside, however low.

`--prose FILE` tries a long document: seconds to split it, pieces, and whether every character is in one; drafting all of it with
a scripted model, interrupted half-way and resumed. Its figures are kept in the result file, none of its text.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from obverse.cli.load import load
from obverse.core.errors import MisuseError, UnavailableError
from obverse.core.verdicts import Truth
from obverse.draft.accept import answer
from obverse.draft.classes import Rules, Settler
from obverse.draft.english import english
from obverse.draft.model import Model, Prompt
from obverse.draft.pieces import plain
from obverse.draft.split import read_prose, split
from obverse.draft.state import Entry, State, read_state, write_state
from obverse.draft.terms import Ground, ground_of, read_rules
from obverse.draft.work import Design, Drafting
from obverse.policy.print import text_of
from obverse.testing.drafters import Babbler, Drafter

ROOT = Path(__file__).parents[1]
POLICIES = (*sorted((ROOT / "examples").glob("*/policy.md")), *sorted((ROOT / "benchmarks" / "policies").glob("*.md")))
FEWEST = 60
MOST_QUESTIONS = 8


@dataclass(frozen=True)
class Page:
    """A page of prose with what each of its sentences truly means."""

    name: str
    text: str
    ground: Ground
    truth: dict[str, tuple[str, ...]]


def corpus(paths: Sequence[Path] = POLICIES, *, most: int = 4, longest: int = 400) -> list[Page]:
    """A page for each policy, of so many of its rules, spread over its clauses; two rules that sound alike are one sentence."""
    pages = []
    for path in paths:
        checked = load(path)
        rules = [rule for clause in checked.source.clauses for rule in clause.rules]
        stride = max(1, len(rules) // most)
        said: dict[str, tuple[str, ...]] = {}
        for rule in rules[::stride][:most]:
            sentence = english(rule)
            if len(sentence) <= longest:
                said[plain(sentence)] = (text_of(rule),)
        text = f"# {checked.name}\n\n" + "\n\n".join(said) + "\n"
        pages.append(Page(checked.name, text, ground_of(checked), said))
    return pages


@dataclass
class Score:
    """What became of the rules."""

    outcomes: Counter[str] = field(default_factory=Counter)
    questions: int = 0
    calls: int = 0
    drafts: int = 0
    wrong_drafts: int = 0
    wrong_caught: int = 0
    unread: int = 0


def go(page: Page, models: Sequence[Model], design: Design, score: Score) -> State:
    """The page drafted, its questions answered by the truth, and counted."""
    drafting = Drafting(State(), models, design)
    drafting.take_up(page.text, source=page.name, ground=page.ground)
    asyncio.run(_asked(drafting, page.text))
    drafting.settle()
    settler = Settler(drafting.terms(), page.ground)
    asked: Counter[str] = Counter()
    for _ in range(MOST_QUESTIONS):
        open_ = [entry for entry in drafting.state.entries if entry.question is not None]
        for entry in open_:
            question = entry.question
            true = read_rules("\n".join(page.truth[entry.statement.plain]))
            says = settler.says(true, question.asks, question.history, question.step)
            asked[entry.id] += 1
            drafting.state = answer(drafting.state, entry.id, says, by="the truth")
        if not open_:
            break
        drafting.settle()
    for entry in drafting.state.entries:
        true = page.truth.get(entry.statement.plain)
        if true is None:
            raise SystemExit(f"{page.name}: a sentence was not split as it was written: {entry.statement.plain}")
        _count(entry, read_rules("\n".join(true)), settler, asked[entry.id], score)
    score.questions += asked.total()
    score.calls += drafting.state.calls
    return drafting.state


async def _asked(drafting: Drafting, text: str) -> None:
    """Everything that a model is needed for; engines of models that run here end with it."""
    try:
        await drafting.run(text)
    finally:
        for model in drafting.models:
            if isinstance(model, Local):
                await model.target.close()


def _count(entry: Entry, true: Rules, settler: Settler, asked: int, score: Score) -> None:
    for draft in entry.drafts:
        score.drafts += 1
        if draft.says == "failed":
            score.unread += 1
            continue
        same = settler.pair(true, read_rules("\n".join(draft.rules))).same
        score.wrong_drafts += same is Truth.FALSE
        score.wrong_caught += same is Truth.FALSE and bool(draft.out)
    before = "after questions" if asked else "at once"
    if entry.status != "agreed":
        score.outcomes["left open" if entry.status in {"split", "question"} else "not formalised"] += 1
        return
    same = settler.pair(true, read_rules("\n".join(entry.groups[0].rules))).same
    verdict = {Truth.TRUE: "equivalent", Truth.FALSE: "wrong", Truth.UNKNOWN: "undecided"}[same]
    score.outcomes[f"{verdict} {before}"] += 1


def trial(pages: Sequence[Page], make: Callable[[Page], list[Model]], design: Design) -> dict[str, Any]:
    """One row of the table."""
    score, started = Score(), time.perf_counter()
    for page in pages:
        go(page, make(page), design, score)
    rules = sum(len(page.truth) for page in pages)
    return {
        "rules": rules,
        "drafts of each": design.drafts,
        "confirming questions": design.confirm,
        **{name: score.outcomes[name] for name in sorted(score.outcomes)},
        "questions": score.questions,
        "drafts": score.drafts,
        "drafts that cannot be read": score.unread,
        "wrong drafts": score.wrong_drafts,
        "wrong drafts put out": score.wrong_caught,
        "calls": score.calls,
        "seconds": round(time.perf_counter() - started, 1),
    }


# --- a long document ----------------------------------------------------------------------------------------------------


def long_document(path: Path) -> dict[str, Any]:
    """A long document: split, drafted by a scripted model over the terms of a desk, stopped half-way, resumed, edited."""
    text = read_prose(path.read_bytes(), source=path.name)
    started = time.perf_counter()
    cut = split(text)
    seconds = time.perf_counter() - started
    taken = bytearray(len(text))
    for piece in (*cut.statements, *cut.others):
        taken[piece.start : piece.end] = b"\1" * (piece.end - piece.start)
    left = sum(not seen and not character.isspace() for seen, character in zip(taken, text))
    page = corpus([ROOT / "benchmarks" / "policies" / "desk.md"], most=99)[0]
    rules = list(page.truth.values())
    normative = [one.plain for one in cut.statements if one.kind == "normative"]
    truth = {said: rules[place % len(rules)] for place, said in enumerate(normative)}
    return {
        "characters": len(text),
        "seconds to split": round(seconds, 2),
        "characters in no piece": left,
        "statements": len(cut.statements),
        **{f"statements, {kind}": count for kind, count in sorted(Counter(one.kind for one in cut.statements).items())},
        "other pieces": len(cut.others),
        **_long_drafting(text, path.name, page.ground, truth),
    }


def _long_drafting(text: str, source: str, ground: Ground, truth: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    first, second, third = (Drafter(truth, rate=0.1, seed=1) for _ in range(3))
    design = Design(drafts=3)
    started = time.perf_counter()

    def tell(now: Any) -> None:
        if now.stage == "drafting" and now.done * 2 >= now.total:
            drafting.stop()

    drafting = Drafting(State(), [first], design, tell=tell)
    drafting.take_up(text, source=source, ground=ground)
    asyncio.run(drafting.run(text))
    data = write_state(drafting.state)
    drafting = _resumed(data, text, source, second, design)
    drafted = round(time.perf_counter() - started, 1)
    data = write_state(drafting.state)
    edited = text.replace(" must ", " really must ", 1)
    after = _resumed(data, edited, source, third, design)
    calls = Counter(task for model in (first, second) for task, _ in model.asked)
    return {
        "seconds to draft and settle all of it": drafted,
        "calls for terms": calls["terms"],
        "calls for rules, stopped half-way and resumed": calls["rules"],
        "drafts wanted": design.drafts * len({entry.id for entry in drafting.state.entries if entry.is_normative}),
        "outcomes": dict(sorted(Counter(entry.status for entry in drafting.state.entries).items())),
        "bytes of the state": len(data),
        "calls after an edit of one statement": len(third.asked),
        "statements after the edit": len(after.state.entries),
    }


def _resumed(data: bytes, text: str, source: str, model: Model, design: Design) -> Drafting:
    drafting = Drafting(read_state(data), [model], design)
    drafting.take_up(text, source=source)
    asyncio.run(drafting.run(text))
    drafting.settle()
    return drafting


# --- real models --------------------------------------------------------------------------------------------------------

REAL = ("smollm2-135m", "qwen-coder-0.5b")
SHORT_TERMS = 2_500
TOKENS = 160


class Local:
    """A small model on this machine."""

    def __init__(self, name: str) -> None:
        from obverse.targets.local import LocalModel
        from obverse.targets.local_settings import LocalSettings
        from obverse.targets.protocol import Connection

        self.target = LocalModel(name, Connection(timeout_s=600), LocalSettings(context=4096))
        self.identity = self.target.fingerprint()

    async def complete(self, prompt: Prompt) -> str:
        from obverse.core.chat import ChatMessage, Sampling

        messages = (ChatMessage(role="system", content=prompt.system), ChatMessage(role="user", content=prompt.user))
        sampling = Sampling(temperature=prompt.temperature, max_tokens=TOKENS, seed=prompt.seed)
        return (await self.target.complete(messages, sampling=sampling)).text


def real(name: str, prose: Path | None, most: int) -> dict[str, Any]:
    """What a small model drafts of a sample of the corpus, and of a long document if there is one."""
    sample = [page for page in corpus(most=2) if sum(map(len, page.ground.terms)) <= SHORT_TERMS]
    design = Design(drafts=3, repairs=1, concurrency=2)
    row = trial(sample[: max(1, most // 2)], lambda _page: [Local(name)], design)
    row["tokens of a reply, at most"] = TOKENS
    if prose is not None:
        row["of a long document"] = _real_long(name, prose, most)
    return row


def _real_long(name: str, prose: Path, most: int) -> dict[str, Any]:
    """A sample of normative statements of a long document, from the terms on: nobody knows the truth, so only what came."""
    said = [one.plain for one in split(read_prose(prose.read_bytes())).statements if one.kind == "normative"]
    text = "\n\n".join(said[:: max(1, len(said) // most)][:most])
    started = time.perf_counter()
    drafting = Drafting(State(), [Local(name)], Design(drafts=2, repairs=1, concurrency=2))
    drafting.take_up(text, source=prose.name)
    asyncio.run(_asked(drafting, text))
    drafting.settle()
    return {
        "statements": len(drafting.state.entries),
        "terms proposed": len(drafting.state.words),
        "terms refused": len(drafting.state.refused),
        "outcomes": dict(sorted(Counter(entry.status for entry in drafting.state.entries).items())),
        "calls": drafting.state.calls,
        "seconds": round(time.perf_counter() - started, 1),
    }


# --- the table ----------------------------------------------------------------------------------------------------------

ROWS: dict[str, tuple[Callable[[Page], list[Model]], Design]] = {
    "knows the truth": (lambda page: [Drafter(page.truth)], Design(drafts=5)),
    "slips in 30 % of its drafts, each by itself": (lambda page: [Drafter(page.truth, rate=0.3)], Design(drafts=5)),
    "slips in 30 % of its statements, all drafts alike": (
        lambda page: [Drafter(page.truth, rate=0.3, alike=1.0)], Design(drafts=5),
    ),
    "slips in 30 % of its statements, all drafts alike, with two confirming questions": (
        lambda page: [Drafter(page.truth, rate=0.3, alike=1.0)], Design(drafts=5, confirm=2),
    ),
    "slips in 30 % of its statements, all drafts alike, beside a second model that slips by itself": (
        lambda page: [Drafter(page.truth, rate=0.3, alike=1.0), Drafter(page.truth, rate=0.3, seed=1)], Design(drafts=5),
    ),
    "talks nonsense": (lambda _page: [Babbler()], Design(drafts=5)),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "draft.json")
    parser.add_argument(
        "--full", action="store_true", help="small real models too, where they were fetched; some minutes each"
    )
    parser.add_argument("--only-real", action="store_true", help="nothing but those")
    parser.add_argument("--prose", type=Path, help="a long document in prose, such as a public model specification")
    parser.add_argument("--sample", type=int, default=12, help="rules that real models are asked for")
    parser.add_argument("--per-policy", type=int, default=2)
    options = parser.parse_args()
    result = json.loads(options.out.read_text()) if options.out.exists() else {}
    result |= {
        "command": "python benchmarks/draft.py",
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load when started": round(os.getloadavg()[0], 1),
    }
    if not options.only_real:
        pages = corpus(most=options.per_policy)
        rules = sum(len(page.truth) for page in pages)
        if rules < FEWEST:
            raise SystemExit(f"{rules} rules are too few")
        result |= {"policies": len(pages), "rules": rules, "rows": {}}
        for name, (make, design) in ROWS.items():
            result["rows"][name] = trial(pages, make, design)
            print(name, json.dumps(result["rows"][name], indent=2), flush=True)
        if options.prose:
            result["long document"] = long_document(options.prose)
            print(json.dumps(result["long document"], indent=2), flush=True)
    for name in REAL if options.full or options.only_real else ():
        try:
            row = real(name, options.prose, options.sample)
        except (UnavailableError, MisuseError) as error:
            row = {"not measured": error.message}
        result.setdefault("real models", {})[name] = {"command": "python benchmarks/draft.py --full", **row}
        print(name, json.dumps(result["real models"][name], indent=2), flush=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
