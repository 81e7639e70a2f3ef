"""Texts of a model: what a faithful writer writes is used, what a liar writes never is, and nothing is asked twice."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.cases.texts import library, library_suite

from obverse.cases.answers import Answers
from obverse.cases.context import AUTHOR
from obverse.cases.coverage import coverage
from obverse.cases.files import write_cases
from obverse.cases.labellers import Label, NearestLabeller, PatternLabeller, held_out
from obverse.cases.literals import added, lost, with_literals
from obverse.cases.prompt import message_in, prompt
from obverse.cases.realise import Realised, Settings, Writer, realise
from obverse.cases.roundtrip import Task, flaw, unwrapped
from obverse.cases.tasks import Tasks, heads
from obverse.cases.telling import tell
from obverse.core.chat import ChatMessage, Completion, Sampling
from obverse.core.errors import MisuseError, UnavailableError, UntrustedInputError
from obverse.core.verdicts import Truth
from obverse.policy.ast import JudgedTerm
from obverse.policy.decide import decide
from obverse.testing.writers import AttentiveLabeller, ScriptedWriter, faithful, liars

CASES = library_suite().cases


async def told_by(writer: Writer, **given: object) -> Realised:
    return await realise(library(), CASES, writer, AttentiveLabeller(), **given)  # type: ignore[arg-type]  # settings


async def test_what_a_faithful_writer_writes_is_used() -> None:
    found = await told_by(ScriptedWriter(faithful))
    assert found.told == found.messages == len(CASES)
    assert (found.fallback, found.rejected) == (0, {})
    assert coverage(library(), found.cases, library_suite().infeasible).levels == library_suite().coverage.levels
    for case in found.cases:
        decision = decide(library(), case.history, case.step)
        assert (decision.verdict, decision.clauses) == (case.verdict, case.clauses)
        assert case.id == case.content
        assert case.context[AUTHOR]


@pytest.mark.parametrize("lie", liars(library()))
async def test_what_a_liar_writes_is_never_used(lie: str) -> None:
    found = await told_by(ScriptedWriter(liars(library())[lie], lie))
    changed = {case.id for case in found.cases} - {case.id for case in CASES}
    assert (found.told, found.accepted, changed) == (0, 0, set())
    assert sum(found.rejected.values()) >= found.fallback


async def test_messages_that_differ_in_literals_share_their_words() -> None:
    writer = ScriptedWriter(faithful)
    found = await told_by(writer)
    assert writer.asked < found.tasks
    fees = [case.script[0].text for case in found.cases if case.clause == "fees"]
    assert len(fees) > 2
    assert len({re.sub(r"\$\d+", "$", text) for text in fees}) == 1


async def test_who_wrote_it_does_not_say_whether_it_is_right() -> None:
    with pytest.raises(MisuseError, match="the model that writes"):
        await realise(library(), CASES, ScriptedWriter(faithful), AttentiveLabeller("writer:scripted"))
    found = await realise(
        library(), CASES, ScriptedWriter(faithful), AttentiveLabeller("writer:scripted"),
        settings=Settings(same_model=True),
    )  # fmt: skip
    assert found.told


class Doubtful:
    """A labeller that never knows."""

    identity = "labeller:doubtful"
    models: frozenset[str] = frozenset()

    async def label(self, term: JudgedTerm, text: str) -> Label:
        return Label(truth=Truth.UNKNOWN)


async def test_unknown_is_rejected() -> None:
    found = await realise(library(), CASES, ScriptedWriter(faithful), Doubtful())
    assert found.told == 0
    assert set(found.rejected) == {"unknown"}
    assert found.cases == CASES


class Silent:
    """A writer that is down."""

    def fingerprint(self) -> str:
        return "writer:silent"

    async def complete(self, messages: Sequence[ChatMessage], *, sampling: Sampling) -> Completion:
        raise UnavailableError("nobody is there", code="T103")


async def test_a_writer_that_is_down_leaves_the_cases_as_they_are() -> None:
    answers: dict[str, str] = {}
    found = await told_by(Silent(), answers=answers)
    assert found.cases == CASES
    assert set(found.rejected) == {"no answer"}
    assert not answers


async def test_a_second_text_that_is_the_first_again_is_a_duplicate() -> None:
    found = await told_by(ScriptedWriter(lambda text, seed: "When do you open, and until what time, on Saturdays?"))
    assert found.rejected.get("duplicate", 0) + found.accepted >= 1
    assert found.accepted <= 1


async def test_recorded_answers_are_not_asked_for_again_and_give_the_same_cases(tmp_path: Path) -> None:
    first, second = ScriptedWriter(faithful), ScriptedWriter(faithful)
    answers = Answers(tmp_path / "a")
    one = await told_by(first, answers=answers)
    answers.close()
    other = await told_by(second, answers=Answers(tmp_path / "a"))
    assert (first.asked > 0, second.asked) == (True, 0)
    assert write_cases(one.cases) == write_cases(other.cases)


class Interrupted(ScriptedWriter):
    """A faithful writer during whose work somebody presses Ctrl-C, which asyncio turns into a cancellation."""

    async def complete(self, messages: Sequence[ChatMessage], *, sampling: Sampling) -> Completion:
        if self.asked == 4:
            raise asyncio.CancelledError
        return await super().complete(messages, sampling=sampling)


def test_an_interrupted_work_goes_on_where_it_stopped(tmp_path: Path) -> None:
    answers = Answers(tmp_path / "a")
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(told_by(Interrupted(faithful), answers=answers, settings=Settings(concurrency=1)))
    answers.close()
    rest, answers = ScriptedWriter(faithful), Answers(tmp_path / "a")
    found = asyncio.run(told_by(rest, answers=answers))
    answers.close()
    whole = ScriptedWriter(faithful)
    assert found.cases == asyncio.run(told_by(whole)).cases
    assert rest.asked == whole.asked - 4


def test_a_line_that_was_cut_is_dropped_and_another_fault_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b'["k", "v"]\n["half')
    answers = Answers(path)
    assert dict(answers) == {"k": "v"}
    answers["l"] = "w"
    answers.close()
    assert path.read_bytes() == b'["k", "v"]\n["l", "w"]\n'
    path.write_bytes(b'["k", "v"]\nnonsense\n')
    with pytest.raises(UntrustedInputError, match="line 2"):
        Answers(path)


def task(source: str = "How much does loan K7 cost me, $20 or more?", **given: object) -> Task:
    plain: dict[str, object] = {
        "source": source, "source_language": "en", "language": "en", "register": "plain", "persona": "none",
        "literals": ("K7", "$20"), "labels": (),
    }  # fmt: skip
    return Task(**(plain | given))  # type: ignore[arg-type]  # of those types


FLAWS = {
    "": "empty",
    "how much does loan K7 cost me: $20 or more": "identical",
    "Here is the rewritten message: is it $20 or more for K7?": "chatter",
    "The user asks whether loan K7 costs $20.": "chatter",
    "Is it more than $20 for K7? " * 40: "too long",
    "Kostet mich das K7 mehr als $20, bitte?": "wrong language",
    "What do I pay for K7?": "lost literal",
    "Do I pay $20 for K8 or K7?": "added literal",
    "You pay $20 for K7.": "no question",
    "Do I not have to pay more than $20 for K7?": "negated",
    "Will K7 cost you more than $20?": "turned round",
    "Do I have to pay more than $20 for K7?": None,
    "Please tell me if K7 is more than $20.": None,
}


@pytest.mark.parametrize("text", FLAWS)
def test_the_first_flaw_of_a_text_is_its_reason(text: str) -> None:
    assert flaw(task(), text) == FLAWS[text]


def test_a_text_is_taken_out_of_its_quotation_marks() -> None:
    assert unwrapped(' "So it is." ') == unwrapped("```\nSo it is.\n```") == unwrapped("“So it is.”") == "So it is."
    assert unwrapped('She said "yes".') == 'She said "yes".'


def test_literals_are_whole_words_and_exact_where_they_hold_a_digit() -> None:
    assert lost(("K7", "ana silva"), "k7 for Ana Silva") == ("K7",)
    assert lost(("K7",), "K77") == ("K7",)
    assert added("I owe $20.", "I owe $20 or 21.") == ("21",)
    assert with_literals("from 1 to 2", {"1": "2", "2": "1"}) == "from 2 to 1"


def test_a_prompt_says_what_must_stay_and_can_be_read_back() -> None:
    found = [one for case in CASES for one in Tasks(library()).of(case).values()]
    assert len(set(heads(found).values())) < len(set(found))
    for one in found:
        messages = prompt(one)
        assert message_in(messages) == one.source
        assert all(literal in messages[0].content for literal in one.literals)
        assert all(term.definition in messages[0].content for term, _ in one.labels)
    assert message_in((ChatMessage(role="user", content="Hello"),)) is None


async def test_a_pattern_is_the_definition_of_its_predicate() -> None:
    term = JudgedTerm(subject="message", name="says_yes", definition="Yes.", pattern="(?i).*yes.*")
    assert (await PatternLabeller().label(term, "Yes!")).truth is Truth.TRUE
    assert (await PatternLabeller().label(term, "No!")).truth is Truth.FALSE
    bare = JudgedTerm(subject="message", name="says_yes", definition="Yes.")
    assert (await PatternLabeller().label(bare, "Yes!")).truth is Truth.UNKNOWN


async def test_the_nearest_labeller_doubts_where_neither_side_is_nearer() -> None:
    labeller = NearestLabeller(library())
    term = library().judged["message.asks_about_opening"]
    assert (await labeller.label(term, "When do you open on Saturdays, then?")).truth is Truth.TRUE
    assert (await labeller.label(term, "Do you have a map of the harbour?")).truth is Truth.FALSE
    assert (await labeller.label(term, "Colourless green ideas sleep furiously.")).truth is Truth.UNKNOWN


async def test_a_held_out_example_is_not_seen_by_who_labels_it() -> None:
    class Remembers(Doubtful):
        async def label(self, term: JudgedTerm, text: str) -> Label:
            assert text not in term.yes + term.no
            return Label(truth=Truth.UNKNOWN)

    held = await held_out(library(), Remembers())
    assert len(held) == 19
    assert {one.said for one in held} == {Truth.UNKNOWN}


async def test_devices_come_after_the_model() -> None:
    async def write(cases: object, language: str | None) -> Realised:
        assert language is None
        return await realise(library(), cases, ScriptedWriter(faithful), AttentiveLabeller())  # type: ignore[arg-type]  # cases

    found = await tell(library(), CASES, [{"register": "polite", "technique": "capitals"}], write=write)
    assert not found.untold
    assert len(found.cases) == len(CASES)
    for case in found.cases:
        assert {"register", "technique", AUTHOR} == set(case.context)
        assert case.technique == "capitals"


async def test_a_language_without_examples_is_left_to_the_model() -> None:
    from tests.cases.policies import policy, suite

    checked, cases = policy("no poison"), suite("no poison").cases
    asked: list[str | None] = []

    async def write(several: Sequence[object], language: str | None) -> Realised:
        asked.append(language)
        return await realise(checked, several, ScriptedWriter(faithful), AttentiveLabeller(), language=language)  # type: ignore[arg-type]  # cases

    found = await tell(checked, cases, [{"language": "de"}], write=write)
    assert asked == [None, "de"]
    assert found.cases == ()  # what comes is English, and refused
    assert {one.reason for one in found.untold} == {"not all of it was put into the language"}
    assert len(found.untold) == len(cases)
