"""One session, told again from its entries: history, head, what was decided, what was released and why.

    (1) the chain of heads has no gap: what happened stands there in order, all of it
    (2) an event is the one that its digest names; its id is used once
    (3) each turn's decisions come out again from the history, by the policy of the session
    (4) what holds is never milder than that, save where grants and approvals that verify say so
    (5) a permit is given exactly where nothing blocks, and once; a turn that is blocked as a whole releases nothing
    (6) each permit is followed by the one act that it names, and no act is there without one

Where a payload was erased, the chain still holds by digests, and what rests on the payload is not replayable from there on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from obverse.core.canon import digest, digest_bytes
from obverse.core.errors import EvidenceError
from obverse.core.events import AnyEvent, Approval, Call, Denied, Reply, Spoken, Step
from obverse.core.verdicts import Verdict
from obverse.guard.reading import read_event
from obverse.guard.records import ENTRY, Proposal
from obverse.guard.tally import Tally
from obverse.guard.warrants import Warrants
from obverse.guard.writing import first_head
from obverse.ledger.contents import Item
from obverse.policy.checked import Checked
from obverse.policy.decide import call_digest
from obverse.policy.decision import Decision
from obverse.policy.monitor import Watches

_ACTS: Final = ("call", "reply", "denied")


class _Decided(msgspec.Struct, frozen=True, kw_only=True):
    """One decision entry, with the proposal that it is about; None where that was erased."""

    item: Item
    proposal: Proposal | None


class _Due(msgspec.Struct, frozen=True, kw_only=True):
    """An act that a decision makes, and that must come next; `digest` None where the proposal was erased."""

    index: int
    step: str
    kind: str
    digest: str | None


class Retold:
    """A session under way. Without a policy, or after something was erased, only the chain is followed."""

    def __init__(
        self, item: Item, checked: Checked | None, watch: Watches | None, warrants: Warrants, tally: Tally
    ) -> None:
        body = item.entry.body
        self.id = str(item.entry.session)
        self.holder = str(body["holder"])
        self.policy = str(body["policy"])
        self.checked, self.watch = checked, watch
        self.warrants, self.tally = warrants, tally
        self.head = first_head(self.id, self.policy)
        self.state = "open"
        self.history: list[AnyEvent] = []
        self._seen: set[str] = set()
        self._texts: dict[str, int] = {}
        self._turn: list[_Decided] = []
        self._due: list[_Due] = []
        self._permits: set[str] = set()
        self._labels: dict[str, dict[str, bool]] = {}
        self._time = item.entry.time
        if body["head"] != self.head:
            raise EvidenceError("the session does not begin with the head of an empty history", code="G173")

    def take(self, item: Item) -> None:
        """The next entry of the session."""
        entry = item.entry
        if entry.time < self._time:
            self.tally.fault(item.index, "the session's clock went back")
        self._time = max(self._time, entry.time)
        kind = _KINDS.get(entry.type)
        if self._due and kind != "event":
            self._missing()
        if self._turn and kind != "decision":
            self._broken_turn()
        match kind:
            case "event":
                self._event(item)
            case "decision":
                self._decision(item)
            case "answer":
                self._answer(entry.body)
            case "request":
                self.warrants.asked(item, session=self.id, head=self.head, policy=self.policy)
            case "approval":
                self.warrants.answered(item, session=self.id)
            case "approval end":
                self.warrants.ended(item, session=self.id)
            case "grant use":
                self.warrants.used(item, session=self.id)
            case "session stop" | "session end":
                self._end(item)

    def suspend(self, item: Item) -> str:
        """It ends here, and goes on elsewhere: the digest of what may go on."""
        if item.entry.body["head"] != self.head:
            self.tally.fault(item.index, "the session is suspended with another head")
        self.state = "ended"
        self.close()
        return str(item.entry.body["digest"])

    def restore(self, item: Item) -> None:
        """It goes on."""
        body = item.entry.body
        if (body["head"], body["holder"], body["policy"]) != (self.head, self.holder, self.policy):
            self.tally.fault(item.index, "the session goes on as another one")
        self.state = "open"

    def close(self) -> None:
        """Nothing more comes."""
        self.warrants.forget(self.id)
        if self._due:
            self._missing()
        if self._turn:
            self._broken_turn()

    # --- what happened --------------------------------------------------------------------------------------------------

    def _event(self, item: Item) -> None:
        """(1), (2), (6)."""
        body = item.entry.body
        name, kind, said = str(body["event"]), str(body["kind"]), str(body["digest"])
        expected = digest({"head": self.head, "event": said})
        if body["head"] != expected:
            self.tally.fault(
                item.index, "the head does not follow from the one before: something is missing, or was put in"
            )
        self.head = str(body["head"])
        if name in self._seen:
            self.tally.fault(item.index, f"the id `{name[:80]}` is used twice")
        self._seen.add(name)
        self._act(item, name, kind, said)
        data = item.payloads.get("event")
        if data is None:
            self.tally.erased(item.index, "an event")
            self.watch = None
            return
        if digest_bytes(data) != said:
            raise EvidenceError("the event is not the one that its digest names", code="G174")
        event = read_event(data)
        if event.id != name or type(event).__struct_config__.tag != kind:
            raise EvidenceError("the event is another than the entry says", code="G174")
        if isinstance(event, Approval):
            self.warrants.counts(item, event, session=self.id)
        if isinstance(event, Spoken):
            self._texts[name] = len(self.history)
        self.history.append(event)
        if self.watch is not None:
            self.watch.observe(event)

    def _act(self, item: Item, name: str, kind: str, said: str) -> None:
        """(6) An act stands there because a decision made it, and at once."""
        if not self._due:
            if kind in _ACTS:
                self.tally.fault(item.index, f"a {kind} that no decision released")
            return
        due = self._due.pop(0)
        if (due.step, due.kind) != (name, kind):
            self._due.insert(0, due)
            self._missing()
            if kind in _ACTS:
                self.tally.fault(item.index, f"a {kind} that no decision released")
        elif due.digest is not None and due.digest != said:
            self.tally.fault(item.index, f"the {kind} is not what was decided")

    def _missing(self) -> None:
        for due in self._due:
            self.tally.fault(due.index, f"the {due.kind} that it makes is not there")
        self._due = []

    def _answer(self, body: Mapping[str, Any]) -> None:
        """What a judge said, for an event that happened or for a step that is proposed."""
        answer = {"true": True, "false": False}.get(str(body["answer"]))
        if answer is None:
            return
        name, label = str(body["event"]), {str(body["predicate"]): answer}
        if name in self._seen:
            if self.watch is not None:
                self.watch.label(name, label)
            place = self._texts.get(name)
            known = None if place is None else self.history[place]
            if place is not None and isinstance(known, Spoken):
                self.history[place] = msgspec.structs.replace(known, labels={**known.labels, **label})
        else:
            self._labels.setdefault(name, {}).update(label)

    def _end(self, item: Item) -> None:
        if item.entry.body["head"] != self.head:
            self.tally.fault(item.index, "the session ends with another head")
        self.state = "stopped" if item.entry.type == ENTRY["session stop"] else "ended"

    # --- what was decided -----------------------------------------------------------------------------------------------

    def _decision(self, item: Item) -> None:
        """Gathers the decisions of a turn, which are decided together."""
        body = item.entry.body
        self.tally.decisions += 1
        if body["head"] != self.head:
            self.tally.fault(item.index, "decided on another history than the one that stands here")
        if body["place"] != len(self._turn):
            self.tally.fault(item.index, "a decision of its turn is missing")
        if self.state != "open" and body["permit"] is not None:
            self.tally.fault(item.index, f"released when the session was {self.state}")
        data = item.payloads.get("proposal")
        proposal = None if data is None else read_event(data)
        if proposal is not None and not isinstance(proposal, Call | Reply):
            raise EvidenceError("a proposal that is none", code="G174")
        if proposal is not None and (call_digest(proposal) != body["call"] or proposal.id != body["step"]):
            self.tally.fault(item.index, "the proposal is not the one that was decided")
        if proposal is None:
            self.tally.erased(item.index, "a proposal")
        self._turn.append(_Decided(item=item, proposal=proposal))
        if body["place"] == body["of"] - 1:
            turn, self._turn = self._turn, []
            self._settle(turn)

    def _broken_turn(self) -> None:
        self.tally.fault(self._turn[-1].item.index, "the rest of its turn is missing")
        self._turn = []

    def _settle(self, turn: list[_Decided]) -> None:
        """(3) to (6) for a turn whose decisions are all there."""
        steps = tuple(self._labelled(one.proposal) for one in turn if one.proposal is not None)
        whole = len(steps) == len(turn)
        for one in turn:
            if self.checked is None or self.watch is None or not whole or one.proposal is None:
                self.tally.lost += 1
            else:
                step = Step(event=steps[one.item.entry.body["place"]], turn=steps)
                self._again(one, step, self.checked, self.watch)
        self._released(turn)
        for one in turn:
            self._makes(one)

    def _labelled(self, proposal: Proposal) -> Proposal:
        """The proposal with what judges said of it."""
        labels = self._labels.pop(proposal.id, None)
        if labels is None or not isinstance(proposal, Spoken):
            return proposal
        return msgspec.structs.replace(proposal, labels={**proposal.labels, **labels})

    def _again(self, one: _Decided, step: Step, checked: Checked, watch: Watches) -> None:
        """(3), (4) One step, decided again; one that the guard denied without asking the policy needs no policy."""
        index, body = one.item.index, one.item.entry.body
        if body["policy_verdict"] is None and Verdict(body["verdict"]).blocks:
            self.tally.same += 1
            return
        decision = watch.decide(step)
        said = (body["policy_verdict"], body["certain"], tuple(body["clauses"]))
        if said != (decision.verdict, decision.certain, decision.clauses):
            self.tally.fault(
                index, f"decided `{said[0]}`, and the policy says `{decision.verdict}`: {_named(decision.clauses)}"
            )
            return
        kept = one.item.payloads.get("decision")
        if kept is not None and not _says(kept, decision):
            self.tally.fault(index, "the reasons that are kept are not those of the policy")
            return
        lifted = self._lifted(one.item, checked, decision, step)
        if Verdict(body["verdict"]).strictness < lifted.strictness:
            self.tally.fault(index, f"`{body['verdict']}` holds, and the policy says `{lifted}`")
            return
        self.tally.same += 1

    def _lifted(self, item: Item, checked: Checked, decision: Decision, step: Step) -> Verdict:
        """The verdict after the grants that the decision names, as far as they count."""
        names = tuple(str(name) for name in item.entry.body["lifted"])
        if not names:
            return decision.verdict
        return self.warrants.lifted(
            item, names, checked, decision, self.history, step, session=self.id, holder=self.holder
        )

    def _released(self, turn: list[_Decided]) -> None:
        """(5) Permits, and what a blocked step does to the others."""
        verdicts = [Verdict(one.item.entry.body["verdict"]) for one in turn]
        whole = self.checked is None or self.checked.default.turn == "whole"
        blocked = Verdict.STOP in verdicts or (whole and any(verdict.blocks for verdict in verdicts))
        for one, verdict in zip(turn, verdicts, strict=True):
            index, permit = one.item.index, one.item.entry.body["permit"]
            if permit is None:
                if not verdict.blocks:
                    self.tally.fault(index, f"`{verdict}`, and no permit")
                continue
            self.tally.released += 1
            if verdict.blocks:
                self.tally.fault(index, f"a permit, and `{verdict}`")
            elif blocked:
                self.tally.fault(index, "a permit in a turn that is blocked as a whole")
            if permit in self._permits:
                self.tally.fault(index, "a permit that was given before")
            self._permits.add(permit)

    def _makes(self, one: _Decided) -> None:
        """The act that comes of a decision: none while people are asked, nor of a reply that is held back."""
        body = one.item.entry.body
        if body["request"] is not None and body["permit"] is None:
            return
        released = body["permit"] is not None
        kind = str(body["kind"]) if released else "denied"
        if kind == "denied" and (body["kind"] == "reply" or body["verdict"] == Verdict.ASK):
            return
        self._due.append(_Due(index=one.item.index, step=str(body["step"]), kind=kind, digest=_digest_of(one, kind)))


_KINDS: Final = {ENTRY[name]: name for name in (
    "event", "decision", "answer", "request", "approval", "approval end", "grant use", "session stop", "session end",
)}  # fmt: skip


def _says(data: bytes, decision: Decision) -> bool:
    """Whether the payload says that, reasons and all."""
    try:
        return msgspec.json.decode(data, type=Decision) == decision
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False


def _digest_of(one: _Decided, kind: str) -> str | None:
    """The digest of the act that this decision makes; None where the proposal was erased."""
    event = one.proposal
    if event is None:
        return None
    if kind == "denied" and isinstance(event, Call):
        return digest(
            Denied(
                id=event.id, time=event.time, turn=event.turn, call_id=event.call_id, tool=event.tool,
                arguments=event.arguments,
            )
        )  # fmt: skip
    return digest_bytes(one.item.payloads["proposal"])


def _named(clauses: tuple[str, ...]) -> str:
    return ", ".join(f"`{clause}`" for clause in clauses) or "no clause"
