"""`gonogo lsp`."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from gonogo.cli.options import (
    Debug,
    DocsUrl,
    IgnoredRules,
    PlanFile,
    PolicyFile,
    RuleNames,
    check_paths,
    checked_url,
    policy_of,
    split_names,
)
from gonogo.model.errors import UsageError


def command(
    context: typer.Context,
    plan: PlanFile = None,
    contract: Annotated[str | None, typer.Option(metavar="NAME", help="Name or TOML file of the contract (default: detected).")] = None,
    config: PolicyFile = None,
    docs_url: DocsUrl = None,
    trust_repo: Annotated[
        bool, typer.Option("--trust-repo", help="Follow the experiment's own [tool.gonogo] and its `# gonogo: ignore[…]` comments.")
    ] = False,
    select: RuleNames = None,
    ignore: IgnoredRules = None,
    debug: Debug = False,
) -> None:
    """Serve the gate over the Language Server Protocol, on stdin and stdout, to an editor."""

    def act() -> int:
        if find_spec("pygls") is None:
            raise UsageError("gonogo lsp needs the package pygls: install gonogo[lsp].")
        from gonogo.cli.lsp.server import serve
        from gonogo.model.check_options import CheckOptions

        check_paths(plan)
        options = CheckOptions(
            contract=contract,
            trust_repo=trust_repo,
            select=split_names(select),
            ignore=split_names(ignore),
            policy=policy_of(config),
            docs_url=checked_url(docs_url),
        )
        if select or ignore:
            from gonogo.engine.pipeline import select_rules

            select_rules(options)
        return serve(options, plan)

    context.obj.action = act
