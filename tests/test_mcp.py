"""The MCP server, asked by the SDK's own client over stdin and stdout."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from experiments_of_texts import GOLDEN, GOLDEN_PLAN

mcp = pytest.importorskip("mcp", reason="mcp is not installed")

PLAN = str(GOLDEN_PLAN)


def asked(action: Callable[[Any], Awaitable[Any]]) -> Any:
    """What an action gets from a server of its own."""

    async def act() -> Any:
        parameters = mcp.StdioServerParameters(command=sys.executable, args=["-m", "gonogo", "mcp"])
        async with mcp.Client(parameters) as client:
            return await action(client)

    return asyncio.run(act())


def text(answer: Any) -> str:
    return "".join(part.text for part in answer.content)


@pytest.mark.slow
def test_a_loop_from_a_fault_to_go(tmp_path: Path) -> None:
    tree = tmp_path / "experiment"
    shutil.copytree(GOLDEN, tree, ignore=shutil.ignore_patterns("__pycache__"))
    train = tree / "src/train.py"
    right = train.read_text("utf-8")
    assert "cfg.run.training.learning_rate" in right
    train.write_text(right.replace("cfg.run.training.learning_rate", "cfg.training.learning_rate"), "utf-8")

    async def act(client: Any) -> list[Any]:
        asked = {"path": str(tree), "plan": PLAN}
        before = await client.call_tool("check", asked)
        shown = await client.call_tool("fix", asked)
        assert train.read_text("utf-8") != right
        await client.call_tool("fix", {**asked, "write": True})
        return [before, shown, await client.call_tool("check", {**asked, "verdict": True})]

    before, shown, after = asked(act)
    assert before.structured_content["outcome"] == "NO-GO"
    assert "HYD104" in before.structured_content["report"]
    assert "+" in text(shown) and "run.training.learning_rate" in text(shown)
    assert after.structured_content["is_code_ready"] is True
    assert after.structured_content["verdict"]["runs"] == ["proposed-mlp-digits", "comparative-1-mlp-digits"]
    assert train.read_text("utf-8") == right


@pytest.mark.slow
def test_what_can_not_be_answered_is_one_sentence(tmp_path: Path) -> None:
    async def act(client: Any) -> list[Any]:
        calls = [
            ("check", {"path": str(tmp_path / "nowhere")}),
            ("check", {}),
            ("check", {"path": "x", "bundle": {}}),
            ("check", {"path": "--help"}),
            ("explain", {"rule": "HYD9999"}),
            ("fix", {"path": str(tmp_path / "nowhere")}),
        ]
        return [await client.call_tool(name, arguments) for name, arguments in calls]

    for answer in asked(act):
        assert answer.is_error
        assert len(text(answer).splitlines()) == 1, text(answer)


@pytest.mark.slow
def test_bundles_rules_and_explanations() -> None:
    async def act(client: Any) -> list[Any]:
        return [
            await client.call_tool("check", {"bundle": {"main_py": "import os\nprint(undefined_name)\n"}}),
            await client.call_tool("explain", {"rule": "HYD104"}),
            await client.call_tool("rules", {}),
            await client.list_tools(),
        ]

    judged, explained, listed, tools = asked(act)
    assert judged.structured_content["outcome"] == "NO-GO"
    assert "unknown-config-key" in text(explained)
    assert "HYD104" in text(listed)
    assert {tool.name for tool in tools.tools} == {"check", "fix", "explain", "rules"}
    assert all(tool.description for tool in tools.tools)


@pytest.mark.slow
def test_a_trial_tells_of_its_progress_and_ends_when_it_is_cancelled(tmp_path: Path) -> None:
    tree = tmp_path / "experiment"
    shutil.copytree(GOLDEN, tree, ignore=shutil.ignore_patterns("__pycache__"))
    main = tree / "src/train.py"
    main.write_text("import time\ntime.sleep(600)\n" + main.read_text("utf-8"), "utf-8")
    heard: list[str] = []

    async def act(client: Any) -> list[psutil.Process]:
        told = asyncio.Event()

        async def hear(passed: float, total: float | None, message: str | None) -> None:
            heard.append(message or "")
            told.set()

        call = asyncio.create_task(client.call_tool("check", {"path": str(tree), "plan": PLAN, "to": "trial"}, progress_callback=hear))
        await asyncio.wait_for(told.wait(), 120)
        started = psutil.Process().children(recursive=True)
        assert any(_is_check(process) for process in started)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        deadline = time.monotonic() + 60
        while (left := [process for process in started if _is_check(process)]) and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
        return left

    assert asked(act) == []
    assert heard[0].startswith("gonogo check: ")


def _is_check(process: psutil.Process) -> bool:
    """Whether a living process was started with the argument ``check``: a folder above the clone may have that name, too."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE and "check" in process.cmdline()
    except psutil.NoSuchProcess:
        return False
