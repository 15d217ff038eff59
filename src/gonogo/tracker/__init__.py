"""A small W&B-compatible server: the real client logs to it, the real `wandb.Api()` reads back.

    from gonogo.tracker import running

    with running() as tracker:
        os.environ.update(tracker.environment())
        ...  # wandb.init(), wandb.Api()

Tests get the same as the fixture `wandb_tracker`; `gonogo tracker` is the command.
"""

from gonogo.tracker.beside import Tracker, client_environment, running

__all__ = ["Tracker", "client_environment", "running"]
