"""One request, from what the client asks to what it gets. Everything that the gateway decides by itself stands here.

    (1) the request is read and fit to be guarded        `chat_asked`, `responses_asked`
    (2) its session is found, and what it brings is compared with the record        `book`, `conversation`
    (3) what is new is told to the session; the model is sent what the guard has seen, and nothing else (need R2)
    (4) the model's turn is read strictly, its calls get ids that nobody else has, and it is proposed as a whole (need R1)
    (5) while people are asked the request is held; after that it is answered with what they were asked for
    (6) what was released goes back; of what was not, the message alone (L17)

Whatever fails, fails before (6): nothing of the turn is released, and the client gets an error.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

import msgspec

from obverse.core.errors import EvidenceError, UntrustedInputError
from obverse.core.events import Reply
from obverse.core.verdicts import Verdict
from obverse.gateway.http.book import Book, Conversation, Kept, Pending
from obverse.gateway.http.conversation import Difference, compare
from obverse.gateway.http.json_text import read_answer, write
from obverse.gateway.http.protocols import PATHS, body_for, joiner_for, named_tool, read_whole
from obverse.gateway.http.records import Answer, Answering, AnyItem, Instruction, Outgoing, Proposed, Request
from obverse.gateway.http.release import held_because, held_with_tools
from obverse.gateway.http.responses_answered import wire_of
from obverse.gateway.http.settings import Settings
from obverse.gateway.http.sse import Reader
from obverse.gateway.http.telling import Offered, tell, tell_thought
from obverse.gateway.http.upstream import Model
from obverse.guard.guard import Guard
from obverse.guard.ports import Clock, Fresh
from obverse.guard.records import ProposedCall, Ruling
from obverse.guard.session import Session
from obverse.policy.decide import MESSAGES

T = TypeVar("T")
_POLLS = (0.05, 0.1, 0.2, 0.5, 1.0)
_MOST_RECENT = 1024
Heard = Callable[[Outgoing, str], None]
"""Is told each piece of text the moment it is released."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request and who sends it; `name` is the session that the client names, `again` that it says it asks again."""

    request: Request
    holder: str
    name: str | None = None
    again: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """The same for the same request of the same client."""
        return (self.holder, self.name or "", self.request.digest)


class Turn:
    """A turn under way: `asking` while only the model works on it, so that it may still be given up without a trace."""

    def __init__(self) -> None:
        self.asking = False
        self.accepted = asyncio.Event()
        """Set once the model's server has accepted the request, or nothing needs to be asked of it."""
        self.session: Session | None = None

    @property
    def name(self) -> str:
        """The id of its session; empty before it has one."""
        return "" if self.session is None else self.session.id


class Desk:
    """The gateway without its sockets."""

    def __init__(
        self, guard: Guard, model: Model, settings: Settings, *, clock: Clock, fresh: Fresh, threads: Executor
    ) -> None:
        self.guard = guard
        self.settings = settings
        self.book = Book()
        self._model = model
        self._clock = clock
        self._fresh = fresh
        self._threads = threads
        self._kept = Kept(settings.most_kept)
        self._recent: OrderedDict[tuple[str, str, str], tuple[Conversation, int, Outgoing]] = OrderedDict()
        self._undelivered: set[tuple[str, str, str]] = set()
        self._defined: set[str] = set()
        self._early = settings.release == "sentences" and not held_because(guard.checked)
        self._early_with_tools = settings.release == "sentences" and not held_with_tools(guard.checked)

    async def answer(self, asked: Asked, turn: Turn, hear: Heard, *, model: Model | None = None) -> Outgoing:
        """What the client gets.

        Raises:
            ObverseError: it gets nothing of a turn, and nothing of it was released but what `hear` was told.
        """
        asked, begun = self._continued(asked)
        await self._make_room()
        while True:
            one = (
                begun
                or self.book.find(asked.holder, asked.name, asked.request, asked.request.items)
                or self._new(asked)
            )
            async with one.lock:
                if begun is not None or one in self.book:  # else it was ended while this request waited for its turn
                    return await self._answer(asked, one, turn, hear, model or self._model)

    async def _answer(self, asked: Asked, one: Conversation, turn: Turn, hear: Heard, model: Model) -> Outgoing:
        """The same, once the conversation is found and no other request works on it."""
        self.book.touch(one, self._clock())
        turn.session = one.session
        out = self._again(asked, one)
        if out is None:
            try:
                out = await self._next(asked, one, turn, hear, model)
            except BaseException:
                await self._given_up(one)
                raise
        turn.accepted.set()
        return out

    def delivered(self, asked: Asked, *, arrived: bool) -> None:
        """Whether the answer reached the client; if not, the same request asked again gets the same answer."""
        if arrived or asked.key not in self._recent:
            self._undelivered.discard(asked.key)
        else:
            self._undelivered.add(asked.key)

    async def idle(self) -> int:
        """Ends sessions that nobody used for long; how many."""
        before = self._clock() - round(self.settings.idle_seconds * 1000)
        gone = [one for one in self.book if one.used < before and not one.lock.locked()]
        for one in gone:
            await self._ended(one)
        return len(gone)

    async def end(self, holder: str) -> None:
        """Ends every session of this holder."""
        for one in [one for one in self.book if one.holder == holder]:
            await self._ended(one)

    async def _ended(self, one: Conversation) -> None:
        self.book.remove(one)
        if one.session is not None:
            await self._threaded(one.session.end)

    # --- (2) the session ------------------------------------------------------------------------------------------------

    def _continued(self, asked: Asked) -> tuple[Asked, Conversation | None]:
        """The request with the conversation in front that `previous_response_id` names."""
        request = asked.request
        if request.previous is None:
            return asked, None
        kept = self._kept.get(asked.holder, request.previous)
        if kept is None:
            raise UntrustedInputError(
                f"no answer `{request.previous}` is kept", code="G412", hint="send the whole conversation as `input`"
            )
        one, wire, items = kept
        head = [
            item for item in request.items[:1] if isinstance(item, Instruction) and "instructions" in request.options
        ]
        whole = (*head, *items, *request.items[len(head) :])
        request = msgspec.structs.replace(request, items=whole, wire=[*wire, *request.wire])
        return msgspec.structs.replace(asked, request=request), one

    async def _make_room(self) -> None:
        """Ends the sessions that were idle for longest, if there are too many."""
        while len(self.book) >= self.settings.most_sessions:
            oldest = next((one for one in self.book if not one.lock.locked()), None)
            if oldest is None:
                break
            await self._ended(oldest)

    def _new(self, asked: Asked) -> Conversation:
        """A new conversation; its session begins with what it is told."""
        one = Conversation(asked.holder, asked.name, asyncio.Lock())
        self.book.add(one)
        return one

    def _again(self, asked: Asked, one: Conversation) -> Outgoing | None:
        """The answer that this very request got before and may not have reached the client, if nothing happened since."""
        found = self._recent.get(asked.key)
        if found is None or found[0] is not one or found[1] != len(one.view):
            return None
        return found[2] if asked.again or asked.key in self._undelivered else None

    def _remember(self, asked: Asked, one: Conversation, out: Outgoing) -> None:
        if out.verdict == Verdict.ASK.value:
            return
        self._recent[asked.key] = (one, len(one.view), out)
        self._recent.move_to_end(asked.key)
        while len(self._recent) > _MOST_RECENT:
            self._undelivered.discard(self._recent.popitem(last=False)[0])

    async def _next(self, asked: Asked, one: Conversation, turn: Turn, hear: Heard, model: Model) -> Outgoing:
        """The turn that waits for people, where this is the request that it answers; else a new one."""
        if one.pending is not None and one.pending.digest == asked.request.digest:
            turn.accepted.set()
            out = await self._resumed(asked, one, one.pending)
        else:
            out = await self._turn(asked, one, turn, hear, model)
        self._remember(asked, one, out)
        return out

    # --- (3) what the model is sent -------------------------------------------------------------------------------------

    async def _turn(self, asked: Asked, one: Conversation, turn: Turn, hear: Heard, model: Model) -> Outgoing:
        """A new turn of the model, decided."""
        request = asked.request
        difference = compare(one.view, one.seen, one.calls, request.items)
        self._exact(difference)
        if one.session is not None and one.session.state != "open":
            return self._out(request, notice=MESSAGES[Verdict.STOP], verdict=Verdict.STOP)
        self.book.settled(one)
        offered = self._offered(request)
        session = turn.session = await self._record(one, request, difference, offered)
        answer, out, sent = await self._asked(one, session, request, offered, turn, hear, model)
        if answer is None:
            return self._settled(asked, one, out)
        return await self._decided(asked, one, session, answer, out, sent)

    def _exact(self, difference: Difference) -> None:
        wrong = difference.branch or any(change.kind in {"claim", "edit"} for change in difference.changes)
        if wrong and self.settings.history == "exact":
            raise EvidenceError(
                f"the conversation is not the one on record: it departs after {difference.same} items", code="G420",
                hint="send it as it was answered, or begin another session",
            )  # fmt: skip

    def _offered(self, request: Request) -> Offered:
        """What the model is offered: what no history could allow is left out, if so set."""
        hidden = [one.name for one in request.offers if self.settings.hide and not self.guard.offers(one.name)]
        named = named_tool(request)
        if named in hidden:
            raise UntrustedInputError(
                f"the tool `{named}`, which the model is told to call, is never allowed", code="G413"
            )
        offers = tuple(one for one in request.offers if one.name not in hidden)
        return Offered(offers=offers, hidden=tuple(hidden), model=request.model)

    async def _record(self, one: Conversation, request: Request, difference: Difference, offered: Offered) -> Session:
        digest = offered.digest
        fact = None if digest == one.offered else offered.fact(whole=digest not in self._defined)

        def told() -> Session:
            session = one.session or self.guard.session(holder=one.holder)
            tell(session, difference, offered=fact, unseen=request.unseen)
            return session

        session = one.session = await self._threaded(told)
        one.offered = digest
        one.recorded(request.items, difference)
        self.book.leave(one)
        return session

    async def _given_up(self, one: Conversation) -> None:
        """There is no turn. A session without any is nobody's where the client cannot name it."""
        if not one.points and (one.name is None or not one.view):
            await self._ended(one)

    # --- (4) what the model says ----------------------------------------------------------------------------------------

    async def _asked(
        self,
        one: Conversation,
        session: Session,
        request: Request,
        offered: Offered,
        turn: Turn,
        hear: Heard,
        model: Model,
    ) -> tuple[Answer | None, Outgoing, int]:
        """The model's turn, and how much of its text was released already; no turn where a beginning of it was denied."""
        body = body_for(request, request.wire, offered.offers)
        out = self._out(request)
        early = (self._early_with_tools if offered.offers else self._early) and not request.structured
        turn.asking = True
        try:
            async with (
                asyncio.timeout(self.settings.turn_seconds),
                model.ask(PATHS[request.protocol], body, stream=request.stream) as reading,
            ):
                turn.accepted.set()
                if not reading.streams:
                    whole = b"".join([piece async for piece in reading.pieces()])
                    return read_whole(request, read_answer(whole), most_calls=self.settings.most_calls), out, 0
                joiner = joiner_for(request, most_calls=self.settings.most_calls)
                reader, sent = Reader(largest=self.settings.largest_answer), 0
                async for piece in reading.pieces():
                    for event in reader.feed(piece):
                        joiner.take(event)
                    while (
                        early and not joiner.calling and (end := joiner.said.next_end(sent, self._least(sent))) > sent
                    ):
                        text = joiner.text
                        ruling = await self._beginning(one, session, text[:end], turn)
                        if ruling is not None:
                            return None, self._cut(out, ruling, text[:sent]), sent
                        hear(out, text[sent:end])
                        sent = end
                return joiner.answer(), out, sent
        except TimeoutError as error:
            raise UntrustedInputError("the model's turn took too long", code="G405") from error
        finally:
            turn.asking = False

    def _least(self, sent: int) -> int:
        """How much is gathered before it leaves: each beginning goes on record whole, so pieces grow with the text."""
        return max(self.settings.smallest_piece, sent // 8)

    async def _beginning(self, one: Conversation, session: Session, text: str, turn: Turn) -> Ruling | None:
        """The ruling that blocks this beginning of the reply; None once it is released, decided as the reply so far."""
        turn.asking = False
        ruling = await self._threaded(lambda: session.propose((), text))
        turn.asking = True
        if len(ruling.released) == len(ruling.steps) and ruling.steps:
            one.seen.add(Answering(text=text).mark)
            return None
        return ruling

    def _cut(self, out: Outgoing, ruling: Ruling, said: str) -> Outgoing:
        return msgspec.structs.replace(out, text=said, notice=_notice(ruling), verdict=ruling.verdict.value)

    async def _decided(
        self, asked: Asked, one: Conversation, session: Session, answer: Answer, out: Outgoing, sent: int
    ) -> Outgoing:
        """The whole turn, proposed, and what is released of it; `sent` characters of its text are with the client already."""
        calls = tuple(
            Proposed(id=f"call_{self._fresh(12).hex()}", name=call.name, arguments=call.arguments)
            for call in answer.calls
        )
        answer = msgspec.structs.replace(answer, calls=calls)
        out = msgspec.structs.replace(out, tokens=answer.tokens, model=answer.model or out.model)
        if not answer.text and not calls:
            return self._settled(asked, one, msgspec.structs.replace(out, finish=answer.finish))

        def propose() -> Ruling:
            tell_thought(session, answer)
            proposed = [ProposedCall(call_id=call.id, tool=call.name, arguments=call.arguments) for call in calls]
            return session.propose(proposed, answer.text or None)

        ruling = await self._held(session, await self._threaded(propose))
        self._defined.add(one.offered or "")
        return self._ruled(asked, one, session, answer, out, ruling, answer.text[:sent])

    # --- (5) people -----------------------------------------------------------------------------------------------------

    async def _held(self, session: Session, ruling: Ruling) -> Ruling:
        """The ruling, once people have answered, or have not for as long as a request is held."""
        waited, polls = 0.0, list(_POLLS)
        while ruling.waiting and waited < self.settings.hold_seconds:
            pause = min(polls[0], self.settings.hold_seconds - waited)
            await asyncio.sleep(pause)
            waited += pause
            polls = polls[1:] or polls
            found = await self._threaded(session.resume)
            if found is None:
                break
            ruling = found
        return ruling

    async def _resumed(self, asked: Asked, one: Conversation, pending: Pending) -> Outgoing:
        """The turn that waits, decided again: the model is not asked anew, since the turn is the one that people saw."""
        found = await self._threaded(pending.session.resume)
        if found is None:
            self.book.settled(one)
            return self._out(asked.request, notice=MESSAGES[Verdict.DENY], verdict=Verdict.DENY)
        ruling = await self._held(pending.session, found)
        del one.view[pending.before :]
        self.book.leave(one)
        self.book.settled(one)
        return self._ruled(asked, one, pending.session, pending.answer, pending.out, ruling, "")

    # --- (6) what goes back ---------------------------------------------------------------------------------------------

    def _ruled(
        self,
        asked: Asked,
        one: Conversation,
        session: Session,
        answer: Answer,
        out: Outgoing,
        ruling: Ruling,
        said: str,
    ) -> Outgoing:
        """What was released, and for the rest the message; `said` is with the client already."""
        released = {step.proposal.call_id for step in ruling.released if not isinstance(step.proposal, Reply)}
        calls = tuple(call for call in answer.calls if call.id in released)
        replied = any(isinstance(step.proposal, Reply) for step in ruling.released)
        whole = len(ruling.released) == len(ruling.steps)
        finish = answer.finish if whole else "tool_calls" if calls else "stop"
        out = msgspec.structs.replace(
            out, text=answer.text if replied else said, calls=calls, notice="" if whole else _notice(ruling),
            finish="tool_calls" if calls and finish != "length" else finish, verdict=ruling.verdict.value,
        )  # fmt: skip
        if ruling.waiting:
            pending = Pending(
                session=session, digest=asked.request.digest, answer=answer, out=out, before=len(one.view)
            )
            self._settled(asked, one, out)
            self.book.wait(one, pending)
            return out
        return self._settled(asked, one, out)

    def _settled(self, asked: Asked, one: Conversation, out: Outgoing) -> Outgoing:
        """What goes back stands in the conversation, which can be found by it."""
        one.answered(out)
        items: tuple[AnyItem, ...] = (*asked.request.items, *out.items())
        self.book.moved(one, items)
        if asked.request.protocol == "responses" and asked.request.keep:
            wire = [*asked.request.wire, *wire_of(out)]
            head = 1 if "instructions" in asked.request.options else 0
            self._kept.put(asked.holder, out.id, one, wire, items[head:], len(write(wire)))
        return out

    def _out(self, request: Request, *, notice: str = "", verdict: Verdict = Verdict.ALLOW) -> Outgoing:
        head = "chatcmpl-" if request.protocol == "chat" else "resp_"
        return Outgoing(
            id=f"{head}{self._fresh(12).hex()}", model=request.model, created=self._clock() // 1000, notice=notice,
            verdict=verdict.value, structured=request.structured,
        )  # fmt: skip

    async def _threaded(self, work: Callable[[], T]) -> T:
        """The core is synchronous, and may wait for the disk: it runs in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _notice(ruling: Ruling) -> str:
    """The messages of what was not released: all that the agent may see of it (L17)."""
    blocked = [step for step in ruling.steps if step.permit is None]
    own = [step for step in blocked if step.decision is not None and step.decision.verdict.blocks] or blocked
    return "\n".join(dict.fromkeys(step.message for step in own if step.message)) or MESSAGES[Verdict.DENY]
