"""All pictures of a root that may be compared, and what they are known as. Pure."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

from ..pairing import LONE
from ..verbs.ties import is_picture, lineage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..catalog import Catalog
    from ..index import FileRecord


class Pictures(NamedTuple):
    """All pictures of a root that may be compared.

    Attributes:
        names: of the owners: ids of samples, and paths of images that are in no sample.
        paths: of each picture; of the original of a resized one, that of the small copy.
        sources: where each is read: of such an original, in the vault.
        digests: of each.
        kinds: of each, as in `fingerprint.Prints`.
        owners: of each, a place in `names`.
    """

    names: list[str]
    paths: list[str]
    sources: list[str]
    digests: list[str]
    kinds: array[int]
    owners: array[int]

    @classmethod
    def of(cls, catalog: Catalog, originals: Mapping[str, str]) -> Pictures:
        """Those of a catalog.

        Args:
            catalog: what there is.
            originals: where in the vault the originals of resized images are, by their digest.
        """
        kinds: dict[str, int] = dict.fromkeys(LONE.roles, 0)
        pictures = cls([], [], [], [], array("i"), array("i"))
        for sample in catalog.samples:
            for role, records in sample.images.items():
                if is_picture(role):
                    kind = kinds.setdefault(role, len(kinds))
                    for record in records:
                        pictures._add(record, kind)
                        for digest in sorted(lineage(catalog, record) & originals.keys()) if originals else ():
                            pictures._add(record, kind, (originals[digest], digest))
            pictures.names.append(sample.id)
        for path in catalog.unrecorded():
            pictures._add(catalog.index.by_path[path], 0)
            pictures.names.append(path)
        return pictures

    def _add(self, record: FileRecord, kind: int, original: tuple[str, str] | None = None) -> None:
        """One more of the owner to be named next, if it is whole; or its original, by place in the vault and digest."""
        if record.image is not None:
            source, digest = original or (record.path, record.digest)
            self.paths.append(record.path)
            self.sources.append(source)
            self.digests.append(digest)
            self.kinds.append(kind)
            self.owners.append(len(self.names))

    def known_as(self) -> str:
        """A digest: the same pictures, of the same owners, in the same order, have the same."""
        told = blake3("\0".join(self.names).encode("utf-8", "surrogateescape"))
        told.update("".join(self.digests).encode())
        told.update(self.kinds.tobytes() + self.owners.tobytes())
        return told.hexdigest()
