"""Lightning's Trainer takes both ways to batches, and goes on where it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from imgstage.training import ImageDataset, Loader, to_device

from .test_loader import images

lightning: Any = pytest.importorskip("lightning")


class Learner(lightning.LightningModule):  # type: ignore[misc]
    """Notes what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 3, 1)
        self.seen: list[list[str]] = []

    def training_step(self, batch: dict[str, Any], _: int) -> Any:
        batch = to_device(batch, self.device)
        self.seen.append(batch["key"])
        return (self.layer(batch["before"]) - batch["after"]).square().mean()

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.01)


def trainer(folder: Path, epochs: int) -> Any:
    return lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore:.*:FutureWarning", "ignore:.*bottleneck.*")
@pytest.mark.parametrize("own", [True, False])
def test_two_epochs(tmp_path: Path, own: bool) -> None:
    dataset = ImageDataset(images(tmp_path, 12), "train", (10, 16))
    loader: Any = Loader(dataset, 4, num_workers=2) if own else DataLoader(dataset, 4, shuffle=True, num_workers=2)
    learner = Learner()
    trainer(tmp_path, 2).fit(learner, loader)
    assert [len(keys) for keys in learner.seen] == [4] * 6
    for epoch in (learner.seen[:3], learner.seen[3:]):
        assert sorted(key for keys in epoch for key in keys) == [f"{number:03d}" for number in range(12)]
    assert not own or loader.state_dict() == {"seed": 0, "epoch": 1, "cursor": 12, "samples": 12}
