"""Train one run in this process."""

import hydra
from omegaconf import DictConfig

from src.train import run_training


@hydra.main(version_base="1.3", config_path="../config", config_name="config")
def main(cfg: DictConfig) -> None:
    """Call the training with the composed config."""
    run_training(cfg)


if __name__ == "__main__":
    main()
