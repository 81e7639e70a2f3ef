"""The parts of a case that act while it is run: the simulated tools and the scripted user.

Both are pure: what they say depends on the case and on how often they were asked, nothing else. Whether a call is executed at
all is decided elsewhere; this is only what it gives.
"""

from __future__ import annotations

from collections.abc import Mapping

from obverse.cases.context import LANGUAGE
from obverse.cases.naming import dumps
from obverse.cases.records import Answer, Case, Said, World
from obverse.cases.talk import known_labels
from obverse.cases.tongues import main_language
from obverse.cases.wording import details
from obverse.core.canon import canonical
from obverse.core.events import Call
from obverse.policy.checked import Checked
from obverse.policy.decision import Unknown
from obverse.policy.reading import read_arguments, read_json

_ASKED_BACK = 2  # how often the user gives the details again before he leaves


def answer(world: World, tool: str, raw_arguments: str) -> tuple[str, bool]:
    """What a simulated tool gives for these arguments, and whether it failed."""
    arguments = read_arguments(raw_arguments)
    if isinstance(arguments, Unknown):
        return "error: the arguments are not a JSON object", True
    key = canonical(arguments).decode()
    exact = [known for known in world.answers if known.tool == tool and known.arguments == key]
    if exact:
        return exact[0].output, exact[0].failed
    others = [known for known in world.answers if known.tool == tool and known.arguments is None]
    if not others:
        return f"error: there is no tool `{tool}`", True
    return _about(others[0], arguments), others[0].failed


def _about(plain: Answer, arguments: Mapping[str, object]) -> str:
    """The plain answer with the arguments of the call in the fields of the same name: a look-up returns what was looked up."""
    value = read_json(plain.output)
    if not isinstance(value, dict):
        return plain.output
    return dumps({name: arguments.get(name, item) for name, item in value.items()})


class User:
    """The scripted user of one dialogue: says the script, gives details when asked back, then leaves.

    He never says yes to what the script has no yes for: that would make another case of it.
    """

    def __init__(self, checked: Checked, case: Case) -> None:
        self.checked = checked
        self.case = case
        self.told = 0
        self.asked_back = 0

    def next_message(self, reply: str | None = None) -> Said | None:
        """What the user says to this reply (None: to open the dialogue); None when he has nothing more to say."""
        if self.told < len(self.case.script):
            self.told += 1
            return self.case.script[self.told - 1]
        event = self.case.step.event
        if reply is None or "?" not in reply or self.asked_back == _ASKED_BACK or not isinstance(event, Call):
            return None
        self.asked_back += 1
        tool, arguments = self.checked.tools.get(event.tool), read_arguments(event.arguments)
        if tool is None or isinstance(arguments, Unknown):
            return None
        language = self.case.context.get(LANGUAGE) or main_language(self.checked)
        text = details(tool, arguments, self.checked.timezone_minutes, language=language)
        return Said(text=text, labels=known_labels(self.checked, "message", text))
