"""What the caller accepts, and why.

It states rules to run, findings to ignore with a reason, severities, and a baseline.

Policy comes from the caller. What the reviewed repository says of itself (`[tool.gonogo]`, comments on a line) counts only where the caller
trusts it. Nothing disappears: whatever is overlooked stands in the verdict with the reason.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gonogo.analysis.python.ignores import InlineIgnore, find_ignores
from gonogo.documents.toml import parse_toml
from gonogo.model.errors import UsageError
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Finding, Severity
from gonogo.model.policy import Baseline, BaselineEntry, Ignore, Policy, excluding
from gonogo.model.verdict import Suppressed, Verdict
from gonogo.rules.base import all_rules, matches

MAX_BYTES = 10_000_000
MOST_NAMED = 5
NEVER_INLINE = "POL"  # a comment can't excuse itself


def load_policy(path: str) -> Policy:
    """The policy of a TOML file.

    Raises:
        UsageError: it can't be read, or is none.
    """
    try:
        data = tomllib.loads(_read(path, "policy").decode("utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"The policy {path} is not valid TOML: {error}.") from error
    return _checked(data, path, f"The policy {path}")


def repository_policy(experiment: Experiment) -> Policy | None:
    """What `[tool.gonogo]` in the experiment's `pyproject.toml` says; None if it says nothing.

    Raises:
        UsageError: it is no policy.
    """
    table = _repository_table(experiment)
    return _checked(table, "pyproject.toml", "[tool.gonogo] in the experiment's pyproject.toml") if table is not None else None


def _repository_table(experiment: Experiment) -> Any:
    text = experiment.text("pyproject.toml")
    if text is None or "gonogo" not in text:
        return None
    tool = parse_toml(text).table.get("tool")  # of a file that is not TOML, IMP103 speaks
    return tool.get("gonogo") if isinstance(tool, dict) else None


def _checked(data: Any, where: str, subject: str) -> Policy:
    if not isinstance(data, dict) or "where" in data:
        raise UsageError(f"{subject} is not valid: it must be a table with contract, select, exclude, severity, ignore or ai.")
    try:
        policy = Policy.model_validate({**data, "where": where})
    except ValidationError as error:
        raise UsageError(f"{subject} is not valid at {_first(error)}.") from error
    rules = all_rules().values()
    patterns = [*policy.select, *policy.severity, *(name for entry in policy.ignore for name in entry.rules)]
    for pattern in patterns:
        if not any(matches(rule, pattern) for rule in rules):
            raise UsageError(f"{subject} names '{pattern}', which matches no rule: `gonogo rules` lists them.")
    return policy


def load_baseline(path: str) -> Baseline:
    """The baseline of a file that `--write-baseline` made.

    Raises:
        UsageError: it can't be read, or is none.
    """
    try:
        baseline = Baseline.model_validate_json(_read(path, "baseline"))
    except ValidationError as error:
        raise UsageError(f"The baseline {path} is not valid at {_first(error)}.") from error
    return baseline.model_copy(update={"where": path})


def make_baseline(verdict: Verdict) -> Baseline:
    """A baseline of all that a verdict found and nothing but a baseline excused."""
    known = [entry.finding for entry in verdict.suppressed if entry.by == "baseline"]
    entries = [
        BaselineEntry(fingerprint=finding.fingerprint, rule=finding.rule, path=finding.location.path, message=finding.message)
        for finding in [*verdict.findings, *known]
    ]
    return Baseline(findings=sorted(entries, key=lambda entry: (entry.path, entry.rule, entry.fingerprint)))


def _read(path: str, kind: str) -> bytes:
    try:
        file = Path(path)
        if file.exists() and not file.is_file():
            raise UsageError(f"The {kind} {path} is no file.")
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise UsageError(f"The {kind} {path} can't be read: {getattr(error, 'strerror', None) or error}.") from error
    if len(data) > MAX_BYTES:
        raise UsageError(f"The {kind} {path} is larger than {MAX_BYTES // 1_000_000} MB.")
    return data


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'its top'}: {first['msg']}"


class Application:
    """The application of policies to the findings of one verdict.

    The order is: severities, what is excluded, the policies' ignores, comments, the baseline.

    Args:
        exclude: the caller's patterns of files and folders.
        policies: the caller's, then the repository's own where it is trusted; the first that speaks of a finding counts.
        baseline: the caller's.
        trusted: follow comments of the experiment.
    """

    def __init__(self, exclude: Iterable[str], policies: Iterable[tuple[str, Policy]], baseline: Baseline | None, trusted: bool) -> None:
        self._policies = list(policies)
        self._excluded = [("exclude", "--exclude", list(exclude)), *((by, policy.where, policy.exclude) for by, policy in self._policies)]
        self._baseline = baseline
        self._trusted = trusted
        self._rules = all_rules()

    def apply(self, verdict: Verdict, texts: Mapping[str, str], ran: set[str]) -> None:
        """Move what is overlooked from the findings to the suppressed, and say what had no use.

        Args:
            verdict: its findings are merged.
            texts: of the experiment's files, by path.
            ran: the ids of the rules that ran.
        """
        known = set(self._rules) | {rule.slug for rule in self._rules.values()}
        comments = [entry for path in sorted(texts) for entry in find_ignores(path, texts[path])]
        usable = [entry for entry in comments if entry.problem(known) is None] if self._trusted else []
        used: set[InlineIgnore] = set()
        left: Counter[str] = Counter(entry.fingerprint for entry in self._baseline.findings) if self._baseline else Counter()
        kept = []
        for finding in (self._weighed(finding) for finding in verdict.findings):
            suppressed = (
                self._by_exclusion(finding)
                or self._by_policy(finding)
                or self._by_comment(finding, usable, used)
                or self._by_baseline(finding, left)
            )
            if suppressed is not None:
                verdict.suppressed.append(suppressed)
            else:
                kept.append(finding)
        verdict.findings = sorted(kept, key=Finding.sort_key)
        left.subtract(entry.finding.fingerprint for entry in verdict.suppressed if entry.by != "baseline")
        verdict.notes += self._without_use(usable, used, left, ran, complete=not verdict.undecided)
        if comments and not self._trusted:
            verdict.notes.append(f"Comments that ask to ignore findings were not followed: {len(comments)} (--trust-repo).")

    def may_block(self, rule_id: str, severity: Severity) -> bool:
        """Return whether a finding of a rule that was not kept could have blocked.

        It could if nothing lowers its severity or ignores it wherever it is.
        """
        rule = self._rules[rule_id]
        weights = (weight for _, policy in self._policies for name, weight in policy.severity.items() if matches(rule, name))
        ignores = (entry for _, policy in self._policies for entry in policy.ignore if entry.path is None)
        is_ignored = any(matches(rule, name) for entry in ignores for name in entry.rules)
        return next(weights, severity) is Severity.ERROR and not is_ignored

    def _weighed(self, finding: Finding) -> Finding:
        for _, policy in self._policies:
            for pattern, severity in policy.severity.items():
                if matches(self._rules[finding.rule], pattern):
                    if severity is finding.severity:
                        return finding
                    return finding.model_copy(update={"severity": severity, "severity_by_rule": finding.severity})
        return finding

    def _by_exclusion(self, finding: Finding) -> Suppressed | None:
        for by, where, patterns in self._excluded:
            pattern = excluding(finding.location.path, patterns)
            if pattern is not None:
                return Suppressed(finding=finding, by=by, where=where, reason=f"{pattern} is left out")
        return None

    def _by_policy(self, finding: Finding) -> Suppressed | None:
        for by, policy in self._policies:
            for entry in policy.ignore:
                if self._covers(entry, finding):
                    return Suppressed(finding=finding, by=by, where=policy.where, reason=entry.reason)
        return None

    def _covers(self, entry: Ignore, finding: Finding) -> bool:
        rule = self._rules.get(finding.rule)
        named = rule is not None and any(matches(rule, pattern) for pattern in entry.rules)
        return named and (entry.path is None or fnmatchcase(finding.location.path, entry.path))

    def _by_comment(self, finding: Finding, usable: list[InlineIgnore], used: set[InlineIgnore]) -> Suppressed | None:
        place = finding.location
        for entry in usable:
            same_line = (entry.location.path, entry.location.line) == (place.path, place.line)
            if same_line and {finding.rule, finding.slug} & set(entry.rules) and not finding.rule.startswith(NEVER_INLINE):
                used.add(entry)
                return Suppressed(finding=finding, by="inline", where=str(entry.location), reason=entry.reason)
        return None

    def _by_baseline(self, finding: Finding, left: Counter[str]) -> Suppressed | None:
        if self._baseline is None or left[finding.fingerprint] < 1:
            return None
        left[finding.fingerprint] -= 1
        return Suppressed(finding=finding, by="baseline", where=self._baseline.where, reason="it was there when the baseline was written")

    def _without_use(
        self, usable: list[InlineIgnore], used: set[InlineIgnore], left: Counter[str], ran: set[str], complete: bool
    ) -> Iterable[str]:
        """What excuses nothing: said only where everything ran that it may be about."""
        if not complete:
            return
        by_id = {rule.slug: rule.id for rule in self._rules.values()}
        unused = [str(entry.location) for entry in usable if entry not in used and {by_id.get(name, name) for name in entry.rules} <= ran]
        if unused:
            yield f"Comments to ignore findings that excuse nothing any more: {_named(unused)}."
        stale = []
        for entry in self._baseline.findings if self._baseline else ():
            if entry.rule in ran and left[entry.fingerprint] > 0:
                left[entry.fingerprint] -= 1
                stale.append(f"{entry.path} [{entry.rule}]")
        if stale and self._baseline is not None:
            yield f"Entries of the baseline {self._baseline.where} that match nothing any more: {_named(stale)}."


def describe(policy: Policy, by: str) -> list[str]:
    """Describe in words what a policy does to the whole verdict.

    A GO from some of the rules must not be taken for one from all of them.
    """
    whose = "The policy" if by == "config" else "The repository's own policy"
    said = [f"{whose} is {policy.where}."]
    if policy.severity:
        said.append(f"{whose} changes severities: {', '.join(f'{name} = {value}' for name, value in policy.severity.items())}.")
    return said


def mentions_itself(experiment: Experiment) -> bool:
    """Whether the experiment's `pyproject.toml` has a policy of its own."""
    return _repository_table(experiment) is not None


def _named(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
