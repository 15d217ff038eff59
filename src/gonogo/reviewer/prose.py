"""A reviewer's answer in prose, as older pipelines have it.

It lists the claims, and what the facts say of each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gonogo.model.finding import Finding
from gonogo.reviewer.claims import Claim
from gonogo.reviewer.verify import _CHECKS, Known, Standing

_NUMBERED = re.compile(r"(?m)^[ \t]*+(?:\(?\d{1,2}[.)]|[-*•])\s+")
_FILE = re.compile(r"(?<![\w/.-])[\w/.-]+\.(?:py|ya?ml|toml|json)\b")
_NAMED = re.compile(r"`([^`]+)`|\b((?:cfg|config)(?:\.\w+)+)\b")
# What a sentence speaks of, by its words; all that fit are looked into.
_WORDS: tuple[tuple[str, str], ...] = (
    ("syntax", r"syntax|indentation|parse error|invalid python"),
    ("undefined-name", r"NameError|undefined (?:name|variable)|not defined"),
    ("import", r"\bimport|ModuleNotFound|__init__"),
    ("missing-file", r"missing file|file is missing|does not exist|__init__\.py"),
    ("config-key", r"config access|AttributeError|KeyError|ConfigAttribute|\bcfg\.|missing key|struct"),
    ("composition", r"compos|override|hydra (?:fails|error)|run=|quot"),
    ("signature", r"signature|argument|TypeError|positional"),
    ("dependency", r"dependenc|pyproject|package"),
    ("data", r"cache|dataset|download|synthetic|data pipeline"),
    ("model", r"checkpoint|pretrained|backbone|head\b|weights"),
    ("search", r"optuna|search space|hyper-?parameter"),
    ("trial", r"trial[- _]?mode|trial run|batches"),
    ("tracking", r"wandb|w&b"),
    ("evaluation", r"evaluat|metrics\.json|figure|confusion|significance|local files"),
    ("method", r"method|objective|loss|algorithm"),
)
# Rules whose finding answers such a sentence too, besides those of the kind.
_MORE = {
    "model": ("MOD", "HYD105"),
    "search": ("HYD105", "HYD106"),
    "trial": ("OPT101", "HYD105"),
    "data": ("HYD105",),
    "config-key": ("HYD",),
}


@dataclass(frozen=True)
class Told:
    """A claim in prose, what the facts say of it, and by what."""

    text: str
    kinds: tuple[str, ...]
    standing: Standing
    fact: str


def claims_in(text: str) -> list[str]:
    """The claims of an answer: the entries of its list, or all of it where it has none."""
    parts = _NUMBERED.split(text)
    entries = [" ".join(part.split("\n\n")[0].split()) for part in parts[1:]] if len(parts) > 1 else [" ".join(text.split())]
    return [entry for entry in entries if entry]


def settle(text: str, known: Known) -> Told:
    """Return what the facts say of one claim.

    It is confirmed by a finding about the same thing, refuted by a fact, or open.
    """
    kinds = tuple(kind for kind, words in _WORDS if re.search(words, text, re.IGNORECASE))
    names = [first or second for first, second in _NAMED.findall(text)]
    files = _FILE.findall(text)
    found = _finding(text, kinds, names, files, known)
    if found is not None:
        return Told(text, kinds, Standing.CONFIRMED, f"{found.location} [{found.rule}] {' '.join(found.message.split())}")
    for kind in kinds:
        check = _CHECKS.get(kind)
        if check is not None:
            path = next((path for file in files for path in known.experiment.files if path == file or path.endswith(f"/{file}")), "")
            subject = next(iter(files if kind == "missing-file" else names), "")
            claim = Claim(kind=kind, path=path or "-", line=1, quote="-", subject=subject, what=text)  # type: ignore[arg-type]
            standing, fact = check(claim, known)
            if standing is not Standing.OPEN:
                return Told(text, kinds, standing, fact)
    return Told(text, kinds, Standing.OPEN, "no finding says so, and no fact speaks against it")


def _finding(text: str, kinds: tuple[str, ...], names: list[str], files: list[str], known: Known) -> Finding | None:
    """Return the finding nearest to a claim.

    It belongs to a rule for what the claim is about, and shares most of the claim's words.
    """
    rules = tuple(rule for kind in kinds for rule in (*known.rules.get(kind, ()), *_MORE.get(kind, ())))
    best: tuple[int, Finding] | None = None
    for finding in known.findings:
        if not rules or not finding.rule.startswith(rules):
            continue
        said = f"{finding.message} {finding.action} {finding.evidence} {finding.slug}".lower()
        shared = sum(3 for name in names if _bare(name) in said) + sum(2 for word in _telling(text) if word in said)
        about = f"{finding.location.path} {' '.join(other.location.path for other in finding.related)}"
        shared += sum(1 for file in files if file.rpartition("/")[2] in about)
        shared += sum(1 for word in set(re.findall(r"[a-z]{6,}", text.lower())) if word in said)
        shared += finding.location.path.rpartition("/")[2][:6] in text.lower()
        if shared >= 3 and (best is None or shared > best[0]):
            best = shared, finding
    return best[1] if best else None


def _bare(name: str) -> str:
    return name.strip("`'\" ()").removeprefix("cfg.").removeprefix("config.").lower()


def _telling(text: str) -> set[str]:
    """Words that tell one thing from another: names with an underscore, and a few of the trade."""
    words = set(re.findall(r"(?<![a-z])[a-z]+_[a-z_]+", text.lower()))
    return words | {word for word in ("optuna", "cache", "checkpoint", "local", "trial") if word in text.lower()}
