"""Index + ledger + pairing rules -> samples: what belongs together, where it is, and where it was assigned. Pure."""

from .build import build
from .model import Catalog, Sample, below, top

__all__ = ["Catalog", "Sample", "below", "build", "top"]
