"""Options that several commands share, and what they become."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from gonogo.model.errors import UsageError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from gonogo.model.options import AiOptions, ExecutionOptions
    from gonogo.model.policy import Policy

STDIN = "-"


class SandboxMode(StrEnum):
    """What holds the code in."""

    AUTO = "auto"
    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "landlock"
    NONE = "none"


class Ai(StrEnum):
    """What an AI reviewer may do."""

    OFF = "off"
    ADVISE = "advise"
    BLOCK = "block"


class ListFormat(StrEnum):
    """How a list is written."""

    TEXT = "text"
    JSON = "json"


ExperimentPath = Annotated[str, typer.Argument(metavar="PATH", help="Folder or bundle of the experiment.")]
PlanFile = Annotated[str | None, typer.Option("--plan", metavar="FILE", help="The research plan.")]
PolicyFile = Annotated[
    str | None, typer.Option("--config", metavar="FILE", help="Your policy, a TOML file (default: gonogo/config.toml of your settings).")
]
NoConfig = Annotated[bool, typer.Option("--no-config", help="Leave out the policy of your settings.")]
DocsUrl = Annotated[
    str | None,
    typer.Option(
        "--docs-url",
        metavar="URL",
        envvar="GONOGO_DOCS_URL",
        help="Where you publish gonogo's documentation: reports then link to each rule.",
    ),
]
Python = Annotated[
    str | None, typer.Option("--python", metavar="ENV", help="Run in this environment instead of one made from the pyproject.toml.")
]
DataRoots = Annotated[
    list[str] | None, typer.Option("--data-root", metavar="DIR", help="Real data, shown to the runs at their own path; may be repeated.")
]
Sandbox = Annotated[SandboxMode, typer.Option("--sandbox", help="What holds the runs in.")]
RequireSandbox = Annotated[bool, typer.Option("--require-sandbox", help="Rather decide nothing than run without a sandbox.")]
RunTimeout = Annotated[float, typer.Option("--run-timeout", min=1, max=86400, metavar="SECONDS", help="Time limit for one run.")]
StandIns = Annotated[bool, typer.Option("--stand-ins/--no-stand-ins", help="Stand in for data and weights that are not here.")]
StandInPlugins = Annotated[
    str | None, typer.Option("--stand-in-plugins", metavar="DIR", help="Your own stand-ins: a folder of Python files.")
]
Overrides = Annotated[
    list[str] | None, typer.Option("--override", metavar="KEY=VALUE", help="One more Hydra override for the rehearsal; may be repeated.")
]
AiMode = Annotated[
    Ai | None, typer.Option("--ai", help="Ask an AI reviewer: advise adds warnings, block lets it say NO-GO (default: [ai] of the policy).")
]
AiModel = Annotated[str | None, typer.Option("--ai-model", metavar="NAME", help="The reviewer's model.")]
AiContext = Annotated[
    int | None, typer.Option("--ai-context", min=512, metavar="TOKENS", help="How much it holds, if its server does not say so.")
]
AiTimeout = Annotated[
    float | None, typer.Option("--ai-timeout", min=1, metavar="SECONDS", help="Limit of the whole review (default: 120).")
]
AiUrl = Annotated[str | None, typer.Option("--ai-url", metavar="URL", help="Its server, if that is not OpenAI's own.")]
Samples = Annotated[int | None, typer.Option("--samples", min=1, max=9, metavar="N", help="How often it is asked.")]
RayAddress = Annotated[str | None, typer.Option("--address", metavar="ADDRESS", help="Of a Ray cluster (default: one is started here).")]
RuleNames = Annotated[list[str] | None, typer.Option("--select", metavar="RULES", help="Only these rules: ids, families or slugs.")]
IgnoredRules = Annotated[list[str] | None, typer.Option("--ignore", metavar="RULES", help="Not these rules.")]
ListAs = Annotated[ListFormat, typer.Option("--format", help="How to write it.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks of gonogo's own failures.")]


def split_names(values: list[str] | None) -> tuple[str, ...]:
    """The names in the values of an option that may be repeated and may list several with commas."""
    return tuple(name.strip() for value in values or () for name in value.split(",") if name.strip())


def execution_options(
    *,
    runs: list[str] | None = None,
    python: str | None = None,
    data_root: list[str] | None = None,
    sandbox: SandboxMode = SandboxMode.AUTO,
    require_sandbox: bool = False,
    run_timeout: float = 180.0,
    stand_ins: bool = True,
    stand_in_plugins: str | None = None,
    override: list[str] | None = None,
    keep_going: bool = False,
) -> ExecutionOptions:
    """Return the options of the stages that run the experiment.

    Paths are made absolute, since the process that runs it has another working directory.

    Raises:
        UsageError: a path that is not there, or options that do not go together.
    """
    from gonogo.model.options import ExecutionOptions

    if sandbox is SandboxMode.NONE and require_sandbox:
        raise UsageError("--sandbox none and --require-sandbox contradict each other: leave one out.")
    return ExecutionOptions(
        runs=tuple(runs or ()),
        python=_existing(python, "--python"),
        data_roots=tuple(path for given in data_root or () if (path := _existing(given, "--data-root"))),
        sandbox=sandbox.value,
        require_sandbox=require_sandbox,
        run_timeout=run_timeout,
        stand_ins=stand_ins,
        stand_in_plugins=_existing(stand_in_plugins, "--stand-in-plugins"),
        overrides=tuple(override or ()),
        keep_going=keep_going,
    )


def _existing(path: str | None, option: str) -> str | None:
    if path is None:
        return None
    if not os.path.exists(path):  # noqa: PTH110
        raise UsageError(f"There is no {path}, which {option} names.")
    return os.path.abspath(path)  # noqa: PTH100


def ai_options(
    policy: Policy | None,
    mode: Ai | None,
    model: str | None,
    url: str | None,
    samples: int | None,
    context: int | None = None,
    timeout: float | None = None,
) -> AiOptions:
    """The options of the AI reviewer: the policy's, with what the command line says in their place.

    Raises:
        UsageError: they can't be used.
    """
    from gonogo.model.options import AiOptions

    given: dict[str, Any] = {"mode": mode.value if mode else None, "model": model, "base_url": url, "samples": samples}
    given |= {"context_tokens": context, "timeout": timeout}
    own = policy.ai.model_dump() if policy is not None and policy.ai is not None else {}
    said = {name: value for name, value in given.items() if value is not None}
    options = validated(AiOptions, own | said, "The settings of the AI reviewer are")
    if options.templates is not None and not os.path.isdir(options.templates):  # noqa: PTH112
        raise UsageError(f"There is no folder {options.templates}, which should have the reviewer's templates.")
    return options


_Model = TypeVar("_Model", bound="BaseModel")


def validated(kind: type[_Model], data: dict[str, Any], subject: str) -> _Model:
    """A model made of data.

    Args:
        kind: of the model.
        data: its fields.
        subject: how a sentence about it begins, with its verb.

    Raises:
        UsageError: a field does not fit.
    """
    from pydantic import ValidationError

    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{subject} not valid at {'.'.join(map(str, first['loc']))}: {first['msg']}.") from error


def checked_url(url: str | None) -> str | None:
    """The address of the documentation as it was given; None for none.

    Raises:
        UsageError: it is no address of the web.
    """
    from pydantic import TypeAdapter, ValidationError

    from gonogo.model.policy import Url

    if not url:
        return None
    try:
        return TypeAdapter(Url).validate_python(url)
    except ValidationError as error:
        raise UsageError("--docs-url must be an address such as https://example.org/gonogo.") from error


def policy_of(path: str | None, without: bool = False) -> Policy | None:
    """The caller's policy: of the file that is named, else of the user's own, if there is one.

    Args:
        path: of the file that is named.
        without: leave the user's own out.

    Raises:
        UsageError: it can't be used, or one is named and none wanted.
    """
    if path is not None and without:
        raise UsageError("--config and --no-config contradict each other: leave one out.")
    config = path or (None if without else _user_config())
    if config is None:
        return None
    from gonogo.engine.policy import load_policy

    return load_policy(config)


def _user_config() -> str | None:
    path = os.path.join(typer.get_app_dir("gonogo"), "config.toml")  # noqa: PTH118
    return path if os.path.isfile(path) else None  # noqa: PTH113


def check_paths(*paths: str | None) -> None:
    """Make sure that paths are there; None and `-` are left alone.

    Raises:
        UsageError: one is not.
    """
    missing = [path for path in dict.fromkeys(paths) if path not in (None, STDIN) and not os.path.lexists(path or "")]
    if missing:
        raise UsageError(f"There is no {', no '.join(map(str, missing))}.")
