"""Judge many trees with the library's own API: in worker processes, each with one composer."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from benchmarks.planted.trees import Variant
from gonogo.compose.client import Composer
from gonogo.documents.yaml import parse_yaml
from gonogo.engine.pipeline import check
from gonogo.model import plan as plans
from gonogo.model.check_options import CheckOptions
from gonogo.model.experiment import Experiment, source_file
from gonogo.model.verdict import Verdict
from gonogo.rules.base import all_rules

_composers: list[Composer] = []  # of this worker process: one


@dataclass(frozen=True)
class Result:
    """What the gate says of a tree: (rule, severity, path, line, message) of each finding, and what it could not decide."""

    variant: Variant
    findings: tuple[tuple[str, str, str, int | None, str], ...]
    undecided: tuple[str, ...]


def judge(variant: Variant, composer: Composer) -> Result:
    """Check one tree with every rule."""
    files = {path: source_file(path, text) for path, text in variant.files.items()}
    verdict = check(Experiment(variant.golden, files, plans.parse(variant.plan, "plan.yaml")), CheckOptions(), composer)
    return Result(variant, tuple(_findings(verdict)), tuple(verdict.undecided))


def judge_all(variants: Iterable[Variant], jobs: int) -> Iterator[Result]:
    """Check many trees; results come in their order."""
    with ProcessPoolExecutor(jobs, initializer=_start) as pool:
        yield from pool.map(_judge, variants, chunksize=4)


def _findings(verdict: Verdict) -> Iterator[tuple[str, str, str, int | None, str]]:
    for finding in verdict.findings:
        yield finding.rule, finding.severity.value, finding.location.path, finding.location.line, finding.message


def _start() -> None:
    _composers.append(Composer())
    atexit.register(_composers[0].close)
    all_rules()
    gc.freeze()
    gc.set_threshold(500_000, 20, 50)  # as gonogo's own workers do


def _judge(variant: Variant) -> Result:
    result = judge(variant, _composers[0])
    parse_yaml.cache_clear()
    gc.collect()
    return result
