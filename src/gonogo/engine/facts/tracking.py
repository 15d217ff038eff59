"""Facts about what is logged to W&B and asked of it."""

from __future__ import annotations

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.sources.resolve import Sources
from gonogo.analysis.tracking.asked_keys import AskedKey, AskedKeys, unique
from gonogo.analysis.tracking.guarded_keys import GuardedKey
from gonogo.analysis.tracking.guarded_keys import guarded_keys as find_guarded_keys
from gonogo.analysis.tracking.logged_keys import LoggedKeys, find_logged_keys
from gonogo.analysis.tracking.rows import RowRequest
from gonogo.analysis.tracking.rows import row_requests as requested_rows
from gonogo.engine.facts import fact
from gonogo.model.contract import Contract, module_path


@fact
def logged_keys(modules: dict[str, Module], sources: Sources) -> LoggedKeys:
    """Which keys are logged to W&B."""
    return find_logged_keys(modules, sources)


@fact
def guarded_keys(modules: dict[str, Module], sources: Sources, contract: Contract) -> list[GuardedKey]:
    """Keys that evaluation looks for before it uses them."""
    module = modules.get(module_path(contract.evaluation.module))
    return list(find_guarded_keys(AskedKeys(sources, module))) if module is not None and module.tree is not None else []


@fact
def row_requests(modules: dict[str, Module], sources: Sources, contract: Contract) -> list[RowRequest]:
    """Requests of the evaluation for rows that hold several keys."""
    module = modules.get(module_path(contract.evaluation.module))
    return list(requested_rows(AskedKeys(sources, module))) if module is not None and module.tree is not None else []


@fact
def asked_keys(modules: dict[str, Module], sources: Sources, contract: Contract) -> list[AskedKey]:
    """Which keys evaluation asks W&B for, each once in each way of asking."""
    module = modules.get(module_path(contract.evaluation.module))
    return unique(AskedKeys(sources, module).find()) if module is not None and module.tree is not None else []
