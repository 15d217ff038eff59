"""Names that are there to raise, and modules that each user makes: told, and no error."""

from __future__ import annotations

import pytest
from experiments_of_texts import run_rules

from gonogo.compose.client import Composer
from gonogo.model.finding import Severity

CHOOSING = "def choose(kind):\n    if kind == 'a':\n        return 1\n    {other}\n\n\nprint(choose('b'))\n"


@pytest.mark.parametrize(
    "other",
    [
        "else:\n        error",
        "else:\n        error_no_such_kind",
        "else:\n        unknown_kind_error",
        "elif kind == 'b':\n        error",
        "if kind != 'c':\n        unreachable",
        "else:\n        not_implemented",
        "else:\n        print(kind)\n        should_not_be_here",
        "else:\n        Failure",
    ],
)
def test_a_line_of_nothing_but_an_error_is_there_to_raise(other: str, composer: Composer) -> None:
    found = run_rules(composer, {"train.py": CHOOSING.format(other=other)}, "IMP104")
    assert [entry.severity for entry in found] == [Severity.WARNING]


@pytest.mark.parametrize(
    "other",
    [
        "else:\n        return error",
        "else:\n        error()",
        "else:\n        kind = error",
        "error",
        "else:\n        python",
        "else:\n        kind + error",
    ],
)
def test_another_name_that_is_nowhere_is_an_error(other: str, composer: Composer) -> None:
    found = run_rules(composer, {"train.py": CHOOSING.format(other=other)}, "IMP104")
    assert [entry.severity for entry in found] == [Severity.ERROR]


def test_one_that_is_meant_hides_no_other(composer: Composer) -> None:
    text = CHOOSING.format(other="else:\n        error\n    return error")
    found = run_rules(composer, {"train.py": text}, "IMP104")
    assert sorted(entry.severity for entry in found) == sorted([Severity.WARNING, Severity.ERROR])


FILES = {"pkg/__init__.py": "", "pkg/launchers/__init__.py": "", "pkg/launchers/config_template.py": "LOGS = ''\n"}


@pytest.mark.parametrize(
    "pattern", ["pkg/launchers/config.py", "/pkg/launchers/config.py", "config.py", "launchers/config.py", "**/config.py"]
)
@pytest.mark.parametrize(
    "line", ["from pkg.launchers import config", "from pkg.launchers.config import LOGS", "import pkg.launchers.config as c"]
)
def test_a_module_that_each_user_makes_is_a_warning(pattern: str, line: str, composer: Composer) -> None:
    files = {**FILES, "train.py": f"{line}\n", ".gitignore": f"*.pyc\n{pattern}\n"}
    found = run_rules(composer, files, "IMP105")
    assert [(entry.severity, "whoever runs the project makes" in entry.message) for entry in found] == [(Severity.WARNING, True)]


@pytest.mark.parametrize("pattern", ["", "pkg/launchers/", "*.py", "other.py", "!config.py", "config.pyc", "launchers"])
@pytest.mark.parametrize("line", ["from pkg.launchers import config", "from pkg.launchers.config import LOGS"])
def test_a_module_that_is_only_missing_is_an_error(pattern: str, line: str, composer: Composer) -> None:
    found = run_rules(composer, {**FILES, "train.py": f"{line}\n", ".gitignore": f"{pattern}\n"}, "IMP105")
    assert [entry.severity for entry in found] == [Severity.ERROR]


@pytest.mark.parametrize(
    "beside",
    [
        {"README.md": "Copy `conf.py` to `config.py`."},
        {"docs/install.rst": "Write your settings to pkg/launchers/config.py."},
        {"setup.sh": "cp pkg/launchers/conf.py pkg/launchers/config.py\n"},
        {"pkg/launchers/config.example.py": ""},
        {"pkg/launchers/example_config.py": ""},
        {"pkg/launchers/config.py.template": ""},
        {"pkg/launchers/config_sample.py": ""},
    ],
)
def test_what_says_that_each_user_makes_a_module(beside: dict[str, str], composer: Composer) -> None:
    files = {
        "pkg/__init__.py": "",
        "pkg/launchers/__init__.py": "",
        "train.py": "from pkg.launchers import config\n",
        ".gitignore": "config.py\n",
    }
    assert not [entry for entry in run_rules(composer, {**files, **beside}, "IMP105") if entry.blocks]


@pytest.mark.parametrize(
    "beside", [{}, {"README.md": "The config is in the package."}, {"pkg/launchers/my_config.py": ""}, {"README.md": "my-config.py"}]
)
def test_a_module_that_was_forgotten_is_an_error(beside: dict[str, str], composer: Composer) -> None:
    files = {
        "pkg/__init__.py": "",
        "pkg/launchers/__init__.py": "",
        "train.py": "from pkg.launchers import config\n",
        ".gitignore": "config.py\n",
    }
    assert [entry.severity for entry in run_rules(composer, {**files, **beside}, "IMP105")] == [Severity.ERROR]
