"""The command line as typer reads it.

Commands only note what was asked for, so that errors of the work itself are none of typer's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from gonogo.pool.pool import Pool


class Format(StrEnum):
    """How a verdict is written."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"
    AGENT = "agent"
    PARQUET = "parquet"


class To(StrEnum):
    """The last stage of a check."""

    COMPOSE = "compose"
    TRIAL = "trial"
    REHEARSAL = "rehearsal"


class CheckOn(StrEnum):
    """Where experiments are judged."""

    LOCAL = "local"
    RAY = "ray"


class SandboxMode(StrEnum):
    """What holds the code in."""

    AUTO = "auto"
    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "landlock"
    NONE = "none"


class On(StrEnum):
    """The engine that runs are launched on."""

    LOCAL = "local"
    RAY = "ray"
    SLURM = "slurm"


class Ai(StrEnum):
    """What an AI reviewer may do."""

    OFF = "off"
    ADVISE = "advise"
    BLOCK = "block"


class ListFormat(StrEnum):
    """How a list is written."""

    TEXT = "text"
    JSON = "json"


@dataclass
class Chosen:
    """What the command line asked for, once typer has read it; `pool` is the one started ahead of time."""

    pool: Pool | None
    action: Callable[[], int] | None = None


Python = Annotated[
    str | None, typer.Option("--python", metavar="ENV", help="Run in this environment instead of one made from the pyproject.toml.")
]
DataRoots = Annotated[
    list[str] | None, typer.Option("--data-root", metavar="DIR", help="Real data, shown to the runs at their own path; may be repeated.")
]
SandboxChoice = Annotated[SandboxMode, typer.Option("--sandbox", help="What holds the runs in.")]
RequireSandbox = Annotated[bool, typer.Option("--require-sandbox", help="Rather decide nothing than run without a sandbox.")]
RunTimeout = Annotated[float, typer.Option("--run-timeout", min=1, max=86400, metavar="SECONDS", help="Time limit for one run.")]
StandIns = Annotated[bool, typer.Option("--stand-ins/--no-stand-ins", help="Stand in for data and weights that are not here.")]
Plugins = Annotated[str | None, typer.Option("--stand-in-plugins", metavar="DIR", help="Your own stand-ins: a folder of Python files.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--override", metavar="KEY=VALUE", help="One more Hydra override for the rehearsal; may be repeated.")
]
AiMode = Annotated[
    Ai | None, typer.Option("--ai", help="Ask an AI reviewer: advise adds warnings, block lets it say NO-GO (default: [ai] of the policy).")
]
AiModel = Annotated[str | None, typer.Option("--ai-model", metavar="NAME", help="The reviewer's model.")]
AiUrl = Annotated[str | None, typer.Option("--ai-url", metavar="URL", help="Its server, if that is not OpenAI's own.")]
Samples = Annotated[int | None, typer.Option("--samples", min=1, max=9, metavar="N", help="How often it is asked.")]
Address = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Of a Ray cluster (default: one is started here).")]
Rules = Annotated[list[str] | None, typer.Option(metavar="RULES", help="Only these rules: ids, families or slugs, with commas.")]

app = typer.Typer(
    name="gonogo",
    help="Is this experiment code ready to run, and would its result mean anything?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Is this experiment code ready to run, and would its result mean anything?"""
    if version:
        context.obj.action = _print_version
        raise typer.Exit


@app.command()
def check(
    context: typer.Context,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH...", help="Folders or bundles (JSON) of experiments; - is a bundle on stdin.")
    ] = None,
    paths_from: Annotated[str | None, typer.Option(metavar="FILE", help="Judge the PATHs in this file too, one a line.")] = None,
    plan: Annotated[list[str] | None, typer.Option(metavar="FILE", help="The research plan; with several PATHs, once for each.")] = None,
    contract: Annotated[str | None, typer.Option(metavar="NAME", help="Name or TOML file of the contract (default: detected).")] = None,
    entry: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="An entry point, for --contract generic; overrides may follow it (default: detected)."),
    ] = None,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="Your policy, a TOML file (default: gonogo/config.toml where your settings are).")
    ] = None,
    baseline: Annotated[str | None, typer.Option(metavar="FILE", help="Findings listed there don't block.")] = None,
    write_baseline: Annotated[str | None, typer.Option(metavar="FILE", help="List the findings there.")] = None,
    trust_repo: Annotated[
        bool, typer.Option("--trust-repo", help="Heed the experiment's own [tool.gonogo] and its `# gonogo: ignore[…]` comments.")
    ] = False,
    format: Annotated[Format, typer.Option("--format", help="How to write the verdict.")] = Format.TEXT,
    select: Rules = None,
    ignore: Annotated[list[str] | None, typer.Option(metavar="RULES", help="Not these rules.")] = None,
    to: Annotated[To, typer.Option("--to", help="The last stage: compose runs nothing, the others run the experiment.")] = To.COMPOSE,
    runs: Annotated[
        list[str] | None, typer.Option("--runs", metavar="PATTERN", help="Run only these runs: ids or patterns; may be repeated.")
    ] = None,
    python: Python = None,
    data_root: DataRoots = None,
    sandbox: SandboxChoice = SandboxMode.AUTO,
    require_sandbox: RequireSandbox = False,
    run_timeout: RunTimeout = 180.0,
    stand_ins: StandIns = True,
    stand_in_plugins: Plugins = None,
    override: Overrides = None,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Go on to the dearer stages whatever was found.")] = False,
    ai: AiMode = None,
    ai_model: AiModel = None,
    ai_url: AiUrl = None,
    samples: Samples = None,
    on: Annotated[CheckOn, typer.Option("--on", help="Where to judge; the nodes of a Ray cluster see the same folders.")] = CheckOn.LOCAL,
    address: Address = None,
    jobs: Annotated[int | None, typer.Option(min=1, metavar="N", help="Processes to use (default: one a core).")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, max=86400, metavar="SECONDS", help="Time limit for one experiment.")] = 60.0,
    output: Annotated[str | None, typer.Option(metavar="FILE", help="Write the report there instead.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of gonogo's own failures.")] = False,
) -> None:
    """Judge experiments: GO (exit code 0), NO-GO (1) or could not decide (3)."""
    from gonogo.cli.check import Request, run

    if not paths and paths_from is None:
        raise typer.BadParameter("name at least one folder or bundle, or - for a bundle on standard input", param_hint="PATH...")
    trial = _trial_options(
        runs=runs,
        python=python,
        data_roots=data_root,
        sandbox=sandbox,
        require_sandbox=require_sandbox,
        run_timeout=run_timeout,
        stand_ins=stand_ins,
        stand_in_plugins=stand_in_plugins,
        overrides=override,
        keep_going=keep_going,
    )
    request = Request(
        ai=_ai_options(ai, ai_model, ai_url, samples),
        to=to.value,
        trial=trial,
        paths=tuple(paths or ()),
        paths_from=paths_from,
        on=on.value,
        address=address,
        plans=tuple(plan or ()),
        contract=contract,
        entries=tuple(entry or ()),
        config=config,
        baseline=baseline,
        write_baseline=write_baseline,
        trust_repo=trust_repo,
        format=format.value,
        select=_names(select),
        ignore=_names(ignore),
        jobs=jobs,
        timeout=timeout,
        output=output,
        debug=debug,
    )
    pool = context.obj.pool or Pool(1, debug)
    context.obj.action = lambda: run(request, pool)


def _run_command(
    stage: To, path: str, run: str, plan: str | None, trial: dict[str, object], debug: bool, pool: Pool | None
) -> Callable[[], int]:
    from gonogo.cli.run import Request
    from gonogo.cli.run import run as carry_out

    request = Request(path=path, run=run, plan=plan, to=stage.value, trial={**trial, "runs": (run,), "keep_going": True}, debug=debug)
    return lambda: carry_out(request, pool or Pool(1, debug))


@app.command()
def trial(
    context: typer.Context,
    path: Annotated[str, typer.Argument(metavar="PATH", help="Folder or bundle of the experiment.")],
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")],
    plan: Annotated[str | None, typer.Option(metavar="FILE", help="The research plan.")] = None,
    python: Python = None,
    data_root: DataRoots = None,
    sandbox: SandboxChoice = SandboxMode.AUTO,
    require_sandbox: RequireSandbox = False,
    run_timeout: RunTimeout = 180.0,
    stand_ins: StandIns = True,
    stand_in_plugins: Plugins = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of gonogo's own failures.")] = False,
) -> None:
    """Run one run's trial in the sandbox, show all it says, and what was seen of it."""
    chosen = _trial_options(
        python=python,
        data_roots=data_root,
        sandbox=sandbox,
        require_sandbox=require_sandbox,
        run_timeout=run_timeout,
        stand_ins=stand_ins,
        stand_in_plugins=stand_in_plugins,
    )
    context.obj.action = _run_command(To.TRIAL, path, run, plan, chosen, debug, context.obj.pool)


@app.command()
def rehearse(
    context: typer.Context,
    path: Annotated[str, typer.Argument(metavar="PATH", help="Folder or bundle of the experiment.")],
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")],
    plan: Annotated[str | None, typer.Option(metavar="FILE", help="The research plan.")] = None,
    python: Python = None,
    data_root: DataRoots = None,
    sandbox: SandboxChoice = SandboxMode.AUTO,
    require_sandbox: RequireSandbox = False,
    run_timeout: RunTimeout = 180.0,
    stand_ins: StandIns = True,
    stand_in_plugins: Plugins = None,
    override: Overrides = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of gonogo's own failures.")] = False,
) -> None:
    """Rehearse one run in the sandbox, and its evaluation: show all they say, and what was seen of them."""
    chosen = _trial_options(
        python=python,
        data_roots=data_root,
        sandbox=sandbox,
        require_sandbox=require_sandbox,
        run_timeout=run_timeout,
        stand_ins=stand_ins,
        stand_in_plugins=stand_in_plugins,
        overrides=override,
    )
    context.obj.action = _run_command(To.REHEARSAL, path, run, plan, chosen, debug, context.obj.pool)


@app.command()
def launch(
    context: typer.Context,
    path: Annotated[str, typer.Argument(metavar="PATH", help="Folder of the experiment.")],
    plan: Annotated[str | None, typer.Option(metavar="FILE", help="The research plan.")] = None,
    runs: Annotated[list[str] | None, typer.Option("--runs", metavar="PATTERN", help="Only these runs; may be repeated.")] = None,
    on: Annotated[On, typer.Option("--on", help="Where: this machine, a Ray cluster, Slurm.")] = On.LOCAL,
    results: Annotated[str, typer.Option(metavar="DIR", help="Folder of the results.")] = "results",
    force: Annotated[bool, typer.Option("--force", help="Launch it whatever the gate says.")] = False,
    tracker: Annotated[bool, typer.Option("--tracker", help="Log to a local tracker, kept with the results.")] = False,
    jobs: Annotated[int | None, typer.Option(min=1, metavar="N", help="Runs at one time (default: one a device, or a core).")] = None,
    address: Address = None,
    slurm: Annotated[
        list[str] | None, typer.Option("--slurm", metavar="NAME=VALUE", help="A parameter of submitit's, such as slurm_partition=gpu.")
    ] = None,
    override: Annotated[
        list[str] | None, typer.Option("--override", metavar="KEY=VALUE", help="One more Hydra override for every run; may be repeated.")
    ] = None,
    python: Python = None,
    data_root: DataRoots = None,
    sandbox: SandboxChoice = SandboxMode.AUTO,
    run_timeout: RunTimeout = 180.0,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of gonogo's own failures.")] = False,
) -> None:
    """Gate an experiment, launch every run, evaluate them."""
    from gonogo.cli.launch import Request, run

    trial = _trial_options(python=python, data_roots=data_root, sandbox=sandbox, run_timeout=run_timeout)
    request = Request(
        path=path,
        plan=plan,
        runs=tuple(runs or ()),
        on=on.value,
        results=results,
        force=force,
        tracker=tracker,
        jobs=jobs,
        address=address,
        slurm=tuple(slurm or ()),
        overrides=tuple(override or ()),
        trial=trial,
        debug=debug,
    )
    pool = context.obj.pool or Pool(1, debug)
    context.obj.action = lambda: run(request, pool)


@app.command()
def review_json(
    context: typer.Context,
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="Generated files as one JSON object, or a folder; - is standard input.")],
    plan: Annotated[str | None, typer.Option(metavar="FILE", help="The research plan.")] = None,
    answer: Annotated[
        str | None, typer.Option(metavar="FILE", help="Hold this reviewer's answer against the facts instead, claim by claim.")
    ] = None,
    config: Annotated[str | None, typer.Option(metavar="FILE", help="Your policy, a TOML file.")] = None,
    ai: AiMode = None,
    ai_model: AiModel = None,
    ai_url: AiUrl = None,
    samples: Samples = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of gonogo's own failures.")] = False,
) -> None:
    """Answer as a language-model reviewer would, {"is_code_ready": …, "code_issue": …}, from the facts."""
    from gonogo.cli.review import Request, run

    request = Request(bundle, plan, config, _ai_options(ai, ai_model, ai_url, samples), answer, debug)
    pool = context.obj.pool or Pool(1, debug)
    context.obj.action = lambda: run(request, pool)


@app.command()
def diff(
    context: typer.Context,
    old: Annotated[str, typer.Argument(metavar="OLD", help="An earlier verdict, as JSON.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="A later verdict, as JSON.")],
    format: Annotated[ListFormat, typer.Option("--format", help="How to write it.")] = ListFormat.TEXT,
) -> None:
    """Compare two verdicts: what was fixed, what is new, what is still there."""
    from gonogo.cli.diff import run

    context.obj.action = lambda: run(old, new, format.value)


@app.command()
def rules(
    context: typer.Context, format: Annotated[ListFormat, typer.Option("--format", help="How to write it.")] = ListFormat.TEXT
) -> None:
    """List the rules."""
    from gonogo.cli.catalogue import print_rules

    context.obj.action = lambda: print_rules(format.value)


@app.command()
def explain(context: typer.Context, rule: Annotated[str, typer.Argument(metavar="ID", help="Id or slug of a rule.")]) -> None:
    """Explain a rule, with an example."""
    from gonogo.cli.catalogue import print_rule

    context.obj.action = lambda: print_rule(rule)


@app.command()
def contracts(context: typer.Context) -> None:
    """List the contracts that come with gonogo."""
    from gonogo.cli.catalogue import print_contracts

    context.obj.action = print_contracts


@app.command()
def tracker(
    context: typer.Context,
    data: Annotated[str | None, typer.Option(metavar="DIR", help="Folder of its data (default: one for all of yours).")] = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on; others than loopback let other machines in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Port to listen on; 0 is any free one.")] = 8080,
    silence: Annotated[float, typer.Option(min=1, metavar="SECONDS", help="A run that is silent for so long has crashed.")] = 300.0,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of gonogo's own failures.")] = False,
) -> None:
    """Serve as a local W&B: the wandb client logs to it, wandb.Api() reads back."""
    from gonogo.cli.tracker import run

    context.obj.action = lambda: run(data, host, port, silence)


@app.command()
def schema(context: typer.Context) -> None:
    """Print the JSON schema of a verdict."""
    from gonogo.report.json import print_schema

    context.obj.action = print_schema


def _print_version() -> int:
    from gonogo.system.version import __version__

    print(f"gonogo {__version__}")
    return 0


def _ai_options(mode: Ai | None, model: str | None, url: str | None, samples: int | None) -> dict[str, object]:
    """The fields of `gonogo.model.options.AiOptions` that the command line gives."""
    given = {"mode": mode.value if mode else None, "model": model, "base_url": url, "samples": samples}
    return {name: value for name, value in given.items() if value is not None}


def _trial_options(**given: object) -> dict[str, object]:
    """The fields of `gonogo.model.options.ExecutionOptions` that the command line has, as JSON can carry them."""
    return {name: value.value if isinstance(value, StrEnum) else value for name, value in given.items() if value is not None}


def _names(values: list[str] | None) -> tuple[str, ...]:
    return tuple(name.strip() for value in values or () for name in value.split(",") if name.strip())
