"""Facts about what is logged to W&B and asked of it."""

from __future__ import annotations

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.interpreter.values.tracked import AskedOfSummary
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.sources.resolve import Sources
from gonogo.analysis.tracking import guarded_keys as guards
from gonogo.analysis.tracking import rows, run_configs, run_files
from gonogo.analysis.tracking.asked_keys import AskedKey, AskedKeys, unique
from gonogo.analysis.tracking.logged_keys import LoggedKeys, find_logged_keys
from gonogo.engine.facts import fact
from gonogo.model.contract import Contract, module_path


@fact
def logged_keys(modules: dict[str, Module], sources: Sources) -> LoggedKeys:
    """Which keys are logged to W&B."""
    return find_logged_keys(modules, sources)


@fact
def requests(modules: dict[str, Module], sources: Sources, contract: Contract) -> AskedKeys | None:
    """What evaluation asks W&B; None where there is no evaluation."""
    module = modules.get(module_path(contract.evaluation.module))
    return AskedKeys(sources, module) if module is not None and module.tree is not None else None


@fact
def asked_keys(requests: AskedKeys | None, evaluation_trace: Trace | None) -> list[AskedKey]:
    """Return which keys evaluation asks W&B for, each once per way of asking.

    They come from its text and from following it.
    """
    if requests is None:
        return []
    events = evaluation_trace.of(AskedOfSummary) if evaluation_trace is not None else ()
    followed = [(event.site.node, event.key) for event in events if event.site.module is requests.module]
    return unique(requests.find(followed))


@fact
def guarded_keys(requests: AskedKeys | None) -> list[guards.GuardedKey]:
    """Keys that evaluation looks for before it uses them."""
    return list(guards.guarded_keys(requests)) if requests is not None else []


@fact
def row_requests(requests: AskedKeys | None) -> list[rows.RowRequest]:
    """Requests of the evaluation for rows that hold several keys."""
    return list(rows.row_requests(requests)) if requests is not None else []


@fact
def asked_settings(requests: AskedKeys | None) -> list[run_configs.AskedSetting]:
    """Settings that evaluation reads of the config of a run at W&B."""
    return list(run_configs.asked_settings(requests)) if requests is not None else []


@fact
def asked_files(requests: AskedKeys | None) -> list[run_files.AskedFile]:
    """Files that evaluation asks runs at W&B for."""
    return list(run_files.asked_files(requests)) if requests is not None else []
