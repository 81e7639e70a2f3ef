"""The request in another syntactic frame: `How do I X?` → `Explain how to X.` → `What I would like to know is how to X.`

`parsed` takes the first sentence of a request apart into what kind it is and its content, which is kept to the letter:

    how to     How do I X? · How to X · Explain how to X · I want to know how to X …
    do         an imperative that begins with a verb of the list, also as `Can you …?`, `I want you to …`
    ask        any other question that begins with what asks: it is announced as one, and stands there as it is
    say        anything else, likewise

Read back by a grammar of its own (`canonical`), which takes frames off until none is left; it knows shapes of sentences, not our list.
Kept: kind and content, and all further sentences, exactly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from obverse.core.chat import ChatMessage
from obverse.stability.ladders.forms import Impossible, Made, Place, asked, with_request
from obverse.stability.ladders.frames import graded
from obverse.stability.ladders.sentences import first_sentence
from obverse.stability.records import Prompt

HOW_TO: Final = (
    "How can I {}?", "How do I {}?", "How to {}?", "Tell me how to {}.", "Show me how to {}.", "Explain how to {}.", "Describe how to {}.",
    "Could you explain how to {}?", "Can you tell me how to {}?", "Explain to me how I can {}.", "I want to know how to {}.",
    "I would like to know how to {}.", "I am trying to find out how to {}.", "My question to you is how to {}.",
    "What I would like to know is how to {}.", "Would you please describe to me how to {}?",
    "I was hoping that you could tell me how to {}.", "There is something that I would like to know, and it is how to {}.",
    "I have been wondering about something. What I would like you to explain to me is how to {}.",
    "I am writing to you since there is something that I would like to learn from you. What I want to know is how to {}.",
)  # fmt: skip
DO: Final = (
    "Please {}.", "Can you {}?", "Could you {}?", "Would you {}?", "I want you to {}.", "I need you to {}.", "I would like you to {}.",
    "Your task is to {}.", "What I want is for you to {}.", "I am asking you to {}.", "It would help me if you could {}.",
    "I was hoping that you could {}.", "I am writing to ask you to {}.", "What I would like you to do is to {}.",
    "What I need from you is for you to {}.", "The task that I would like to give you is to {}.",
    "I have a task for you. What I would like you to do is to {}.",
    "There is something that I would like you to do for me. What I am asking you is to {}.",
    "I am writing to you since there is something that you could do for me. What I need from you is for you to {}.",
)  # fmt: skip
SAY: Final = (
    "I ask: {}", "I say: {}", "My message: {}", "This is my message: {}", "Here is what I want to say. {}", "This is what I have to say: {}",
    "What I would like to say is this: {}", "I am writing to say the following: {}", "What follows is what I want to say to you. {}",
    "There is something that I would like to say to you. Here it is: {}",
    "I have put what I would like to say to you into words. They are these: {}",
    "I am writing to you since there is something that I would like to say to you. I put it as follows: {}",
)  # fmt: skip
ASK: Final = (
    "I ask: {}", "Tell me: {}", "My question: {}", "I want to know: {}", "I have a question. {}", "This is my question: {}",
    "Here is a question for you. {}", "What I want to know is this: {}", "Could you answer this question? {}",
    "I have been wondering about something: {}", "What I would like to ask you is the following: {}",
    "There is a question that I would like to ask you. Here it is: {}",
    "I have put what I would like to know into a question. It is this: {}",
    "I am writing to you since there is a question that I would like to ask you. I put it as follows: {}",
)  # fmt: skip
VERBS: Final = frozenset(
    ["add", "advise", "analyze", "analyse", "answer", "argue", "arrange", "assemble", "assess", "brainstorm", "build", "calculate", "categorize", "check", "choose", "clarify", "classify", "code", "come", "compare", "compile", "complete", "compose", "compute", "concoct", "construct", "convert", "convince", "copy", "craft", "create", "critique", "debug", "define", "demonstrate", "derive", "describe", "design", "detail", "determine", "develop", "devise", "discuss", "draft", "draw", "edit", "elaborate", "encourage", "estimate", "evaluate", "examine", "explain", "explore", "express", "extract", "fill", "find", "fix", "formulate", "generate", "give", "guide", "help", "identify", "illustrate", "imagine", "implement", "improve", "include", "inform", "instruct", "invent", "justify", "list", "look", "make", "name", "offer", "order", "organize", "outline", "paraphrase", "pen", "perform", "persuade", "plan", "predict", "prepare", "present", "pretend", "print", "produce", "program", "promote", "prompt", "proofread", "propose", "prove", "provide", "publish", "rank", "rate", "read", "recommend", "rename", "repeat", "rephrase", "reply", "report", "research", "respond", "reveal", "review", "revise", "rewrite", "roleplay", "say", "search", "select", "send", "share", "shorten", "show", "simplify", "simulate", "sketch", "solve", "sort", "speak", "spell", "state", "suggest", "summarize", "summarise", "supply", "take", "talk", "teach", "tell", "think", "tidy", "transcribe", "translate", "type", "use", "verify", "walk", "write"]
)  # fmt: skip


class Parsed(NamedTuple):
    """Which frames fit, what goes into them, and what follows behind the first sentence."""

    kind: str
    content: str
    rest: str


_HOW: Final = re.compile(
    r"(?:how (?:do|can|could|might) (?:I|one)|(?:(?:please )?(?:explain|describe|show|tell|teach)(?: to)?(?: me)? )?how to"
    r"|(?:please )?(?:explain|describe|show|tell)(?: to)?(?: me)? how (?:I|one) can"
    r"|I(?: want|['’]d like| would like| need) to (?:know|learn) how to) (?P<content>(?P<verb>[a-z]+)\b.*)",
    re.IGNORECASE,
)
_NO_ACT: Final = frozenset(("look", "feel", "seem", "sound", "appear", "come"))
"""`How do I look?` does not ask for a way to look."""
_DO: Final = re.compile(r"(?P<modal>(?:can|could) you )?(?:please )?(?P<content>(?P<verb>[a-z]+)\b.*)", re.IGNORECASE)
_NOUNS: Final = frozenset(
    [
        "answer",
        "check",
        "code",
        "copy",
        "craft",
        "design",
        "detail",
        "draft",
        "draw",
        "estimate",
        "fill",
        "fix",
        "guide",
        "help",
        "look",
        "name",
        "offer",
        "order",
        "outline",
        "pen",
        "plan",
        "present",
        "print",
        "produce",
        "program",
        "rank",
        "rate",
        "reply",
        "report",
        "research",
        "review",
        "search",
        "share",
        "show",
        "sketch",
        "speak",
        "state",
        "take",
        "talk",
        "use",
        "walk",
    ]
)
"""Verbs of the list that are nouns as well: `Code review of bread` is no wish to code, so what follows must look like an object."""
_OBJECT: Final = re.compile(
    r"\w+ (?:\d|[\"“'`]|(?:a|an|the|me|us|my|our|your|his|her|its|their|this|that|these|those|it|them|him|some|any|all|each|every|both|"
    r"one|two|three|four|five|six|seven|eight|nine|ten|as|for|how|if|to|what|when|where|whether|which|who|why)\b)",
    re.IGNORECASE,
)
_ASKS: Final = re.compile(r"(?:how|what|why|when|where|who|whom|whose|which)\b.*\?", re.IGNORECASE)
_SHORT: Final = 4
"""`Can you sing songs?` may ask whether, so short questions of that form are announced, not taken apart."""


def parsed(text: str) -> Parsed:
    """The parts of a request."""
    sentence, rest = first_sentence(text)
    core = sentence.rstrip(".!? ")
    how = _HOW.fullmatch(core)
    if how and how["verb"].lower() not in _NO_ACT:
        return Parsed("how to", how["content"], rest)
    do = _DO.fullmatch(core)
    if (
        do
        and _is_wish(do["content"], do["verb"].lower())
        and not (do["modal"] and len(do["content"].split()) <= _SHORT)
    ):
        content = do["content"]
        return Parsed("do", content[0].lower() + content[1:], rest)
    return Parsed("ask" if _ASKS.fullmatch(sentence) else "say", text, "")


def _is_wish(content: str, verb: str) -> bool:
    return verb in VERBS and (verb not in _NOUNS or _OBJECT.match(content) is not None)


def make(prompt: Prompt, place: Place) -> Made | Impossible:
    """The request in another frame of its kind."""
    return graded(prompt, place, _forms(prompt))


def _forms(prompt: Prompt) -> Iterator[Made]:
    kind, content, rest = parsed(prompt.request)
    for frame in {"how to": HOW_TO, "do": DO, "ask": ASK, "say": SAY}[kind]:
        text = frame.format(content) + rest
        if text == prompt.request:
            continue
        span = prompt.span if prompt.span and prompt.span in text else content
        yield Made(messages=with_request(prompt, text), span=span, note=f"{kind}: {frame.replace('{}', '…')}")


def recover(messages: tuple[ChatMessage, ...], words: frozenset[str]) -> str | None:
    """The last message of the user, as it stands."""
    del words
    return asked(messages)


_ANNOUNCED: Final = re.compile(
    r"(?:I (?:ask|say|want to know|have been wondering about something)|Tell me|(?:This is )?[Mm]y (?:message|question)"
    r"|This is what I have to say|What I (?:would like|want) to (?:say|know) is this|I am writing to say the following"
    r"|What I would like to ask you is the following): "
    r"|(?:Here is what I want|What follows is what I want) to say(?: to you)?\. "
    r"|I have a question\. |Here is a question for you\. |Could you answer this question\? "
    r"|There is (?:something that I would like to say to you|a question that I would like to ask you)\. Here it is: "
    r"|I have put what I would like to (?:say to you into words\. They are these|know into a question\. It is this): "
    r"|I am writing to you since there is (?:something that I would like to say to|a question that I would like to ask) you\. "
    r"I put it as follows: "
)
_OPENED: Final = re.compile(
    r"I have been wondering about something\. |I have a task for you\. "
    r"|There is something that I would like you to do for me\. "
    r"|I am writing to you since there is something that (?:I would like to learn from you|you could do for me)\. "
)
_SHAPES: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), replaced)
    for pattern, replaced in (
        (r"(?:can|could|would) you (?:please )?(?P<rest>.+)\?", "{}"),
        (r"please (?P<rest>.+)", "{}"),
        (r"I (?:want|need|would like|['’]d like) you to (?P<rest>.+)", "{}"),
        (r"I am (?:asking|writing to ask) you to (?P<rest>.+)", "{}"),
        (r"(?:I was hoping that|It would help me if) you could (?P<rest>.+)", "{}"),
        (
            r"(?:Your task|The task that I would like to give you|What I would like you to do|What I am asking you) is to (?P<rest>.+)",
            "{}",
        ),
        (r"What I (?:want|need from you) is for you to (?P<rest>.+)", "{}"),
        (
            r"(?:What I would like you to explain to me|My question to you|What I (?:want|would like) to know) is (?P<rest>how to .+)",
            "{}",
        ),
        (r"There is something that I would like to know, and it is (?P<rest>how to .+)", "{}"),
        (r"I am trying to find out (?P<rest>how to .+)", "{}"),
        (r"I (?:want|need|would like|['’]d like) to (?:know|learn) (?P<rest>how to .+)", "{}"),
        (r"(?:explain|describe|show|tell|teach)(?: to)?(?: me)? (?P<rest>how (?:to|I can|one can) .+)", "{}"),
        (r"how (?:do|can|could|might) (?:I|one) (?P<rest>.+)", "how to {}"),
        (r"how (?:I|one) can (?P<rest>.+)", "how to {}"),
    )
)


_MOST_FRAMES: Final = 20
"""So many frames within each other are taken off; a request with more is none that anybody asks."""


def canonical(text: str) -> str:
    """The request without frames: `how to X`, `verb X`, or as it is; sentences behind the first stay as they are."""
    announced = _ANNOUNCED.match(text)
    if announced:
        return canonical(text[announced.end() :])
    sentence, rest = first_sentence(_OPENED.sub("", text, count=1) if _OPENED.match(text) else text)
    for _ in range(_MOST_FRAMES):
        was = sentence
        for shape, replaced in _SHAPES:
            found = shape.fullmatch(sentence.rstrip(".! "))
            if found:
                sentence = replaced.format(found["rest"])
        if sentence == was:
            break
    bare = sentence.rstrip(".!? ")
    if re.match(r"how to ", bare, re.IGNORECASE):
        return f"how to: {bare[7:]}{rest}"
    first = bare.split(" ")[0]
    return f"do: {first.lower()}{bare[len(first) :]}{rest}" if first.lower() in VERBS else f"say: {sentence}{rest}"
