"""`resize`: images get another size where they lie; the originals go to the vault, and later sizes start from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

from ..catalog import Catalog, Sample, below, top
from ..errors import DestinationError, RefusedError, UsageError
from ..formats import SUFFIXES_OF
from ..geometry import MisfitError
from ..images import quiet_codecs
from ..pairing import is_mask, stem_of
from ..plan import INCOMING, MADE, Identity, Job, Made, Making, Move, Note, Plan, Report, some, vault_place
from ..reasons import Why, about, because
from ..resizing import Recipe, foreseen, make
from ..root import fold, show
from .metadata import write_tables
from .named import chosen_samples
from .newnames import follow, refuse_other_reading
from .wishes import arrange_wishes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ..formats import ImageInfo
    from ..index import FileRecord
    from ..resizing import Estimate
    from .resizewish import Format, ResizeWish
    from .wishes import Draft

_FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}
_STRETCHED = 1.05  # a change of the aspect that is worth telling


class _Work(NamedTuple):
    """One image that changes: made anew from `source`, or, without a recipe, `source` itself comes back."""

    record: FileRecord
    source: FileRecord
    recipe: Recipe | None

    @property
    def place(self) -> str:
        """Where it waits; the name tells what it is made of, and how."""
        told = "\0".join((self.record.path, self.source.digest, str(self.recipe)))
        suffix = SUFFIXES_OF[self.recipe.format][0] if self.recipe else ""
        return f"{INCOMING}/{MADE}{blake3(told.encode()).hexdigest(length=16)}{suffix}"

    @property
    def target(self) -> str:
        """Where it goes: its own place, under a suffix that tells the truth if its format changes."""
        path, format_now = self.record.path, self.record.image.format if self.record.image else ""
        if self.recipe is None:
            format_then = self.source.image.format if self.source.image else format_now
        else:
            format_then = self.recipe.format
        suffix = path[path.rfind(".") :].lower()
        if format_then == format_now or suffix in SUFFIXES_OF[format_then]:
            return path
        return stem_of(path) + SUFFIXES_OF[format_then][0]


def plan_resize(catalog: Catalog, names: Sequence[str], wish: ResizeWish, draft: Draft) -> Plan:
    """Plan to give images another size.

    Args:
        catalog: what there is.
        names: keys, ids, or paths of files and folders; none means all. Samples that are held stay as they are.
        wish: what is asked.
        draft: about the plan.

    Returns:
        The plan. What must be made is made when it is applied; a sample of which an image cannot be made then is held.
        Its report counts files; `details["images"]` counts the images that change.

    Raises:
        UsageError: a name means nothing here, or images would go together otherwise by their new suffixes.
        DestinationError: a name is taken.
    """
    chosen = chosen_samples(catalog, names)
    _refuse_unknown_roles(catalog, wish.labels or ())
    held = {sample.id: sample.held for sample in chosen if sample.held}
    works: dict[str, tuple[_Work, ...]] = {}
    for sample in chosen:
        if not sample.held:
            try:
                works[sample.id] = tuple(_works(catalog, sample, wish))
            except MisfitError as error:
                held[sample.id] = because(Why.UNFIT, str(error))
    works = _each_original_once(works, held)
    making = [work for of in works.values() for work in of if work.recipe is not None]
    estimate = wish.expect([(work.recipe, work.source) for work in making if work.recipe is not None])
    resize = _Resize(catalog, chosen, wish, draft, works, held, estimate)
    jobs = tuple(
        Job(work.place, work.source.path, Identity.of(work.source), partial(make, work.recipe), size)
        for work, size in zip(making, estimate.sizes, strict=True)
        if work.recipe is not None
    )
    plan = resize.plan(works, held, {})
    return replace(plan, making=Making("Resizing", jobs, quiet_codecs, resize.finish)) if jobs else plan


def _refuse_unknown_roles(catalog: Catalog, labels: Iterable[str]) -> None:
    """A slip of the pen must not make a mask a picture.

    Raises:
        UsageError: no sample has such a role.
    """
    known = sorted({role for sample in catalog.samples for role in sample.images})
    unknown = set(labels) - set(map(fold, known))
    if unknown:
        problem = f"No sample has the role {show(min(unknown))}"
        raise UsageError(problem, f"There are: {', '.join(known) or 'no images at all'}; or say --labels none")


def _each_original_once(works: Mapping[str, tuple[_Work, ...]], held: dict[str, str]) -> dict[str, tuple[_Work, ...]]:
    """Where a hand copied a resized image, its original can come back to one of them only; the others are held."""
    taken: set[str] = set()
    found: dict[str, tuple[_Work, ...]] = {}
    for name, of in works.items():
        sources = [work.source.path for work in of if work.recipe is None]
        if len(set(sources)) < len(sources) or not taken.isdisjoint(sources):
            held[name] = because(Why.UNFIT, "it is a copy of another one, to which the original of both comes back")
        else:
            taken.update(sources)
            found[name] = of
    return found


def _works(catalog: Catalog, sample: Sample, wish: ResizeWish) -> Iterator[_Work]:
    """What must be done about each image of a sample.

    Raises:
        MisfitError: they cannot get the wished size alike, or it is not known what they were.
    """
    records = [(role, record) for role, of in sample.images.items() for record in of]
    paths = {record.path for _, record in records}
    uncertain = min(paths & wish.uncertain.keys(), default="")
    if uncertain:
        raise MisfitError(wish.uncertain[uncertain])
    if not paths.isdisjoint(catalog.edited):
        problem = "it was edited since it was assigned, and `imgstage split` must look at that first"
        raise MisfitError(problem)
    sources = [_source(record, wish) for _, record in records]
    sizes = [(info.height, info.width) for _, info in sources]
    if 0 < len(paths & wish.originals.keys()) < len(paths) and len(set(sizes)) > 1:
        problem = "some of its images would start from their originals, and others, edited since or purged, could not"
        raise MisfitError(problem)
    frames = wish.size.frames(sizes)
    for (role, record), (source, info), frame in zip(records, sources, frames, strict=True):
        labels = is_mask(role) or fold(role) in (wish.labels or ())
        recipe = Recipe(
            frame, _format(record, wish.format, labels=labels), labels, wish.quality, told=wish.labels is not None
        )
        original = wish.originals.get(record.path)
        if original is not None and original.recipe == str(recipe):
            continue
        if not frame.keeps((info.height, info.width)) or recipe.format != _plain(info.format):
            problem = foreseen(info, recipe)
            if problem:
                problem = f"{show(record.path)}: {problem}"
                raise MisfitError(problem)
            yield _Work(record, source, recipe)
        elif original is not None:
            yield _Work(record, source, None)


def _source(record: FileRecord, wish: ResizeWish) -> tuple[FileRecord, ImageInfo]:
    """What an image is made from: its original, if an earlier resize has made it."""
    source = wish.originals[record.path].record if record.path in wish.originals else record
    if source.image is None:
        problem = f"the original of {show(record.path)} in the vault does not decode whole any more"
        raise MisfitError(problem)
    return source, source.image


def _format(record: FileRecord, wished: Format, *, labels: bool) -> str:
    if wished == "keep" or (labels and wished != "png"):
        return _plain(record.image.format if record.image else "")
    return _FORMATS[wished]


def _plain(format_name: str) -> str:
    return "BMP" if format_name == "DIB" else format_name


@dataclass(frozen=True)
class _Resize:
    """A resize in the making; see `plan_resize`."""

    catalog: Catalog
    chosen: Sequence[Sample]
    wish: ResizeWish
    draft: Draft
    works: Mapping[str, Sequence[_Work]]
    held: Mapping[str, str]
    estimate: Estimate

    def finish(self, made: Mapping[str, Identity], failed: Mapping[str, str]) -> Plan:
        """The plan to apply: without the samples of which an image could not be made.

        Raises:
            RefusedError: there is no other.
        """
        bad = {
            name: about(show(work.record.path), because(Why.UNFIT, failed[work.place]))
            for name, works in self.works.items()
            for work in works
            if work.place in failed
        }
        whole = {name: works for name, works in self.works.items() if name not in bad}
        if not any(whole.values()):
            problem = f"Of the {len(bad):,} samples that are left to resize none can be ({some(list(bad.values()), 1)})"
            raise RefusedError(
                problem, "Choose another --format or --fit for them, or set them aside: imgstage hold NAME"
            )
        return self.plan(whole, {**self.held, **bad}, made)

    def plan(
        self, works: Mapping[str, Sequence[_Work]], held: Mapping[str, str], identities: Mapping[str, Identity]
    ) -> Plan:
        """The plan for some samples; what is not made yet has no digest in it."""
        catalog, draft = self.catalog, self.draft
        todo = sorted(chain.from_iterable(works.values()), key=lambda work: work.record.path)
        target: dict[str, str] = {}
        for sample in self.chosen:
            target |= _targets(sample, works.get(sample.id, ()))
        remade = {work.record.path for work in todo}
        _refuse_one_name(catalog, target)
        moves = [
            Move(path, to, Identity.of(catalog.index.by_path[path]))
            for path, to in sorted(target.items())
            if path != to and path not in remade
        ]
        made: dict[str, Made] = {}
        digests: dict[str, str] = {}
        for number, work in enumerate(todo, start=len(draft.tables)):
            path, away = work.record.path, vault_place(draft.operation, number, work.record.path)
            moves.append(Move(path, away, Identity.of(work.record)))
            if work.recipe is None:
                identity = Identity.of(work.source)
                moves.append(Move(work.source.path, target[path], identity))
            else:
                identity = identities.get(work.place, Identity(0, draft.now_ns, work.record.mode, ""))
                moves.append(Move(work.place, target[path], identity))
                origin = away if work.source is work.record else work.source.path
                made[work.place] = Made(path, origin, str(work.recipe))
            digests[path] = identity.digest
        wishes, foreign = write_tables(draft, catalog, target, digests=digests)
        places = sorted({top(path) for path in target})
        journeys, steps = arrange_wishes(draft, catalog, moves, wishes, places)
        if any(path != to for path, to in target.items()):
            remedy = "Keep the formats as they are, or bring the names in order first, with `imgstage rename`"
            refuse_other_reading(catalog, target, self.wish.given, self.wish.grouping, remedy)
        report = self._report(works, held, target, foreign)
        return Plan("resize", draft.operation, journeys, steps, tuple(wishes.preparations), report, made=made)

    def _report(
        self,
        works: Mapping[str, Sequence[_Work]],
        held: Mapping[str, str],
        target: Mapping[str, str],
        foreign: Sequence[str],
    ) -> Report:
        todo = sorted(chain.from_iterable(works.values()), key=lambda work: work.record.path)
        remade = {work.record.path for work in todo}
        made = [(work, work.recipe, work.source.image) for work in todo if work.recipe and work.source.image]
        stretched = [recipe.frame.distortion((info.height, info.width)) for _, recipe, info in made]
        changing = [sample for sample in self.chosen if works.get(sample.id)]
        notes = (Note(r.path, held[s.id]) for s in self.chosen if s.id in held for r in s.files)
        return Report(
            done=sum(len(sample.files) for sample in self.chosen if sample.id in works),
            changed=len(todo) + sum(path != to for path, to in target.items() if path not in remade),
            held=tuple(sorted(notes)),
            details={
                "images": len(todo),
                "samples": len(changing),
                "restored": len(todo) - len(made),
                "from_originals": sum(work.source is not work.record for work in todo),
                "source_pixels": sum(info.height * info.width for _, _, info in made),
                "pixels": sum(recipe.frame.height * recipe.frame.width for _, recipe, _ in made),
                "expected_bytes": sum(self.estimate.sizes),
                "expected_seconds": round(self.estimate.seconds, 1),
                "vault_bytes": sum(work.record.size for work in todo),
                "stretched": sum(by > _STRETCHED for by in stretched),
                "most_stretched": round(max(stretched, default=1.0), 2),
                "examples": [_example(*one) for one in (*made[:2], *made[2:][-1:])],
                "foreign_tables": foreign,
                "sidecars": sum(len(sample.sidecars) for sample in changing),
            },
        )


def _refuse_one_name(catalog: Catalog, target: Mapping[str, str]) -> None:
    """Two files cannot get one name by their new suffixes.

    Raises:
        DestinationError: naming both.
    """
    there = {fold(record.path): record.path for record in catalog.index.files if record.path not in target}
    for path, to in sorted(target.items()):
        other = there.setdefault(fold(to), path)
        if other != path and (path != to or target.get(other, other) != other):
            problem = f"{show(path)} would become {show(to)}, and so would {show(other)}, or it has that name"
            raise DestinationError(problem, "Rename one of the two by hand, or keep their formats")


def _example(work: _Work, recipe: Recipe, info: ImageInfo) -> dict[str, str]:
    frame = recipe.frame
    told = [f"{frame.height}x{frame.width}", *(("turned",) if frame.turned else ())]
    told += ["cut"] if min(frame.top, frame.left) < 0 else ["padded"] if max(frame.top, frame.left) > 0 else []
    return {"path": show(work.record.path), "from": f"{info.height}x{info.width}", "to": ", ".join(told)}


def _targets(sample: Sample, works: Sequence[_Work]) -> dict[str, str]:
    """Where the files of a sample go, by path: sidecars follow an image whose suffix changes."""
    changed = {work.record.path: work.target for work in works}
    new = {below(path): below(to) for path, to in changed.items() if path != to}
    target = {record.path: changed.get(record.path, record.path) for record in sample.files}
    key = sample.key.rpartition("/")[2]
    for record in sample.sidecars if new else ():
        target[record.path] = f"{top(record.path)}/{follow(below(record.path), new, key, key)}"
    return target
