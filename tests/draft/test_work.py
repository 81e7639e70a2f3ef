"""Drafting as a whole: what is asked of a model, what is kept, and that nothing is done twice or accepted by itself."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from tests.draft.desk import PROSE, TERMS, TRUTH, drafted, entry, ground

from obverse.core.errors import MisuseError, UnavailableError, UntrustedInputError
from obverse.draft.accept import accept, answer, drop, overrule
from obverse.draft.classes import Settler
from obverse.draft.document import document
from obverse.draft.state import State, Word, read_state, write_state
from obverse.draft.terms import read_rules
from obverse.draft.work import Design, Drafting, Progress
from obverse.policy.check import check
from obverse.policy.parse import parse
from obverse.testing.drafters import NONSENSE, Babbler, Drafter, Silent

WRONG = {**TRUTH, "Refunds above 100 need the approval of a colleague.": ["ask refund when amount >= 100"]}


def asked(model: Drafter, task: str = "rules") -> list[str]:
    return [text for kind, text in model.asked if kind == task]


def statuses(state: State) -> list[str]:
    return [one.status for one in state.entries]


def test_drafts_in_other_words_that_mean_the_same_are_one_group_and_wait_for_a_person() -> None:
    state = drafted([Drafter(TRUTH)]).state
    assert statuses(state) == ["no rule", "agreed", "agreed", "agreed", "agreed", "agreed"]
    assert any(len({draft.rules for draft in one.drafts}) > 1 for one in state.entries), "they do differ in their words"
    assert all(len(one.groups) == 1 for one in state.entries if one.is_normative)
    assert all(one.accepted is None for one in state.entries)
    assert check(parse(document(state, name="refunds"))).rules == (), "nothing is accepted but by a person"


def test_where_drafts_differ_a_question_is_asked_and_its_answer_puts_out_whoever_decides_otherwise() -> None:
    drafting = drafted([Drafter(TRUTH), Drafter(WRONG)])
    before = entry(drafting.state, "Refunds above")
    assert before.status == "question"
    assert before.question is not None
    assert before.question.options == {"allow": (1, 3), "ask": (2,)}
    assert before.question.shown[-1] == 'now the agent wants to call refund(id: "R1", amount: 100)'
    with pytest.raises(MisuseError, match="cannot be accepted"):
        accept(drafting.state, before.id, by="Ana")
    drafting.state = answer(drafting.state, before.question.id, "yes", by="Ana")
    drafting.settle()
    after = entry(drafting.state, "Refunds above")
    assert after.status == "agreed"
    assert after.groups[0].drafts == (1, 3)
    assert after.drafts[1].out == f"Ana answered yes to {before.question.id}; it says ask"
    assert after.answers[0].by == "Ana"


def test_an_answer_that_no_draft_gives_leaves_none_and_the_next_run_drafts_again_and_shows_it() -> None:
    drafting = drafted([Drafter(TRUTH), Drafter(WRONG)])
    name = entry(drafting.state, "Refunds above").id
    drafting.state = answer(drafting.state, name, "no", by="Ana")
    drafting.settle()
    assert entry(drafting.state, "Refunds above").status == "not formalised"
    again = Drafter(
        {**TRUTH, "Refunds above 100 need the approval of a colleague.": ["forbid refund when amount >= 100"]}
    )
    drafting = drafted([again], state=drafting.state)
    assert asked(again) == ["Refunds above 100 need the approval of a colleague."] * 3
    found = entry(drafting.state, "Refunds above")
    assert found.status == "agreed"
    assert [draft.number for draft in found.drafts] == [1, 2, 3, 4, 5, 6], "what is out stays listed"
    once_more = Drafter(TRUTH)
    drafted([once_more], state=drafting.state)
    assert once_more.asked == []


def test_an_answer_can_be_taken_back() -> None:
    drafting = drafted([Drafter(TRUTH), Drafter(WRONG)])
    question = entry(drafting.state, "Refunds above").question
    assert question is not None
    for says, drafts in (("ask", (2,)), ("yes", (1, 3))):
        drafting.state = answer(drafting.state, question.id, says, by="Ana")
        drafting.settle()
        found = entry(drafting.state, "Refunds above")
        assert found.groups[0].drafts == drafts
        assert len(found.answers) == 1


def test_permits_are_told_apart_by_what_must_never_be_refused() -> None:
    statement = "A user who asks for a refund must never be refused a look at the order."
    other = Drafter({**TRUTH, statement: ["permit get_order when message.asks_refund and user.verified"]})
    drafting = drafted([Drafter(TRUTH), other])
    found = entry(drafting.state, "A user who asks")
    assert found.question is not None
    assert found.question.asks == "must"
    assert found.question.options == {"yes": (1, 3), "no": (2,)}
    with pytest.raises(MisuseError, match="no answer"):
        answer(drafting.state, found.id, "ask", by="Ana")
    drafting.state = answer(drafting.state, found.id, "yes", by="Ana")
    drafting.settle()
    assert entry(drafting.state, "A user who asks").groups[0].drafts == (1, 3)


def test_what_is_accepted_stands_in_the_document_and_nothing_else_does() -> None:
    state = drafted([Drafter(TRUTH)]).state
    state = accept(state, "all", by="Ana", on="2026-11-21")
    checked = check(parse(document(state, name="refunds")))
    assert [rule.clause for rule in checked.rules] == [one.id for one in state.entries if one.is_normative]
    assert [rule.verdict for rule in checked.rules] == ["ask", "deny", "deny", "deny", None]
    assert set(checked.tools) == {"get_order", "refund", "send_email"}
    assert 'Rules accepted by "Ana" on 2026-11-21.' in checked.clauses[0].prose
    assert "We like our customers." in checked.source.prose, "background is shown, never dropped"


def test_after_an_edit_only_what_changed_is_asked_about() -> None:
    state = accept(drafted([Drafter(TRUTH)]).state, "all", by="Ana")
    edited = PROSE.replace("Refunds above 100", "Refunds above 200").replace("We like", "Since 1999 we like")
    truth = {**TRUTH, "Refunds above 200 need the approval of a colleague.": ["ask refund when amount > 200"]}
    model = Drafter(truth)
    state = drafted([model], prose=edited, state=state).state
    assert set(asked(model)) == {"Refunds above 200 need the approval of a colleague."}
    assert len(asked(model)) == 3
    assert statuses(state) == ["no rule", "agreed", "accepted", "accepted", "accepted", "accepted"]
    assert [one.statement.plain for one in state.retired] == ["Refunds above 100 need the approval of a colleague."]
    untouched = Drafter(truth)
    assert drafted([untouched], prose=edited, state=state).state == state
    assert untouched.asked == []


def test_an_accepted_clause_whose_statement_is_gone_stays_until_a_person_drops_it() -> None:
    state = accept(drafted([Drafter(TRUTH)]).state, "all", by="Ana")
    state = drafted([Drafter(TRUTH)], prose=PROSE.replace("Refunds above 100", "Refunds over 100"), state=state).state
    text = document(state, name="refunds")
    assert "ask refund when amount > 100" in text
    assert "no longer in the prose" in text
    name = state.retired[0].id
    state = drop(state, name)
    assert state.retired == ()
    assert "ask refund" not in document(state, name="refunds")
    with pytest.raises(MisuseError, match="no statement"):
        drop(state, name)


def test_an_edit_that_is_undone_brings_everything_back() -> None:
    state = accept(drafted([Drafter(TRUTH)]).state, "all", by="Ana")
    gone = drafted([Drafter({})], prose="Nothing is said here.\n", state=state).state
    assert len(gone.retired) == 5
    model = Drafter(TRUTH)
    back = drafted([model], state=gone).state
    assert statuses(back) == statuses(state)
    assert asked(model) == []


def test_a_term_that_a_person_changed_has_only_those_statements_drafted_again_that_draw_on_it() -> None:
    terms = TERMS.splitlines()
    model = Drafter(TRUTH, terms=terms)
    drafting = Drafting(State(), [model], Design(drafts=2))
    drafting.take_up(PROSE, source="refunds.md")
    asyncio.run(drafting.run(PROSE))
    drafting.settle()
    assert [word.text for word in drafting.state.words] == terms
    assert asked(model, "terms") != []
    words = tuple(
        Word(text=one.text.replace("shipped: bool", "posted: bool"), by="Ana") for one in drafting.state.words
    )
    state = read_state(write_state(drafting.state))
    drafting = Drafting(
        State(**{**{name: getattr(state, name) for name in state.__struct_fields__}, "words": words}),
        [again := Drafter(TRUTH)],
        Design(drafts=2),
    )
    asyncio.run(drafting.run(PROSE))
    assert set(asked(again)) == {
        "Look an order up before you refund it.",
        "A user who asks for a refund must never be refused a look at the order.",
    }


def test_only_the_proposed_terms_that_accepted_rules_draw_on_stand_in_the_document() -> None:
    model = Drafter(TRUTH, terms=TERMS.splitlines())
    drafting = Drafting(State(), [model], Design(drafts=1))
    drafting.take_up(PROSE, source="refunds.md")
    asyncio.run(drafting.run(PROSE))
    drafting.settle()
    state = accept(drafting.state, entry(drafting.state, "send mail").id, by="Ana")
    checked = check(parse(document(state, name="refunds")))
    assert set(checked.tools) == {"send_email"}
    assert set(checked.facts) == set()


def test_terms_that_cannot_be_taken_up_are_listed_with_the_reason() -> None:
    terms = [
        "tool wipe(disk: text)",
        "fact user.isVerified: bool",
        'judged message.wants_refund "The user asks for a refund." yes "Refund me." no "Hi."',
        'judged reply.is_rude "The reply is rude." matches ".*" yes "Go." no "Hi."',
        'terms from "/etc/passwd"',
        "fact user.level of text",
    ]
    state = drafted([Drafter(TRUTH, terms=terms)]).state
    assert state.words == ()
    assert len(state.refused) == 6
    reasons = " ".join(state.refused)
    for reason in (
        "the tools are given", "`user.verified` is declared already", "the same is asked", "for a person to write",
        "only `tool`, `fact`, `judged` and `let`", "unexpected `of`",
    ):  # fmt: skip
        assert reason in reasons


def test_a_model_that_talks_nonsense_leaves_the_statements_listed_and_ends() -> None:
    model = Babbler()
    drafting = drafted([model], design=Design(drafts=4, repairs=2))
    assert set(statuses(drafting.state)) == {"no rule", "not formalised"}
    assert model.calls <= 2 + 5 * 4 * 3, "repairs are bounded"
    failed = [draft for one in drafting.state.entries for draft in one.drafts if draft.says == "failed"]
    assert all(draft.reason for draft in failed)
    text = document(drafting.state, name="refunds")
    assert text.count("Not formalised") == 5
    assert read_state(write_state(drafting.state)) == drafting.state


@pytest.mark.parametrize("reply", NONSENSE, ids=range(len(NONSENSE)))
def test_no_single_piece_of_nonsense_is_a_rule(reply: str) -> None:
    state = drafted([Babbler([reply])], design=Design(drafts=1, repairs=0)).state
    assert all(not one.groups for one in state.entries)


def test_faults_go_back_to_the_model_which_can_mend_them() -> None:
    class Mends(Drafter):
        async def complete(self, prompt):  # type: ignore[no-untyped-def]  # of the class above
            if "Your last reply was" not in prompt.user and "statement_" in prompt.user:
                return "```rule\nask refund when amout > 100\n```"
            self.seen = prompt.user
            return await super().complete(prompt)

    model = Mends(TRUTH)
    found = entry(drafted([model], design=Design(drafts=1)).state, "Refunds above")
    assert found.drafts[0].rules
    assert found.drafts[0].calls == 2
    assert "did you mean `amount`" in model.seen


def test_a_model_that_falls_silent_ends_the_run_with_what_was_finished_and_it_resumes() -> None:
    kept: list[State] = []
    model = Silent(after=7, then=Drafter(TRUTH))
    drafting = Drafting(State(), [model], Design(drafts=3, concurrency=1), keep=kept.append)
    drafting.take_up(PROSE, source="refunds.md", ground=ground())
    with pytest.raises(UnavailableError):
        asyncio.run(drafting.run(PROSE))
    finished = sum(len(one.drafts) for one in kept[-1].entries)
    assert finished == 6, "seven answers: the terms and six drafts"
    assert model.calls == 7 + 5, "after five in a row nobody is asked any more"
    rest = Drafter(TRUTH)
    state = drafted([rest], state=read_state(write_state(kept[-1]))).state
    assert len(asked(rest)) == 15 - 6
    assert set(statuses(state)) == {"no rule", "agreed"}


def test_a_run_that_is_stopped_keeps_what_is_finished_and_tells_how_far_it_is() -> None:
    told: list[Progress] = []

    def tell(progress: Progress) -> None:
        told.append(progress)
        if progress.stage == "drafting" and progress.done == 4:
            drafting.stop()

    drafting = Drafting(State(), [Drafter(TRUTH)], Design(drafts=3, concurrency=2), tell=tell)
    drafting.take_up(PROSE, source="refunds.md", ground=ground())
    asyncio.run(drafting.run(PROSE))
    assert 4 <= sum(len(one.drafts) for one in drafting.state.entries) <= 5
    assert told[-1].total == 15
    rest = Drafter(TRUTH)
    state = drafted([rest], state=drafting.state).state
    assert 10 <= len(asked(rest)) <= 11
    assert set(statuses(state)) == {"no rule", "agreed"}


def test_a_rule_that_can_never_fire_is_out_with_the_reason() -> None:
    dead = {
        **TRUTH,
        "Refunds above 100 need the approval of a colleague.": ["ask refund when amount > 100 and amount < 50"],
    }
    found = entry(drafted([Drafter(dead)], design=Design(drafts=1)).state, "Refunds above")
    assert found.status == "not formalised"
    assert "can never fire" in found.drafts[0].out


def test_with_confirm_a_question_is_asked_where_all_agree_and_catches_what_all_got_wrong() -> None:
    drafting = drafted([Drafter(WRONG)], design=Design(drafts=3, confirm=2))
    settler = Settler(drafting.terms(), ground())
    for _ in range(2):
        for one in [one for one in drafting.state.entries if one.question is not None]:
            question = one.question
            true = read_rules("\n".join(TRUTH[one.statement.plain]))
            says = settler.says(true, question.asks, question.history, question.step)
            drafting.state = answer(drafting.state, question.id, says, by="Ana")
        drafting.settle()
    assert statuses(drafting.state) == ["no rule", "not formalised", *["agreed"] * 4]
    assert entry(drafting.state, "Refunds above").drafts[0].out.startswith("Ana answered allow")


def test_a_person_can_say_that_background_is_a_rule_after_all() -> None:
    state = drafted([Drafter(TRUTH)]).state
    name = entry(state, "We like").id
    truth = {**TRUTH, "We like our customers.": ['forbid send_email when body contains "hate"']}
    state = drafted([Drafter(truth)], state=overrule(state, name, "normative")).state
    assert entry(state, "We like").status == "agreed"


def test_a_person_can_accept_one_draft_by_its_number_and_only_one_that_is_there() -> None:
    state = drafted([Drafter(TRUTH), Drafter(WRONG)]).state
    name = entry(state, "Refunds above").id
    taken = accept(state, f"{name}:2", by="Ana")
    assert entry(taken, "Refunds above").status == "accepted"
    for wrong in (f"{name}:9", "nobody", entry(state, "We like").id):
        with pytest.raises(MisuseError):
            accept(state, wrong, by="Ana")
    with pytest.raises(MisuseError, match="named by a name"):
        accept(state, "all", by=" ")


def test_without_terms_and_tools_what_can_be_said_of_replies_is_still_drafted() -> None:
    prose = "The agent must never decline.\n"
    drafting = Drafting(State(), [Drafter({"The agent must never decline.": ["forbid reply when reply.refuses"]})])
    drafting.take_up(prose, source="refunds.md")
    asyncio.run(drafting.run(prose))
    drafting.settle()
    assert statuses(drafting.state) == ["agreed"]


def test_compound_statements_are_cut_word_for_word_or_not_at_all() -> None:
    prose = "Refunds above 100 must be approved by a colleague, and mail must never leave acme.com or be sent twice.\n"
    cut = ["Refunds above 100 must be approved by a colleague", "mail must never leave acme.com or be sent twice."]
    truth = {cut[0]: ["ask refund when amount > 100"], cut[1]: ['forbid send_email unless to at domain "acme.com"']}
    state = drafted([Drafter(truth, parts=lambda _: cut)], prose=prose, design=Design(drafts=2, refine=True)).state
    assert [one.statement.text for one in state.entries] == cut
    assert [(one.kind, one.text) for one in state.others] == [("joint", ", and")]
    assert set(statuses(state)) == {"agreed"}
    again = Drafter(truth, parts=lambda _: cut)
    assert drafted([again], prose=prose, state=state, design=Design(drafts=2, refine=True)).state == state
    assert again.asked == []
    for lie in (["Refunds are free", *cut[1:]], cut[:1], [cut[1], cut[0]], []):
        whole = drafted([Drafter(truth, parts=lambda _, lie=lie: lie)], prose=prose, design=Design(refine=True)).state
        assert [one.statement.plain for one in whole.entries] == [prose.strip()]


def test_what_was_accepted_is_not_changed_by_a_term_that_is_edited_afterwards() -> None:
    terms = ["tool refund(id: text, amount: number) effect money", "let large(amount) = amount > 100"]
    truth = {"Large refunds must be approved.": ["ask refund(amount: a) when large(a)"]}
    prose = "Large refunds must be approved.\n"
    drafting = Drafting(State(), [Drafter(truth, terms=terms)], Design(drafts=1))
    drafting.take_up(prose, source="refunds.md")
    asyncio.run(drafting.run(prose))
    drafting.settle()
    state = accept(drafting.state, "all", by="Ana")
    assert "let large(amount) =" in document(state, name="refunds")
    words = tuple(msgspec.structs.replace(one, text=one.text.replace("100", "1000")) for one in state.words)
    edited = msgspec.structs.replace(state, words=words)
    with pytest.raises(UntrustedInputError) as refused:
        document(edited, name="refunds")
    assert refused.value.code == "F113"
    again = accept(edited, state.entries[0].id, by="Ben")
    assert "1000" in document(again, name="refunds")
    with pytest.raises(UntrustedInputError) as refused:
        document(msgspec.structs.replace(state, words=()), name="refunds")
    assert refused.value.code == "F112"
