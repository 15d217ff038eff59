"""Start one run: `src.train` in a child process."""

import os
import subprocess
import sys

import hydra
from omegaconf import DictConfig


def command_of(cfg: DictConfig) -> list[str]:
    """The command line of the child."""
    mode = "disabled" if cfg.trial_mode else cfg.wandb.mode
    overrides = {"run": cfg.run.run_id, "results_dir": f"'{cfg.results_dir}'", "trial_mode": str(cfg.trial_mode).lower(), "wandb.mode": mode}
    return [sys.executable, "-u", "-m", "src.train", *(f"{key}={value}" for key, value in overrides.items())]


@hydra.main(version_base="1.3", config_path="../config", config_name="config")
def main(cfg: DictConfig) -> None:
    """Run the child with this environment."""
    subprocess.run(command_of(cfg), check=True, env=os.environ.copy())


if __name__ == "__main__":
    main()
