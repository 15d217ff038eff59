"""Scripts of cells with magics of IPython are one fault, whatever there is of them; another fault in one is its own."""

from __future__ import annotations

import pytest
from experiments_of_texts import run_rules

from gonogo.compose.client import Composer

CELLS = [
    "# %%\n%load_ext autoreload\n%autoreload 2\n\nimport json\n",
    "#%% first\n%matplotlib inline\nimport json\n",
    "# In[1]:\n!pip install json5\nimport json\n",
    "# %% [markdown]\n# text\n# %%\n%cd ..\n",
    "# <codecell>\nimport json\njson.loads?\n",
    "def show():\n    # %%\n    %timeit 1 + 1\n",
    "# %%\nfiles = !ls\nprint(files)\n",
    "# In[ ]:\n%time x = 1\nprint(x)\n",
]
BROKEN = ["# %%\n%load_ext autoreload\nprint(1\n", "# %%\n%cd ..\ndef f():\nx = 1\n", "%load_ext autoreload\nimport json\n"]


def test_scripts_of_cells_are_one_fault(composer: Composer) -> None:
    files = {f"tools/plot_{index}.py": text for index, text in enumerate(CELLS)}
    (found,) = run_rules(composer, {**files, "train.py": "print(1)\n"}, "IMP103", "IMP108")
    assert found.blocks and found.message.endswith(f"{len(CELLS) - 1} more files have magics of IPython, too")
    assert len(found.related) == len(CELLS) - 1


@pytest.mark.parametrize("text", CELLS)
def test_one_script_of_cells(text: str, composer: Composer) -> None:
    (found,) = run_rules(composer, {"plot.py": text, "train.py": "print(1)\n"}, "IMP103", "IMP108")
    assert found.message == "only IPython understands this line: Python can't run the file"


@pytest.mark.parametrize("text", BROKEN)
def test_another_fault_is_its_own(text: str, composer: Composer) -> None:
    files = {"plot.py": text, "other.py": CELLS[0], "train.py": "print(1)\n"}
    found = run_rules(composer, files, "IMP103", "IMP108")
    assert sorted(entry.location.path for entry in found) == ["other.py", "plot.py"]
