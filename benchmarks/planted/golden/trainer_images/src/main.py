"""Train one run in this process."""

import hydra
from omegaconf import DictConfig

from src.train import Trainer


@hydra.main(version_base="1.3", config_path="../config", config_name="config")
def main(cfg: DictConfig) -> None:
    """Build the trainer of the selected run and let it work."""
    trainer = Trainer(cfg)
    trainer.run()


if __name__ == "__main__":
    main()
