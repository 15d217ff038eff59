"""Makes the edits that findings suggest, for `gonogo fix`.

Edits that did not remove their finding are undone.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from gonogo.model.edits import edited, overlap
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Change, Finding, Fix
from gonogo.model.verdict import Verdict

MOST_ROUNDS = 20

_Key = tuple[str, str, str]


@dataclass
class Mended:
    """What became of an experiment.

    Attributes:
        before: the verdict on it as it was.
        after: the verdict on it with all edits.
        texts: the new texts of the files that changed, by path.
        made: the findings whose edits were made.
        taken_back: the findings whose edits did not remove them.
        unsafe: how many findings have edits that were not asked for.
    """

    before: Verdict
    after: Verdict
    texts: dict[str, str] = field(default_factory=dict)
    made: list[Finding] = field(default_factory=list)
    taken_back: list[Finding] = field(default_factory=list)

    @property
    def unsafe(self) -> int:
        """How many findings that are left have edits that change what the code does."""
        return sum(finding.fix is not None and not finding.fix.is_safe for finding in self.after.findings)


def mend(experiment: Experiment, judge: Callable[[Experiment], Verdict], unsafe: bool) -> Mended:
    """Make edits until none is left to make; nothing is written.

    The gate looks again after each round. An edit stays if its finding is gone, no file stopped to be Python, and the gate can decide all
    that it could decide before. Where a round has an edit that does not stay, those that do are made without it.

    Args:
        experiment: as it was read.
        judge: the gate.
        unsafe: make edits that change what the code does, too.
    """
    verdict = judge(experiment)
    mended = Mended(verdict, verdict)
    refused: set[_Key] = set()
    one_by_one = False
    for _ in range(MOST_ROUNDS):
        chosen = _chosen(mended.after.findings, unsafe, refused, experiment)
        if one_by_one:
            chosen = _alike(chosen)
        if not chosen:
            break
        attempt = _with(experiment, chosen)
        verdict = judge(attempt)
        bad = _not_removed(chosen, mended.after, verdict)
        if not bad and _is_worse(attempt, experiment, mended.after, verdict):
            if not one_by_one and len(_alike(chosen)) < len(chosen):
                one_by_one = True  # to find the one that did it
                continue
            bad = chosen
        if bad:
            refused |= {_key(finding) for finding in bad}
            mended.taken_back += bad
            continue
        mended.texts |= {path: text for path in _paths(chosen) if (text := attempt.text(path)) is not None}
        mended.made += chosen
        mended.after, experiment = verdict, attempt
    return mended


def _chosen(findings: Iterable[Finding], unsafe: bool, refused: set[_Key], experiment: Experiment) -> list[Finding]:
    """Findings whose edits can be made together, worst first."""
    chosen: list[Finding] = []
    changes: list[Change] = []
    for finding in findings:
        fix = finding.fix
        if fix is None or not (fix.is_safe or unsafe) or _key(finding) in refused:
            continue
        if any(experiment.text(change.location.path) is None for change in fix.changes):
            continue
        if not any(overlap(own, other) for own in fix.changes for other in changes):
            chosen.append(finding)
            changes += fix.changes
    return chosen


def _alike(chosen: list[Finding]) -> list[Finding]:
    """The first, and those that are removed by the same edits."""
    return [finding for finding in chosen if finding.fix == chosen[0].fix]


def _with(experiment: Experiment, chosen: list[Finding]) -> Experiment:
    changes = {change for finding in chosen for change in _fix(finding).changes}
    files = dict(experiment.files)
    for path in _paths(chosen):
        own = [change for change in changes if change.location.path == path]
        files[path] = replace(files[path], text=edited(experiment.text(path) or "", own))
    return replace(experiment, files=files)


def _paths(chosen: list[Finding]) -> list[str]:
    return sorted({change.location.path for finding in chosen for change in _fix(finding).changes})


def _fix(finding: Finding) -> Fix:
    assert finding.fix is not None
    return finding.fix


def _key(finding: Finding) -> _Key:
    return finding.rule, finding.location.path, finding.message


def _not_removed(chosen: list[Finding], before: Verdict, after: Verdict) -> list[Finding]:
    """Return the findings that the edits did not remove.

    A finding counts as still there if its file has more findings with the same message than before, less those that should be gone.
    """
    were, are, gone = (Counter(map(_key, findings)) for findings in (before.findings, after.findings, chosen))
    return [finding for finding in chosen if are[_key(finding)] > were[_key(finding)] - gone[_key(finding)]]


def _is_worse(attempt: Experiment, experiment: Experiment, before: Verdict, after: Verdict) -> bool:
    broken = any(
        path.endswith(".py") and _parses(experiment.text(path)) and not _parses(file.text)
        for path, file in attempt.files.items()
        if file is not experiment.files[path]
    )
    return broken or bool(set(after.undecided) - set(before.undecided))


def _parses(text: str | None) -> bool:
    try:
        ast.parse(text or "")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
