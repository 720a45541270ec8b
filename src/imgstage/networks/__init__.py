"""Networks by name: `build` finds and builds one, `UNet` is imgstage's own. Needs the extra `imgstage[torch]`."""

from .loading import build
from .unet import UNet

__all__ = ["UNet", "build"]
