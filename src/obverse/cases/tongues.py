"""In which language a short text is: by its function words, and unknown where they do not tell.

Enough to keep a German example in a German message and to notice a model that answered in another language. Four languages
are known; a text in a fifth, or one without any function word (`K7QX2M`, `Sounds good`), is of no known language, never of
the nearest. Not a general identifier of languages: `benchmarks/texts.py` measures its error on our own texts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from obverse.cases.context import FACTORS, LANGUAGE
from obverse.policy.checked import Checked

LANGUAGES: Final = FACTORS[LANGUAGE]
DEFAULT: Final = LANGUAGES[0]

_COMMON: Final[Mapping[str, str]] = {
    "en": """the a an and or but if is are was were be been am do does did have has had will would can could should may might
        must i you he she it we they me him her us them my your his its our their this that these those of to in on at by
        for with from about into than as not no yes what which who when where why how there here please thank thanks hello
        hi want need like get tell give let us just some any more much many i'm i'd i've don't can't it's what's that's
        you're after before again still already now also only never""",
    "de": """der die das den dem des ein eine einen einem einer eines und oder aber wenn ist sind war waren sein bin bist
        habe hast hat haben hatte wird werden würde kann kannst können könnte könnten soll sollte muss müssen darf ich du er
        sie es wir ihr mich mir dich dir ihn ihm uns ihnen mein meine meinen meinem meiner dein deine ihre ihrem ihren unser
        unsere dieser diese dieses von zu zum zur in im an am auf bei für mit aus nach vor über durch als nicht kein keine
        keinen ja nein was welche wer wann wo warum wie viel viele da hier bitte danke hallo guten tag möchte brauche gern
        gerne noch schon nur auch mal sich man gibt geht hätte wieder heute jetzt""",
    "fr": """le la les l un une des du de d et ou mais si est sont était suis es être été ai as a avons avez ont avait serait
        peux peut pouvez pourriez pourrait puis dois doit devez je tu il elle nous vous ils elles me m te moi toi lui mon ma
        mes ton ta votre vos notre nos son sa ses leur ce cet cette ces c en dans sur au aux à par pour avec sans chez que qu
        qui quoi quel quelle quels quelles quand où pourquoi comment combien ne n pas plus non oui y s'il plaît merci bonjour
        voudrais veux faut aussi encore déjà très bien j est-ce ça cela avant après""",
    "es": """el la los las un una unos unas de del y e o pero si es son era soy está están estoy ser sido he ha han había
        puedo puede pueden podría podrías debo debe yo tú él ella nosotros usted ustedes ellos me te se lo le nos mi mis tu
        tus su sus nuestro nuestra este esta estos estas ese esa eso esto en con por para sin sobre al a que qué quién cuál
        cuánto cuánta cuántos cuántas cuándo dónde cómo no sí más muy también ya aún hay favor gracias hola buenos buenas
        días quiero quisiera necesito tengo tiene tienen mucho bien antes después ahora solo""",
}  # fmt: skip
_WORDS: Final[Mapping[str, frozenset[str]]] = {name: frozenset(text.split()) for name, text in _COMMON.items()}
_SIGNS: Final[Mapping[str, str]] = {"de": "ßäöü", "fr": "çœèêëîïôûàâù", "es": "ñ¿¡íóúá"}
_WORD = re.compile(r"(?<![\w])[^\W\d_]+(?:['’-][^\W\d_]+)*(?!\w)")
_CLEAR = 0.5
"""How far the first language must be ahead of the second: less than one word of its own is no evidence."""


@lru_cache(maxsize=8192)
def language_of(text: str) -> str | None:
    """`en`, `de`, `fr` or `es`; None where the words do not tell."""
    scores = dict.fromkeys(LANGUAGES, 0.0)
    for word in _tokens(text):
        speakers = [language for language in LANGUAGES if word in _WORDS[language]]
        for language in speakers:
            scores[language] += 1 / len(speakers)
    for language, signs in _SIGNS.items():
        scores[language] += min(1.0, 0.5 * sum(sign in signs for sign in text.lower()))
    first, second, *_ = sorted(scores.items(), key=lambda item: -item[1])
    return first[0] if first[1] - second[1] >= _CLEAR else None


def function_words(language: str) -> frozenset[str]:
    """The words of a language that any text may hold."""
    return _WORDS[language]


def main_language(checked: Checked) -> str:
    """The language of most examples and phrases of a policy; English where it has none that tell."""
    return most_common([*_examples(checked), *(text for tool in checked.tools.values() for text in tool.asks)])


def most_common(texts: Iterable[str]) -> str:
    """The language of most of these texts; English where none of them tells."""
    found = Counter(language for text in texts if (language := language_of(text)) is not None)
    return max(LANGUAGES, key=lambda language: (found[language], -LANGUAGES.index(language)))


def spoken(texts: Sequence[str], language: str, main: str = DEFAULT) -> tuple[str, ...]:
    """Those of these texts that are in a language; a text that does not tell is in the main language of its policy."""
    return tuple(text for text in texts if (language_of(text) or main) == language)


def languages(checked: Checked) -> tuple[str, ...]:
    """The languages that a whole suite can be put into: in which each predicate about messages has its examples.

    A tool without a phrase in one of them is asked for by its name, in quotation marks.
    """
    main = main_language(checked)
    terms = [term for term in checked.judged.values() if term.subject == "message"]
    kinds = [kind for term in terms for kind in (term.yes, term.no) if kind]
    return tuple(
        language
        for language in LANGUAGES
        if language == main or (kinds and all(spoken(kind, language, main) for kind in kinds))
    )


def _examples(checked: Checked) -> list[str]:
    return [text for term in checked.judged.values() for text in (*term.yes, *term.no)]


def _tokens(text: str) -> list[str]:
    """The words in lower case; `j'ai` counts as itself and as its parts, for half of French stands before apostrophes."""
    found = [word.lower().replace("’", "'") for word in _WORD.findall(text)]
    return [part for word in found for part in ([word] if word in _WORDS["en"] else re.split(r"'", word)) if part]
