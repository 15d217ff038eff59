"""One experiment that is open in an editor: judged again after each change, beside the protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gonogo.model.check_options import CheckOptions
from gonogo.model.errors import GonogoError
from gonogo.pool.pool import Pool, Result, Task, failed

PAUSE = 0.1  # seconds without a change until the experiment is judged
PATIENCE = 5.0  # seconds that a question waits for the verdict on the newest texts


class Project:
    """An experiment and the last verdict on it.

    It has one process of its own that judges and one that composes.

    Args:
        root: its folder.
        shown: the folder as the client writes it.
        options: the caller's choices.
        plan: file of the plan.
        texts: gives the texts of the documents that are open, by path in the experiment.
        told: hears of a verdict on the newest texts.

    Attributes:
        result: the last one; None before the first.
    """

    def __init__(
        self,
        root: Path,
        shown: Path,
        options: CheckOptions,
        plan: str | None,
        texts: Callable[[Project], dict[str, str]],
        told: Callable[[Project, Result], None],
    ) -> None:
        self.root = root
        self.shown = shown
        self.result: Result | None = None
        self._options = options
        self._plan = plan
        self._texts = texts
        self._told = told
        self._pool = Pool(1)
        self._threads = ThreadPoolExecutor(1)
        self._wanted = 0
        self._judged = 0
        self._work: asyncio.Task[None] | None = None

    def change(self) -> None:
        """Something is different: judge again, once there is a pause."""
        self._wanted += 1
        if self._work is None or self._work.done():
            self._work = asyncio.get_running_loop().create_task(self._judge_newest())

    async def settled(self) -> bool:
        """Wait until the newest texts are judged; whether they are."""
        if self._work is not None:
            await asyncio.wait({self._work}, timeout=PATIENCE)
        return self.is_settled

    @property
    def is_settled(self) -> bool:
        """Whether the last verdict is on the newest texts."""
        return self.result is not None and self._judged == self._wanted

    async def _judge_newest(self) -> None:
        while self._judged != self._wanted:
            number = self._wanted
            await asyncio.sleep(PAUSE if self.result is not None else 0)
            if number != self._wanted:
                continue
            texts = self._texts(self)
            result = await asyncio.get_running_loop().run_in_executor(self._threads, self._judge, texts)
            if number == self._wanted:  # else the verdict is on texts that are gone
                self._judged, self.result = number, result
                self._told(self, result)

    def _judge(self, texts: dict[str, str]) -> Result:
        name = str(self.root)
        try:
            (result,) = self._pool.run([Task(name, name, self._plan, texts, uses=True)], self._options)
        except GonogoError as error:
            return failed(name, str(error), usage=str(error))
        except Exception as error:
            return failed(name, f"gonogo itself failed ({type(error).__name__}: {error})")
        return result

    def close(self) -> None:
        """End the processes."""
        if self._work is not None:
            self._work.cancel()
        self._pool.stop()
        self._threads.shutdown()
        self._pool.close()
