"""Train one run in this process."""

import hydra
from omegaconf import DictConfig

from src import train


@hydra.main(version_base="1.3", config_path="../config", config_name="config")
def main(cfg: DictConfig) -> None:
    """Leave everything to the training module."""
    train.work(cfg)


if __name__ == "__main__":
    main()
