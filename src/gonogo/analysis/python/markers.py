r"""The phrases by which a text says that code is missing, or that it may be.

A blank in a pattern stands for any white space in the text, for prose is wrapped; `\x20` is a blank itself.
"""

from __future__ import annotations

import re

_CODE = "(?:code|implementation|logic)"
_PART = "(?:code|implementation|logic|function|class|method|file|module|script|imports?|body)"
_BEFORE = "(?:previous|prior|last|earlier|original)"
_MADE_UP = "(?:random|dummy|fake|mock|hard-?coded|made-?up|simulated?|synthetic|toy|placeholder|stub)"
# Said before "for a demo", these words judge the code that is there.
_FITS = "".join(rf"(?<!{word}\x20)" for word in ("fine", "enough", "good", "ok", "suitable", "sufficient", "used", "useful"))
_END = r"\s*(?:[.;,!)\u2013\u2014-]|$)"
_LISTS = r"(?<!docs\x20)(?<!documentation\x20)(?<!docstring\x20)(?<!docstrings\x20)(?<!arguments\x20)(?<!proof\x20)(?<!derivation\x20)"

# Code is left out here.
_MISSING = [
    rf"\b(?:TODO|FIXME)\b\W{{0,3}}(?:\([^)]{{0,100}}\)\W{{0,10}})?(?i:implement|write|complete|fill|finish|your|{_CODE})\b",
    rf"(?i:\bplaceholder {_PART}\b)",
    rf"(?i:\bthis is (?:just |only )?a (?:placeholder|stub|skeleton|mock)(?: for now)?{_END})",
    r"(?i:\b(?:dummy|mock|stub|skeleton|incomplete) implementation\b)",
    rf"(?i:{_LISTS}\b(?:omitted|elided|skipped|left out|truncated|abbreviated|removed) for (?:brevity|clarity|conciseness)\b)",
    rf"(?i:(?:\.\.\.|\u2026)\W{{0,3}}(?:the )?(?:rest of|remaining|existing|previous|other) (?:the )?(?:\w+ )?{_PART}s?\b)",
    rf"(?i:\brest of (?:the |your )?(?:\w+ )?{_PART} (?:goes here|here\b|omitted|(?:remains?|is|stays?) (?:the same|unchanged|omitted)))",
    rf"(?i:\A\W*(?:the )?rest of (?:the |your )?(?:\w+ )?{_PART}\W*\Z)",
    rf"(?i:\b(?:existing|your|actual|real) {_CODE} (?:goes |would go |comes )?here\b)",
    rf"(?i:\b{_CODE} (?:goes|would go|comes) here\b)",
    r"(?i:\A\W*(?:please )?implement (?:me|here|later|this(?: function| method| class| part)?)\W*\Z)",
    r"(?i:\b(?:to|should|must|needs? to) be (?:implemented|filled in|completed) (?:later|here|separately|in (?:a |the )?future)\b)",
    rf"(?i:\breplace (?:this|it|me) with (?:the |your |an? )?(?:actual|real|proper) (?:{_CODE}|model|data\w*|call|method|function)\b)",
    rf"(?i:\b{_MADE_UP}\b[^.;]{{0,60}}[\s(,]for (?:demonstration|demo)(?: purposes?| only)*{_END})",
    r"(?i:\bin (?:an? )?(?:real|actual|full|production)(?:[- ]world)?"
    r" (?:implementation|setting|scenario|system|version|application|experiment)s?,?"
    r" (?:you|we|this|one|it|they)(?:'d| would| should| could| might| will| needs?)\b)",
]
# Code may be left out: it is called unchanged, simpler, or still to be touched.
_DOUBTFUL = [
    r"\b(?:TODO|FIXME)\b",
    rf"(?i:\bsame as (?:in |provided by |provided in |the |that of )*{_BEFORE}"
    r" (?:iteration|version|answer|response|submission|attempt|file|code)\b)",
    r"(?i:\b(?:retained|kept|copied|left|preserved) verbatim\b)",
    rf"(?i:(?:\A\W*(?:the )?|\bthis ){_PART} (?:is |was |remains? |stays? )?unchanged\b)",
    rf"(?i:\bunchanged (?:from|since|compared to|compared with) (?:the )?{_BEFORE}\b)",
    rf"(?i:\b{_PART}\W{{0,3}}\(unchanged(?:\s*[\u2013\u2014-][^)]{{0,200}})?\))",
    r"(?i:\A\W*unchanged\b(?:\W*\Z|\s*(?:[\u2013\u2014-]|but)\s*(?:included|kept|already|provided)\b))",
    rf"(?i:\b{_FITS}for (?:demonstration|demo)(?: purposes?| only)*{_END})",
    r"(?i:\bnot (?:yet implemented|implemented yet)\b)",
    r"(?i:\bsimplified (?:version|implementation|variant|stand-?in|re-?implementation)\b)",
]


def _compiled(patterns: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(pattern.replace(" ", r"\s+") for pattern in patterns), re.MULTILINE)


# A word of every pattern above: a text without any of them needs no closer look, and most texts are without.
HINT = re.compile(
    r"todo|fixme|placeholder|stub|skeleton|mock|dummy|incomplete|brevity|clarity|conciseness|rest\s+of|\.\.\.|\u2026|\bhere\b|implement"
    r"|filled\s+in|completed|replace|demo|\bin\s+(?:an?\s+)?(?:real|actual|full|production)|same\s+as|verbatim|unchanged|simplified",
    re.IGNORECASE,
)
MISSING, DOUBTFUL = _compiled(_MISSING), _compiled(_DOUBTFUL)


def find_marker(text: str) -> tuple[re.Match[str], bool] | None:
    """Return the phrase by which a text says that code is missing, and whether it surely says so.

    None if the text says nothing of the kind.
    """
    if not HINT.search(text):
        return None
    for pattern, is_sure in ((MISSING, True), (DOUBTFUL, False)):
        found = pattern.search(text)
        if found:
            return found, is_sure
    return None
