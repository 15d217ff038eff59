"""Start the training of one run as a child process."""

import subprocess
import sys

import hydra


def child_overrides(cfg):
    """What makes the child compose the config of this process."""
    overrides = [f"run={cfg.run_id}", f"results_dir='{cfg.results_dir}'", f"trial_mode={str(cfg.trial_mode).lower()}"]
    if cfg.trial_mode:
        overrides += ["training.epochs=1", "wandb.mode=disabled", "optuna.enabled=false"]
    return overrides


@hydra.main(version_base="1.3", config_path="../config", config_name="config")
def main(cfg):
    """Wait for the child and end as it ends."""
    child = subprocess.Popen([sys.executable, "-u", "-m", "src.train"] + child_overrides(cfg))
    if child.wait() != 0:
        raise RuntimeError(f"the training of {cfg.run_id} failed with exit code {child.returncode}")


if __name__ == "__main__":
    main()
