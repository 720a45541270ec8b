"""The public Python API: what can be told of a root (`reading`), what would be done (`planning`), doing it (`api`)."""

from .api import Dataset

__all__ = ["Dataset"]
