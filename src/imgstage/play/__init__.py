"""Try a model on new pictures: `open_network`, `play`. Importing it loads no torch."""

from .api import Played, open_network, play
from .config import ModelConfig
from .network import Network, Tiling

__all__ = ["ModelConfig", "Network", "Played", "Tiling", "open_network", "play"]
