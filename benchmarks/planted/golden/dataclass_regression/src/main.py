"""Start the training in a process of its own."""

import subprocess
import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

ROOT = Path(__file__).resolve().parents[1]


@hydra.main(version_base="1.3", config_path="../config", config_name="config")
def main(cfg: DictConfig) -> None:
    """Pass the run, the folder of results and the trial flag on."""
    command = [sys.executable, "-u", "-m", "src.train"]
    command.append(f"run={cfg.run.run_id}")
    command.append(f"results_dir='{cfg.results_dir}'")
    command.append(f"trial_mode={cfg.trial_mode}")
    command.append(f"wandb.mode={'disabled' if cfg.trial_mode else cfg.wandb.mode}")
    subprocess.check_call(command, cwd=ROOT)


if __name__ == "__main__":
    main()
