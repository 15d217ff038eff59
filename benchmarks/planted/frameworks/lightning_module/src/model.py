"""The classifier, the objective and the optimiser it is trained with, and the scores it is judged by."""

import lightning
import torch
import wandb
from omegaconf import DictConfig
from torch import nn

IMAGE_PIXELS = 8 * 8  # scikit-learn's digits have this one size


class MultiLayerPerceptron(nn.Module):
    """One hidden layer with dropout: enough for 8x8 digits, and quick on a laptop."""

    def __init__(self, hidden_units: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.hidden = nn.Linear(IMAGE_PIXELS, hidden_units)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_units, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return one logit per class for a batch of flattened images."""
        activations = torch.relu(self.hidden(images))
        return self.output(self.dropout(activations))


def build_model(model_cfg: DictConfig) -> nn.Module:
    """Create the untrained classifier that the run asks for."""
    if model_cfg.name != "mlp":
        raise ValueError(f"unknown model {model_cfg.name!r}: only 'mlp' is implemented")
    return MultiLayerPerceptron(
        hidden_units=model_cfg.hidden_units,
        num_classes=model_cfg.num_classes,
        dropout=model_cfg.dropout,
    )


def build_criterion(method: str, training_cfg: DictConfig) -> nn.Module:
    """Return the training loss of a method; refuse a run whose method and objective contradict each other."""
    objective = training_cfg.objective
    smoothing = training_cfg.label_smoothing
    if method == "label-smoothing" and objective == "smoothed_cross_entropy":
        return nn.CrossEntropyLoss(label_smoothing=smoothing)
    if method == "cross-entropy" and objective == "cross_entropy":
        if smoothing != 0.0:
            raise ValueError(f"plain cross-entropy takes no label smoothing, but the run sets {smoothing}")
        return nn.CrossEntropyLoss()
    raise ValueError(f"method {method!r} with objective {objective!r} is not implemented")


def build_optimizer(name: str, model: nn.Module, settings: dict[str, float]) -> torch.optim.Optimizer:
    """Create the optimiser over all parameters of the model."""
    if name != "sgd":
        raise ValueError(f"unknown optimizer {name!r}: only 'sgd' is implemented")
    return torch.optim.SGD(
        model.parameters(),
        lr=settings["learning_rate"],
        momentum=settings["momentum"],
        weight_decay=settings["weight_decay"],
    )


def score(logits: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    """Return accuracy and mean cross-entropy, never smoothed, so that the methods can be compared."""
    accuracy = (logits.argmax(dim=1) == labels).float().mean().item()
    return accuracy, nn.functional.cross_entropy(logits, labels).item()


class Classifier(lightning.LightningModule):
    """The network with its objective and its optimiser."""

    def __init__(self, run_cfg: DictConfig, settings: dict[str, float], log_to_wandb: bool) -> None:
        super().__init__()
        self.network = build_model(run_cfg.model)
        self.criterion = build_criterion(run_cfg.method, run_cfg.training)
        self.optimizer_name = run_cfg.training.optimizer
        self.settings = settings
        self.log_to_wandb = log_to_wandb
        self.train_losses: list[float] = []
        self.seen: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.scores: dict[str, float] = {}

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        """Return the loss of a batch."""
        images, labels = batch
        loss = self.criterion(self.network(images), labels)
        self.train_losses.append(loss.item())
        return loss

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> None:
        """Keep the logits of a batch."""
        images, labels = batch
        self.seen.append((self.network(images), labels))

    def on_train_epoch_end(self) -> None:
        """Score the validation split and log one row."""
        logits = torch.cat([batch_logits for batch_logits, _ in self.seen])
        labels = torch.cat([batch_labels for _, batch_labels in self.seen])
        val_accuracy, val_loss = score(logits, labels)
        self.scores = {"val_accuracy": val_accuracy, "val_loss": val_loss}
        if self.log_to_wandb:
            train_loss = sum(self.train_losses) / len(self.train_losses)
            wandb.log({"epoch": self.current_epoch + 1, "train_loss": train_loss, **self.scores})
        self.train_losses, self.seen = [], []

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimiser over all parameters."""
        return build_optimizer(self.optimizer_name, self.network, self.settings)
