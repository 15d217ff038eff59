"""`gonogo check`."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from gonogo.cli.options import (
    AiContext,
    AiMode,
    AiModel,
    AiTimeout,
    AiUrl,
    DataRoots,
    Debug,
    DocsUrl,
    IgnoredRules,
    NoConfig,
    Overrides,
    PolicyFile,
    Python,
    RayAddress,
    RequireSandbox,
    RuleNames,
    RunTimeout,
    Samples,
    Sandbox,
    SandboxMode,
    StandInPlugins,
    StandIns,
    ai_options,
    checked_url,
    execution_options,
    policy_of,
    split_names,
)
from gonogo.model.errors import UsageError

if TYPE_CHECKING:
    from gonogo.model.policy import Baseline


class To(StrEnum):
    """The last stage of a check."""

    COMPOSE = "compose"
    TRIAL = "trial"
    REHEARSAL = "rehearsal"
    CHALLENGE = "challenge"


class MinSeverity(StrEnum):
    """The least weight of what is shown."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class MinCertainty(StrEnum):
    """The least certainty of what is shown."""

    PROVEN = "proven"
    DERIVED = "derived"
    LIKELY = "likely"


class On(StrEnum):
    """Where experiments are judged."""

    LOCAL = "local"
    RAY = "ray"


def command(
    context: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH...",
            help="Folders, bundles (JSON), programs, gh:OWNER/NAME@REF, git+URL@REF; - is a bundle on stdin.",
        ),
    ] = None,
    paths_from: Annotated[str | None, typer.Option(metavar="FILE", help="Judge the PATHs in this file too, one a line.")] = None,
    plan: Annotated[list[str] | None, typer.Option(metavar="FILE", help="The research plan; with several PATHs, once for each.")] = None,
    contract: Annotated[str | None, typer.Option(metavar="NAME", help="Name or TOML file of the contract (default: detected).")] = None,
    entry: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="An entry point, where no contract says it; overrides may follow it (default: detected)."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", metavar="PATTERN", help="Files or folders whose findings don't count; may be repeated."),
    ] = None,
    config: PolicyFile = None,
    no_config: NoConfig = False,
    docs_url: DocsUrl = None,
    baseline: Annotated[str | None, typer.Option(metavar="FILE", help="Findings listed there don't block.")] = None,
    write_baseline: Annotated[str | None, typer.Option(metavar="FILE", help="List the findings there.")] = None,
    trust_repo: Annotated[
        bool, typer.Option("--trust-repo", help="Follow the experiment's own [tool.gonogo] and its `# gonogo: ignore[…]` comments.")
    ] = False,
    format: Annotated[str | None, typer.Option("--format", metavar="FORMAT", help="How to write the verdict (default: full).")] = None,
    min_severity: Annotated[MinSeverity, typer.Option(help="Show nothing of less weight; the verdict stays.")] = MinSeverity.INFO,
    min_certainty: Annotated[MinCertainty, typer.Option(help="Show nothing that is less sure; the verdict stays.")] = MinCertainty.LIKELY,
    statistics: Annotated[bool, typer.Option("--statistics", help="Print how often each rule spoke in place of the findings.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the verdicts alone.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print all places, all evidence and all stages.")] = False,
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit with 0 for NO-GO too; what could not be decided stays 3.")] = False,
    select: RuleNames = None,
    ignore: IgnoredRules = None,
    to: Annotated[To, typer.Option("--to", help="The last stage: compose runs nothing, the others run the experiment.")] = To.COMPOSE,
    runs: Annotated[
        list[str] | None, typer.Option("--runs", metavar="PATTERN", help="Run only these runs: ids or patterns; may be repeated.")
    ] = None,
    python: Python = None,
    data_root: DataRoots = None,
    sandbox: Sandbox = SandboxMode.AUTO,
    require_sandbox: RequireSandbox = False,
    run_timeout: RunTimeout = 180.0,
    stand_ins: StandIns = True,
    stand_in_plugins: StandInPlugins = None,
    override: Overrides = None,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Go on to the more expensive stages whatever was found.")] = False,
    ai: AiMode = None,
    ai_model: AiModel = None,
    ai_url: AiUrl = None,
    ai_context: AiContext = None,
    ai_timeout: AiTimeout = None,
    samples: Samples = None,
    on: Annotated[On, typer.Option("--on", help="Where to judge; the nodes of a Ray cluster see the same folders.")] = On.LOCAL,
    address: RayAddress = None,
    jobs: Annotated[int | None, typer.Option(min=1, metavar="N", help="Processes to use (default: one a core).")] = None,
    timeout: Annotated[
        float | None,
        typer.Option(min=0.1, max=86400, metavar="SECONDS", help="Time limit for one experiment (default: 60, more for a big tree)."),
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Write the report there instead; FORMAT=FILE in another format; may be repeated."),
    ] = None,
    watching: Annotated[bool, typer.Option("--watch", help="Judge again whenever a file changes, until Ctrl-C.")] = False,
    files: Annotated[bool, typer.Option("--show-files", help="Print the files that would be read, and judge nothing.")] = False,
    settings: Annotated[
        bool, typer.Option("--show-settings", help="Print contract, rules and options as JSON, and judge nothing.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Judge experiments: GO (exit code 0), NO-GO (1) or could not decide (3)."""
    if not paths and paths_from is None:
        raise typer.BadParameter("name at least one folder or bundle, or - for a bundle on standard input", param_hint="PATH...")

    def act() -> int:
        from gonogo.cli.judging import Request, judge
        from gonogo.cli.output import Amount, destinations
        from gonogo.cli.showing import show_files, show_settings, watch
        from gonogo.model.check_options import CheckOptions
        from gonogo.model.finding import Certainty, Severity, Stage
        from gonogo.model.program_file import is_program, program_of
        from gonogo.report import plain

        if quiet and verbose:
            raise UsageError("--quiet and --verbose contradict each other: leave one out.")
        if statistics and format is not None:
            raise UsageError("--statistics and --format both say what to print: leave one out, or write FORMAT=FILE with --output.")
        policy = policy_of(config, no_config)
        judged, chosen, entries = tuple(paths or ()), contract, tuple(entry or ())
        if entries and any(map(is_program, judged)):
            raise UsageError("A Python file is its own entry point: leave out --entry, or give its folder.")
        if len(judged) == 1 and paths_from is None and is_program(judged[0]):
            program = program_of(judged[0], contract)
            judged, chosen, entries = (program.root,), program.contract, program.entries
            print(f"gonogo: {plain.line(program.note)}", file=sys.stderr)
        options = CheckOptions(
            contract=chosen,
            entries=entries,
            exclude=split_names(exclude),
            select=split_names(select),
            ignore=split_names(ignore),
            timeout=timeout,
            policy=policy,
            docs_url=checked_url(docs_url),
            baseline=_baseline(baseline),
            trust_repo=trust_repo,
            to=Stage(to.value),
            execution=execution_options(
                runs=runs,
                python=python,
                data_root=data_root,
                sandbox=sandbox,
                require_sandbox=require_sandbox,
                run_timeout=run_timeout,
                stand_ins=stand_ins,
                stand_in_plugins=stand_in_plugins,
                override=override,
                keep_going=keep_going,
            ),
            ai=ai_options(policy, ai, ai_model, ai_url, samples, ai_context, ai_timeout),
        )
        request = Request(
            paths=judged,
            paths_from=paths_from,
            plans=tuple(plan or ()),
            on=on.value,
            address=address,
            jobs=jobs,
            reports=tuple(destinations("statistics" if statistics else format, output or [], default="full")),
            amount=Amount(verbose or debug, quiet, Severity(min_severity.value), Certainty(min_certainty.value)),
            exit_zero=exit_zero,
            write_baseline=write_baseline,
            debug=debug,
        )
        if files or settings:
            return (show_files if files else show_settings)(judged, options)
        if watching:
            return watch(judged, lambda: judge(request, options, context.obj.pool))
        return judge(request, options, context.obj.pool)

    context.obj.action = act


def _baseline(path: str | None) -> Baseline | None:
    if path is None:
        return None
    from gonogo.engine.policy import load_baseline

    return load_baseline(path)
