"""imgstage: from a folder of images to train/val/test, safely."""

from importlib import import_module

TYPE_CHECKING = False  # as typing has it, whose import would leave Ctrl-C a hundredth of a second for a traceback
if TYPE_CHECKING:
    from .catalog import Sample
    from .dataset import Dataset
    from .errors import (
        BrokenOffError,
        ChangedError,
        DefectError,
        DestinationError,
        ImgstageError,
        LockedError,
        NotARootError,
        PairingError,
        PendingError,
        RefusedError,
        UsageError,
    )
    from .journal import Operation, Recovery
    from .plan import Note, Plan, Report
    from .status import Status

__version__ = "0.1.0"

__all__ = [
    "BrokenOffError",
    "ChangedError",
    "Dataset",
    "DefectError",
    "DestinationError",
    "ImgstageError",
    "LockedError",
    "NotARootError",
    "Note",
    "Operation",
    "PairingError",
    "PendingError",
    "Plan",
    "Recovery",
    "RefusedError",
    "Report",
    "Sample",
    "Status",
    "UsageError",
]

_HOME = {"Dataset": "dataset", "Status": "status", "Sample": "catalog", "Operation": "journal", "Recovery": "journal"}
_HOME |= {"Note": "plan", "Plan": "plan", "Report": "plan"}


def __getattr__(name: str) -> object:
    """Load what is asked for only now, so that `imgstage --help` need not wait for the decoders."""
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f".{_HOME.get(name, 'errors')}", __name__), name)
