"""The documentation as a site: it is built without a warning, and says what the code says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gonogo.cli.app import names
from gonogo.rules.base import all_rules

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the site is made from, built."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "docs", folder / "docs")
    for name in ("README.md", "zensical.toml"):
        shutil.copy(ROOT / name, folder)
    done = subprocess.run([sys.executable, str(ROOT / "docs/pages.py"), str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


@pytest.mark.slow
def test_every_rule_has_its_page(site: Path) -> None:
    listed = (site / "html/rules/index.html").read_text("utf-8")
    for rule in all_rules().values():
        page = (site / f"html/rules/{rule.id}/index.html").read_text("utf-8")
        assert rule.slug in page and "It speaks here" in page
        assert f'{rule.id}/"' in listed


@pytest.mark.slow
def test_every_command_is_in_the_reference(site: Path) -> None:
    page = (site / "pages/reference/commands.md").read_text("utf-8")
    assert all(f"## `gonogo {name}`" in page for name in names())
    assert "| `--contract NAME`" in page and "| `--to {compose," in page


@pytest.mark.slow
def test_a_link_that_leads_nowhere_ends_it(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for path in (ROOT / "docs").glob("*.md"):
        (tmp_path / "docs" / path.name).write_text(path.read_text("utf-8") + "\n[more](nowhere.md)\n", "utf-8")
    for name in ("README.md", "zensical.toml"):
        shutil.copy(ROOT / name, tmp_path)
    done = subprocess.run([sys.executable, str(ROOT / "docs/pages.py"), str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "page does not exist" in done.stderr
