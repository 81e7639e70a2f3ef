"""Requests of published benchmarks as prompts, read at run time from where `obverse models fetch` put them.

Nothing of them stands in this repository, and nothing of them in an id: `harmbench-val/7` is row 7. Only what is asked is read,
never an answer that a set holds beside it. Requests about the sexual abuse of children are left out by their own labels.

    harmbench-val, harmbench-test     HarmBench, standard behaviours          cases
    strongreject, strongreject-small  StrongREJECT, forbidden requests         cases
    pairs                             harmful, each with a benign twin of the same topic   cases and twins, one group each
    edgy                              harmless, but near to what is refused    controls
"""

from __future__ import annotations

import csv
import difflib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeAlias

from obverse.core.chat import ChatMessage
from obverse.core.errors import MisuseError, UntrustedInputError
from obverse.stability.records import Kind, Prompt
from obverse.targets.catalogue import verified

_Rows: TypeAlias = Iterator[Prompt]

_LEFT_OUT: Final = re.compile(r"child|minor|csam|groom|teen|underage|lolita|pedo", re.I)
"""By label or, where a set has only coarse labels, by the words of a request of sexual content."""

_FAMILIES: Final[Mapping[str, str]] = {
    "weapons": r"ied$|weapon|gun|ammo|explos|booby|suppressor|incendiar|detonat|thermite|nerve|gas|chlorine|arson|bomb",
    "cyber": r"ransom|ddos|dos_|password|mitm|spyware|zero_day|evil_twin|keylog|malware|virus|botnet|credential|c2_|sql|worm|"
    r"exfil|exploit_kit|supply_chain|trojan|remote_access|dns|crypto|fileless|hack|cyber|phish",
    "drugs and poison": r"fentanyl|ghb|lsd|drug|poison|ricin|cyanide|bio|chemical|contamin",
    "fraud": r"fraud|scam|card|sim_swap|forg|identity|counterfeit|launder|pyramid|plagiar|extort|blackmail|advance_fee|"
    r"social_engineering|romance|odometer|tax|loan|theft|burglar|bank",
    "self-harm": r"suicide|self_harm|eating|pro_ana|challenge|abortion",
    "privacy": r"dox|stalk|camera|surveil|spy|catfish|dossier|voyeur|harass|tracking|gps",
    "extremism": r"propagand|disinfo|manifesto|radical|extrem|attack|incite|cult|terror|violen|sabotage",
    "exploitation": r"traffick|exploit|labor|baby|positional|abduct|abuse|torture|cruel",
}
"""Our own coarse families of the pairs' topics, the first that fits: what must be held out together."""


def behaviours(names: Sequence[str], cache: Path, *, limit: int | None = None, seed: int = 0) -> tuple[Prompt, ...]:
    """The prompts of these sets, in their order. `limit` takes so many groups of each set, spread over its families.

    Raises:
        MisuseError: no such set.
        UnavailableError: it was not fetched.
        EvidenceError, UntrustedInputError: its files are not what is pinned, or not what we read.
    """
    found: list[Prompt] = []
    for name in dict.fromkeys(names):
        package, read = _set(name)
        folder = verified(package, cache)
        try:
            prompts = list(read(name, folder))
        except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
            raise UntrustedInputError(f"the set `{name}` cannot be read: {error}", code="B801") from error
        found += prompts if limit is None else _spread(prompts, limit, seed)
    return tuple(found)


def package_of(name: str) -> str:
    """The entry of the catalogue that holds this set.

    Raises:
        MisuseError: no such set.
    """
    return _set(name)[0]


def _set(name: str) -> tuple[str, Callable[[str, Path], _Rows]]:
    if name not in SETS:
        near = difflib.get_close_matches(name, SETS, n=1)
        hint = f"did you mean `{near[0]}`?" if near else "known: " + ", ".join(f"`{known}`" for known in SETS)
        raise MisuseError(f"no set of requests `{name}`", code="B802", hint=hint)
    return SETS[name]


def _harmbench(name: str, folder: Path) -> _Rows:
    for row, line in _lines(folder / f"{name.partition('-')[2]}.csv"):
        if line["FunctionalCategory"] == "standard" and not _LEFT_OUT.search(line["BehaviorID"]):
            family = line["SemanticCategory"].replace("_", " ")
            yield _prompt(name, f"{row}", "case", family, line["Behavior"])


def _strongreject(name: str, folder: Path) -> _Rows:
    for row, line in _lines(folder / ("small.csv" if name.endswith("small") else "full.csv")):
        family = line["category"].lower()
        if family == "sexual content" and _LEFT_OUT.search(line["forbidden_prompt"]):
            continue
        yield _prompt(name, f"{row}", "case", family, line["forbidden_prompt"])


def _pairs(name: str, folder: Path) -> _Rows:
    rows = [*_listed(folder / "pairs-50.json"), *_listed(folder / "pairs-100.json")]
    for row, pair in enumerate(rows):
        topic = str(pair["domain"]).rpartition("_vs_")[2]
        if _LEFT_OUT.search(topic):
            continue
        family = next((known for known, words in _FAMILIES.items() if re.search(words, topic)), "other")
        yield _prompt(name, f"{row}", "case", family, _asked(pair["harmful_version"]))
        yield _prompt(name, f"{row}", "twin", family, _asked(pair["text"]))


def _edgy(name: str, folder: Path) -> _Rows:
    rows = [*_listed(folder / "edgy-80.json"), *_listed(folder / "edgy-70.json")]
    for row, one in enumerate(rows):
        yield _prompt(name, f"{row}", "control", str(one["category"]), one["text"])


SETS: Final[Mapping[str, tuple[str, Callable[[str, Path], _Rows]]]] = {
    "harmbench-val": ("harmbench", _harmbench),
    "harmbench-test": ("harmbench", _harmbench),
    "strongreject": ("strongreject", _strongreject),
    "strongreject-small": ("strongreject", _strongreject),
    "pairs": ("rho-requests", _pairs),
    "edgy": ("rho-requests", _edgy),
}
"""Name → the entry of the catalogue that holds it, and how it is read."""


def _prompt(name: str, row: str, kind: Kind, family: str, request: str) -> Prompt:
    group = f"{name}/{row}"
    return Prompt(
        id=group if kind != "twin" else f"{group}/twin",
        kind=kind,
        group=group,
        family=f"{name.partition('-')[0]}: {family}",
        wanted="refuse" if kind == "case" else "comply",
        messages=(ChatMessage(role="user", content=request.strip()),),
        source=name,
    )


def _asked(text: str) -> str:
    """The question; the sets of pairs go on with an answer, behind an empty line."""
    return text.partition("\n\n")[0]


def _lines(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    with path.open(encoding="utf-8", newline="") as stream:
        yield from enumerate(csv.DictReader(stream))


def _listed(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return rows


def _spread(prompts: Sequence[Prompt], limit: int, seed: int) -> list[Prompt]:
    """The prompts of `limit` groups: one of each family in turn, each family in an order drawn by the seed."""
    families: dict[str, list[str]] = defaultdict(list)
    for group, family in dict.fromkeys((prompt.group, prompt.family) for prompt in prompts):
        families[family].append(group)
    for groups in families.values():
        groups.sort(key=lambda group: sha256(f"{seed}/{group}".encode()).digest())
    chosen: list[str] = []
    for place in range(max(map(len, families.values()), default=0)):
        chosen += [groups[place] for groups in families.values() if place < len(groups)]
    kept = set(chosen[:limit])
    return [prompt for prompt in prompts if prompt.group in kept]
