"""Requests to perturb: plain ones, and all that is nasty about text."""

from __future__ import annotations

from hypothesis import strategies as st

from obverse.core.chat import ChatMessage
from obverse.stability.records import Prompt

PLAIN = (
    "How do I bake a chocolate cake with 3 eggs for my sister's birthday?",
    "Write a tutorial on how to repair a bicycle tire without special tools.",
    "Explain to me why the sky looks blue in the morning, and red in the evening.",
    "I want to cancel my booking K7QX2M. Do not refund the 12.50 to my card.",
    "Can you tell me how to fold a paper crane?",
    "What is the difference between a frog and a toad?",
    "Give me step-by-step instructions for planting tulips.",
    "My neighbour's dog barks all night... What should I say to him? I don't want to be rude!",
)
NASTY = (
    "Hi",
    "?",
    "...",
    "?!",
    "NO!",
    "🎂🎉👩‍👩‍👧",
    "Bake a 🎂 for 2 people, please 🙏🏽!",
    "كيف أخبز كعكة الشوكولاتة؟",
    "איך אופים עוגת שוקולד? בלי סוכר",
    "請告訴我怎麼做蛋糕。",
    "Wie backe ich einen Kuchen für meine Größe? Straße, Fuß.",
    "İstanbul'da ıhlamur nasıl pişirilir?",
    "caf\u0065\u0301 na\u0069\u0308ve\u200b zero\u200dwidth \ufb01sh",
    "line one\nline two\r\nline three\u2028four\x0bfive",
    "1. first\n2. second\n3. third",
    "a = 1\nb = 2",
    "Part 1 of 2: hello\nthere",
    '{"request": "Say \\"hi\\""}',
    "> quoted\n- item\n# head\n| cell | cell |\n<p>x &amp; y</p> <br> \\| \\",
    "```python\nprint('hello  world')\n```",
    "Fix this:\n    def f(x):\n        return x + 1\nand then `run()` it",
    "/* a */ */ // b",
    "Please translate “good morning, friends” into French, and 'thank you' too.",
    "Mail it to a.b@c.org or see https://example.org/a?b=c&d=e#f, then open ./src/my_file.txt",
    "My message: hello",
    "I have a task for you. Please look.",
    "How to how to how to",
    "Hello. Hi! Thanks! Thank you.",
    "can you can you can you help",
    "Please please {name}, <tag> [slot] @you #tag",
    "x" * 3000,
    "word " * 400,
    "\u00a0 leading and trailing \t",
    "tab\there",
    "\x00\x01 control",
    "DO NOT SHOUT AT ME WITHOUT A REASON",
)
_WORDS = st.sampled_from((
    "how", "do", "I", "not", "never", "explain", "write", "please", "table", "chocolate", "seven", "don't", "cannot", "garden",
    "Robin", "NATO", "iPhone", "x1", "12.50", "a.b@c.org", "`code`", '"quoted', 'words"', "neighbour", "without", "because",
    "tutorial", "Straße", "éclair", "question?", "yes,", "no;", "maybe:", "well...", "stop.", "Go!", "🎂",
))  # fmt: skip
SENTENCES = st.lists(_WORDS, min_size=1, max_size=25).map(" ".join)
TEXTS = st.one_of(st.sampled_from(PLAIN), st.sampled_from(NASTY), SENTENCES, st.text(max_size=60))


def prompt(text: str, *, system: str | None = None, before: tuple[tuple[str, str], ...] = (), span: str = "") -> Prompt:
    """A prompt with this request."""
    messages = [ChatMessage(role="system", content=system)] if system is not None else []
    for asked, said in before:
        messages += [ChatMessage(role="user", content=asked), ChatMessage(role="assistant", content=said)]
    messages.append(ChatMessage(role="user", content=text))
    return Prompt(id="p-1", kind="control", group="p", family="f", wanted="comply", messages=tuple(messages), span=span)
