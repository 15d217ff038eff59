"""The process that judges one experiment after the other, with one composer.

The pool in `gonogo.pool.pool` starts, feeds and ends it.

It speaks JSON, one line a message. First it is told the options and answers `{"ready": true}` or `{"usage": sentence}`;
then it is given experiments and answers each with a verdict, or with why there is none.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from gonogo.compose.client import Composer

if TYPE_CHECKING:
    from gonogo.model.check_options import CheckOptions
    from gonogo.model.config_use import RunConfig

MEMORY_BYTES = 4 << 30


def main() -> None:
    """Answer until standard input ends."""
    composer = Composer()  # first of all: Hydra takes long to import, and now does so while we import the rest
    replies, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints must not end up among the replies
    try:
        _limit_memory()
        _serve(composer, replies)
    except BrokenPipeError:
        pass  # the pool is gone, so nobody wants the answer
    finally:
        composer.close()


def _limit_memory() -> None:
    if sys.platform != "darwin":
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        limit = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _lift_limit() -> None:
    """Lift the limit on address space that the experiment's processes would inherit.

    Address space is no measure of what an experiment uses; its resident memory is watched.
    """
    if sys.platform != "darwin":
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _serve(composer: Composer, replies: TextIO) -> None:
    from gonogo.documents.yaml import parse_yaml
    from gonogo.rules.base import all_rules

    gc.disable()
    all_rules()
    gc.freeze()  # what is imported stays: no collection need look at it again
    gc.enable()
    gc.set_threshold(500_000, 20, 50)  # an experiment is many small objects that are needed to its end: no use to look for waste before
    lines = iter(sys.stdin)
    options, reply = options_of(json.loads(next(lines, "{}")))
    _send(replies, reply)
    if options.to != "compose":
        _lift_limit()
    for line in lines:
        _send(replies, judged(json.loads(line), options, composer, replies))
        parse_yaml.cache_clear()  # of no use to the next experiment, and a hostile one could fill it with giants
        gc.collect()  # now, when all of the experiment is waste: less work, and less memory, than now and then while it is judged


def _send(replies: TextIO, message: dict[str, Any]) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()


def options_of(wanted: dict[str, Any]) -> tuple[CheckOptions, dict[str, Any]]:
    """The options as they came, and the answer to them."""
    from gonogo.engine.pipeline import select_rules
    from gonogo.model import contract as contracts
    from gonogo.model.check_options import CheckOptions
    from gonogo.model.errors import UsageError

    options = CheckOptions.model_validate(wanted)
    try:
        select_rules(options)
        contract = options.contract or (options.policy.contract if options.policy else None)
        if contract is not None:
            contracts.load(contract)
    except UsageError as error:
        return options, {"usage": str(error)}
    return options, {"ready": True}


def judged(task: dict[str, Any], options: CheckOptions, composer: Composer, replies: TextIO) -> dict[str, Any]:
    """The answer to an experiment; what goes on in the meantime is said to `replies`."""
    from gonogo.engine.facts import Facts
    from gonogo.engine.pipeline import judge
    from gonogo.model import experiment as experiments
    from gonogo.model import plan as plans
    from gonogo.model.errors import GonogoError

    uses: list[dict[str, Any]] = []
    configs: list[RunConfig] = []
    texts: dict[str, str] = {}

    def look(facts: Facts) -> None:
        if task.get("uses"):
            from gonogo.engine.uses import config_uses

            uses.extend(use.model_dump(mode="json") for use in config_uses(facts))
        if task.get("configs"):
            from gonogo.engine.config_trees import config_trees, pointed_into

            configs.extend(config_trees(facts))
            texts.update(pointed_into(configs, facts.get("experiment")))

    try:
        plan = plans.load(Path(task["plan"])) if task["plan"] else None
        source = task["source"]
        if task.get("texts"):
            source = experiments.with_texts(experiments.load(source, plan, task["name"]), task["texts"])
        chosen, listener = options.model_copy(update={"plan": plan}), _listener(options, replies)
        judgement = judge(source, chosen, composer, task["name"], listener, lambda seconds: _send(replies, {"seconds": seconds}), look)
        judgement.verdict.configs = configs
        return {"verdict": judgement.verdict.model_dump(mode="json"), "sources": texts | judgement.sources, "uses": uses}
    except GonogoError as error:
        return {"usage": str(error)}
    except MemoryError:
        return {"crash": "it needs more memory than the gate allows", "traceback": ""}
    except Exception as error:
        return {"crash": f"gonogo failed on it ({type(error).__name__}: {error})", "traceback": traceback.format_exc()}


def _listener(options: CheckOptions, replies: TextIO) -> Callable[[str, str, str, str], None]:
    """Return a function that passes on the progress of the stages that run the experiment.

    It also says how long a stage may stay silent until something must be heard again.
    """
    silence = {"environment": options.execution.environment_timeout, "advise": options.ai.timeout}

    def hear(stage: str, run: str, what: str, text: str) -> None:
        _send(replies, {"progress": [stage, run, what, text], "silence": silence.get(stage, options.execution.run_timeout)})

    return hear


if __name__ == "__main__":
    main()
