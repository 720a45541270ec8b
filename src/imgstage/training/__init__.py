"""From a split to tensors: `ImageDataset`, a map-style dataset for PyTorch. Needs the extra `imgstage[torch]`."""

try:
    import torch as torch
except ImportError as error:
    _problem = "imgstage.training needs PyTorch, which is not installed: pip install 'imgstage[torch]'"
    raise ImportError(_problem) from error

from .dataset import ImageDataset

__all__ = ["ImageDataset"]
