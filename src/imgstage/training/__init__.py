"""From a split to batches for PyTorch: `ImageDataset`, `Loader`, `to_device`. Needs the extra `imgstage[torch]`."""

try:
    import torch as torch
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    _problem = "imgstage.training needs PyTorch, which is not installed: pip install 'imgstage[torch]'"
    raise ImportError(_problem) from error

from .dataset import ImageDataset
from .loader import Loader, to_device
from .workers import WorkerDiedError

__all__ = ["ImageDataset", "Loader", "WorkerDiedError", "to_device"]
