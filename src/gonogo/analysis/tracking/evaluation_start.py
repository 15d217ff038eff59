"""Whether an evaluation reached the runs that it was given.

The evaluation was followed with its documented arguments.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gonogo.analysis.interpreter.base import Value
from gonogo.analysis.interpreter.state import Event, Site
from gonogo.analysis.interpreter.trace import Access, Call, Exited, LacksKey, MadeFolder, Raised, Status, Trace, Unreadable

ASKS = frozenset({"wandb.Api().run", "wandb.apis.public.Api().run"})
MAX_SHOWN = 60


@dataclass(frozen=True)
class Start:
    """How the evaluation took its arguments.

    Attributes:
        is_well: it asked W&B for runs that it was given, and for no others.
        site: where it surely went wrong; None where it may have gone well.
        problem: what happened there.
    """

    is_well: bool = False
    site: Site | None = None
    problem: str = ""


def evaluation_start(trace: Trace, keys: Iterable[str], run_ids: Iterable[str]) -> Start:
    """How the evaluation took its arguments, from what was seen up to the first run that it asks W&B for."""
    beginnings, ids = tuple(f"{key}=" for key in keys), set(run_ids)
    asked: set[str | None] = set()
    is_under_way = False
    for event in trace.events:
        if isinstance(event, Call) and event.name in ASKS:
            name = _last_part(event.argument("path", 0))
            if name is not None and name not in ids and _is_torn(name, beginnings):
                return Start(site=event.site, problem=f"W&B is asked for the run `{name[:MAX_SHOWN]}`")
            asked.add(name if name in ids else None)
        elif isinstance(event, MadeFolder) and event.path.rpartition("/@/")[2].startswith(beginnings):
            return Start(site=event.site, problem=f"a folder `{event.path.rpartition('/@/')[2][:MAX_SHOWN]}` is made")
        elif isinstance(event, Call) and event.name.startswith("wandb."):
            is_under_way = True
        elif not is_under_way and (problem := _problem(event)):
            return Start(site=event.site, problem=problem)  # type: ignore[attr-defined]
    return Start(is_well=bool(asked) and None not in asked)


def _is_torn(name: str, beginnings: tuple[str, ...]) -> bool:
    """Whether something is no id that anyone would make, but a piece of a command line."""
    return bool(name) and (len(name) == 1 or name.startswith(beginnings) or name[0] in '["' or name[-1] in ']"')


def _problem(event: Event) -> str:
    """What surely ends the process; empty for what does not."""
    if isinstance(event, Unreadable):
        return f"`{event.text[:MAX_SHOWN]}` can't be read as {event.what}: {event.message}"
    if isinstance(event, LacksKey) or (isinstance(event, Raised) and event.key is not None):
        return f"there is no `{event.key}` among its arguments"
    if isinstance(event, Access) and event.status is Status.ABSENT and not (event.guarded or event.doubtful or event.deferred):
        return f"there is no `{'.'.join(event.path)}` among its arguments"
    if isinstance(event, Raised | Exited):
        return "the evaluation refuses it"
    return ""


def _last_part(path: Value | None) -> str | None:
    """The id at the end of `entity/project/id`, None where it is not known in full."""
    last = path.shown()[-1] if path is not None and path.shown() else None
    if last is None:
        return None
    _, slash, name = last.rpartition("/")
    return name if slash or (path is not None and len(path.shown()) == 1) else None
