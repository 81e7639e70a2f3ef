"""What a statement is, by its words: normative, a definition, or background. A guess that is shown and can be overruled.

It errs towards *normative*: a statement that is put to the model for nothing costs a call, one that is not costs a rule.
"""

from __future__ import annotations

import re
from typing import Final

from obverse.draft.pieces import Kind

_DEONTIC: Final = re.compile(
    r"\b(?:must|shall|should|may|might not|can ?not|can't|can only|cannot|do not|don't|does not|doesn't|never|always|only|unless|"
    r"(?:is|are|be) (?:not )?(?:required|prohibited|forbidden|allowed|permitted|obliged|entitled|expected|supposed|limited|"
    r"denied|refused|approved|banned)|"
    r"needs? (?:to|a|an|the|approval)|ha(?:s|ve) to|ought to|requires?|prohibits?|forbids?|at most|no more than|at least|up to|"
    r"not be|without (?:first|prior)|before \w+ing|no one|nobody|refuse|decline|avoid|ensure|make sure|"
    r"is (?:not )?refunded|are (?:not )?refunded|will not|won't)\b",
    re.IGNORECASE,
)
_IMPERATIVE: Final = re.compile(
    r"[*_`\"'(\[\s]*(?:please )?(?:if [^,]{1,120}, )?(?:then )?(?:always|never|do|don't|ask|answer|apologi[sz]e|avoid|be|block|call|"
    r"cancel|check|choose|confirm|consider|deny|disclose|ensure|escalate|explain|follow|forbid|give|keep|limit|log|look|make|"
    r"mention|note|notify|obtain|offer|prefer|protect|provide|redact|refer|refuse|reject|remind|report|request|require|respect|"
    r"respond|send|share|show|stop|tell|transfer|treat|use|verify|wait|warn)\b(?! (?:is|are|was|were)\b)",
    re.IGNORECASE,
)
_DEFINITION: Final = re.compile(
    r"\b(?:means?|refers? to|is defined as|are defined as|is understood as|stands for|"
    r"(?:is|are) (?:considered|deemed|called|known as|counted as|treated as)|"
    r"for the purposes? of|by .{1,40} we mean)\b",
    re.IGNORECASE,
)
_NORM_OF_LEAD: Final = re.compile(r"[:：]\s*[*_`]*\s*$")
_SENTENCE: Final = re.compile(r"[.:;!?]['\")\]]*\s*$", re.M)
_SIGNS: Final = re.compile(r"[{}<>=;|$\\]|\(\)|::|->")


def kind_of(text: str, context: tuple[str, ...] = ()) -> Kind:
    """What a statement is. An item under a normative lead-in is normative itself."""
    if _DEFINITION.search(text) and not re.search(r"\b(?:must|shall|never|may not|cannot)\b", text, re.IGNORECASE):
        return "definition"
    if _DEONTIC.search(text) or _IMPERATIVE.match(text):
        return "normative"
    leads = [one for one in context if _NORM_OF_LEAD.search(one)]
    if any(_DEONTIC.search(one) or _IMPERATIVE.match(one) for one in leads):
        return "normative"
    if any(_DEFINITION.search(one) for one in leads):
        return "definition"
    return "background"


def is_wordy(text: str) -> bool:
    """Whether a block that is indented like code reads like sentences."""
    words = re.findall(r"[^\W\d_]{2,}", text)
    return len(words) >= 5 and len(_SIGNS.findall(text)) * 8 < len(words) and bool(_SENTENCE.search(text))
