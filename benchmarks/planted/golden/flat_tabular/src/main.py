"""Start the training of one run in a child process."""

import subprocess
import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path="../config", config_name="config")
def main(cfg: DictConfig) -> None:
    """Hand every override on to `src.train`, and fail when it fails."""
    command = [sys.executable, "-u", "-m", "src.train", *HydraConfig.get().overrides.task]
    if cfg.trial_mode:
        command.append("wandb.mode=disabled")
    subprocess.run(command, check=True)
    print(f"finished {cfg.run.run_id}")


if __name__ == "__main__":
    main()
