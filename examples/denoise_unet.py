"""A U-Net that takes noise out of photographs: from a split that imgstage made to a model, on the CPU.

    imgstage demo DIR
    python examples/denoise_unet.py DIR/data

It trains on `train`, watches `val`, and looks at `test` once, at the end. Into `models/` below the root go
`unet.safetensors` (the weights), `model.toml` (what one must know to use them), `losses.csv` and `test.png` (before,
output, after). Interrupt it whenever you like: begun again, it goes on where its last checkpoint is, and arrives at the
very same weights.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import interpolate, l1_loss, max_pool2d
from torchvision.transforms import v2
from torchvision.utils import make_grid, save_image

from imgstage import ImgstageError
from imgstage.training import ImageDataset, Loader, to_device

MULTIPLE = 4  # two halvings: height and width must be multiples of it
CROP = 64


class UNet(nn.Module):
    """Two levels down, two up; what it finds is added to its input.

    Images have shape (batch, 3, height, width), RGB, range 0 to 1; height and width are multiples of 4.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.encode = nn.ModuleList([_convolution(3, width), _convolution(width, 2 * width)])
        self.bottom = _convolution(2 * width, 4 * width)
        self.decode = nn.ModuleList([_convolution(6 * width, 2 * width), _convolution(3 * width, width)])
        self.last = nn.Conv2d(width, 3, 3, padding=1)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)  # so it begins by changing nothing

    def forward(self, images: Tensor) -> Tensor:
        values, skipped = images - 0.5, []
        for level in self.encode:
            values = level(values)
            skipped.append(values)
            values = max_pool2d(values, 2)
        values = self.bottom(values)
        for level in self.decode:
            values = interpolate(values, scale_factor=2, mode="nearest")
            values = level(torch.cat([values, skipped.pop()], dim=1))
        restored: Tensor = images + self.last(values)
        return restored


def _convolution(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True))


def psnr(images: Tensor, truth: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of images with values from 0 to 1."""
    return -10 * math.log10(float(((images.clamp(0, 1) - truth) ** 2).mean()))


@torch.no_grad()
def score(model: UNet, pairs: ImageDataset) -> tuple[float, float, list[Tensor]]:
    """The mean PSNR over a split of its noisy images and of the model's, and some of them: before, output, after."""
    noisy, restored, shown = [], [], []
    for item in map(pairs.__getitem__, range(len(pairs))):
        before, after = (to_device(item[role][None], "cpu") for role in ("before", "after"))
        output = model(before)
        noisy.append(psnr(before, after))
        restored.append(psnr(output, after))
        shown += [before[0], output[0].clamp(0, 1), after[0]]
    return sum(noisy) / len(noisy), sum(restored) / len(restored), shown


class Training:
    """A model on its way, with all that is needed to go on.

    Args:
        root: an imgstage root with pairs of before and after.
        folder: where checkpoints and results go.
        epochs: how often each sample is seen.
        seed: of the first weights and of the order of samples.
    """

    def __init__(self, root: Path, folder: Path, epochs: int, seed: int) -> None:
        torch.manual_seed(seed)
        augment = v2.Compose([v2.RandomCrop(CROP), v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()])
        self.loader = Loader(ImageDataset(root, "train", transform=augment), batch_size=8, seed=seed, num_workers=1)
        self.val = ImageDataset(root, "val")
        self.model = UNet().to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(self.model.parameters())
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, 4e-3, total_steps=epochs * len(self.loader))
        self.losses: list[float] = []
        self.epochs, self.seed = epochs, seed
        self.folder = folder
        self.checkpoint = folder / "checkpoint.pt"

    def _parts(self) -> dict[str, Any]:
        return {"model": self.model, "optimizer": self.optimizer, "schedule": self.schedule, "loader": self.loader}

    def save(self) -> None:
        """Keep where it is; the last checkpoint stays until this one is whole."""
        state = {name: part.state_dict() for name, part in self._parts().items()}
        new = self.checkpoint.with_suffix(".new")
        torch.save(state | {"losses": self.losses, "epochs": self.epochs, "seed": self.seed}, new)
        new.replace(self.checkpoint)

    def resume(self) -> bool:
        """Go on where the last checkpoint is, if there is one."""
        if not self.checkpoint.exists():
            return False
        state = torch.load(self.checkpoint, weights_only=True)
        if (state["epochs"], state["seed"]) != (self.epochs, self.seed):
            sys.exit(
                f"{self.checkpoint} is of another run (--epochs {state['epochs']} --seed {state['seed']}). Delete it."
            )
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.losses = state["losses"]
        return True

    def run(self) -> None:
        """Train; a line and a checkpoint an epoch."""
        while self.loader.epoch < self.epochs:
            epoch = self.loader.epoch
            for batch in self.loader:
                images = to_device(batch, "cpu", channels_last=True)
                loss = l1_loss(self.model(images["before"]), images["after"])
                self.optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                self.optimizer.step()
                self.schedule.step()
                self.losses.append(float(loss.detach()))
            self.save()
            before, after, _ = score(self.model, self.val)
            mean = sum(self.losses[-len(self.loader) :]) / len(self.loader)
            print(f"epoch {epoch + 1:2}/{self.epochs}: loss {mean:.4f}, val {before:.2f} -> {after:.2f} dB", flush=True)


def main() -> None:
    """Train, then look at the test split."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="an imgstage root with pairs of before and after")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    start = time.monotonic()
    folder = given.root / "models"
    try:
        training = Training(given.root, folder, given.epochs, given.seed)
    except ImgstageError as error:
        sys.exit(str(error))
    folder.mkdir(exist_ok=True)
    if training.resume():
        print(f"Going on after {len(training.losses)} steps")
    training.run()

    test = ImageDataset(given.root, "test")
    before, after, shown = score(training.model, test)
    print(f"test, {len(test)} pairs: {before:.2f} dB noisy, {after:.2f} dB restored, {after - before:+.2f} dB")
    save_file({name: of.contiguous() for name, of in training.model.state_dict().items()}, folder / "unet.safetensors")
    (folder / "model.toml").write_text(f'channels = "RGB"\nrange = [0.0, 1.0]\nsize_multiple = {MULTIPLE}\n')
    with (folder / "losses.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("step", "loss"), *enumerate(training.losses)])
    save_image(make_grid(shown[: 3 * 4], nrow=3, padding=4, pad_value=1.0), folder / "test.png")
    print(f"Wrote {folder}/: unet.safetensors, model.toml, losses.csv, test.png, in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
