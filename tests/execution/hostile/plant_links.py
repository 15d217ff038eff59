"""Fills its results with things that a careless copy would follow, block on or blow up at."""

import os
import sys
from pathlib import Path

import bounds  # noqa: F401

results = Path("results")
results.mkdir()
(results / "metrics.json").write_text('{"accuracy": 0.5}')
(results / "run" / "figures").mkdir(parents=True)
(results / "run" / "figures" / "curve.pdf").write_bytes(b"%PDF")
victim = os.environ["VICTIM"]
os.symlink(victim, results / "link-to-file")
os.symlink(Path(victim).parent, results / "link-to-folder")
os.symlink("../../../../../../etc", results / "link-upwards")
os.symlink("loop", results / "loop")
os.mkfifo(results / "pipe")
(results / "secret").write_text("own")
os.link(results / "secret", results / "second-name")
with open(results / "sparse", "wb") as file:
    file.truncate(1 << 30)
(results / "odd\nname").write_text("odd")
os.makedirs(results / "/".join("d" * 60))
# What gonogo writes into the tree before the next run must not follow these.
os.symlink(Path(victim).parent, "config")
os.symlink(victim, "plan.yaml")
if sys.argv[1:] == ["folder"]:
    results.rename("elsewhere")
    os.symlink(Path(victim).parent, "results")
