"""HYD105: `method` that nothing reads is an error, unless what is read tells the same runs apart: then it is their label."""

from __future__ import annotations

import pytest
from experiments_of_texts import run_rules

from gonogo.compose.client import Composer

RUN = "config/run/proposed-mlp-digits.yaml"
OTHER = "config/run/comparative-1-mlp-digits.yaml"
CASES = {
    "one of one, many of the other": ("samples: 8", "samples: 1", "info"),
    "none and one": ("samples: 1", "samples: 0", "info"),
    "zero and a share": ("samples: 0.5", "samples: 0.0", "info"),
    "on and off": ("samples: true", "samples: false", "info"),
    "texts": ("samples: vote", "samples: greedy", "info"),
    "many of both": ("samples: 8", "samples: 4", "error"),
    "two shares": ("samples: 0.5", "samples: 0.25", "error"),
    "seeds": ("seed: 0", "seed: 1", "error"),
    "length of the training": ("epochs: 20", "epochs: 1", "error"),
    "machine": ("gpu_id: 0", "gpu_id: 1", "error"),
    "the same": ("samples: 8", "samples: 8", "error"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_tells_the_runs_apart_makes_the_method_a_label(name: str, golden: dict[str, str], composer: Composer) -> None:
    ours, theirs, severity = CASES[name]
    same = golden[OTHER].replace("comparative-1-mlp-digits", "proposed-mlp-digits")
    method = next(line for line in golden[RUN].splitlines() if line.startswith("method:"))
    same = "\n".join(method if line.startswith("method:") else line for line in same.splitlines()) + "\n"
    files = {
        **golden,
        RUN: same.replace("  name: mlp\n", f"  name: mlp\n  {ours}\n"),
        OTHER: golden[OTHER].replace("  name: mlp\n", f"  name: mlp\n  {theirs}\n"),
        "src/train.py": golden["src/train.py"]
        .replace("build_criterion(cfg.run.method,", 'build_criterion("cross-entropy",')
        .replace(
            "    model = build_model(cfg.run.model)\n",
            f"    print(cfg.run.model.{ours.partition(':')[0]})\n    model = build_model(cfg.run.model)\n",
        ),
        "src/evaluate.py": golden["src/evaluate.py"].replace('["method"]', '["run_id"]').replace('"method"', '"id"'),
    }
    assert files[RUN] != same and "cfg.run.method" not in files["src/train.py"]
    found = [each for each in run_rules(composer, files, "HYD105") if "`method`" in each.message]
    assert [each.severity for each in found] == [severity]
