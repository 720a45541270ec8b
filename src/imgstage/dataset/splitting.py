"""Plans: who goes into which split."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .. import settings
from ..labels import FOLDER
from ..likeness import RADIUS
from ..parallel import thinking
from ..root import show
from ..rules import GroupRule, LabelRule
from ..verbs.hold import plan_hold
from ..verbs.split import plan_split
from ..verbs.splitwish import NearDuplicates, SplitWish, Trust, Unlisted
from .reading import Reading

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from ..likeness import Likeness
    from ..plan import Plan

_CUTS = 100  # links that were cut are listed
_METHOD = "PDQ fingerprints of 256 bits; every pair of pictures within the radius, in eight orientations"
_LIMITS = (
    "pictures that were cut out of another one, or had a wide frame added",
    "turns by other angles than quarter turns",
    "pictures with too little to see, such as black ones",
    "other pictures of the same thing: for those, name the groups",
)


class SplitPlanning(Reading):
    """The plans of `split`; see `Dataset`."""

    def plan_split(
        self,
        *,
        ratios: str | Mapping[str, Fraction] | None = None,
        seed: int | None = None,
        group: str | None = None,
        group_csv: str | None = None,
        near_duplicates: NearDuplicates | None = None,
        max_group: int | None = None,
        label: str | None = None,
        label_separator: str | None = None,
        unlisted: Unlisted | None = None,
        folds: int | None = None,
        rounding: str | None = None,
        reshuffle: bool = False,
        accept_new: bool = False,
        trust: Trust | None = None,
        manifest: bool = False,
    ) -> Plan:
        """Plan to move whole samples into the splits. What is not given comes from `imgstage.toml`, else from defaults.

        Args:
            ratios: such as `80/12/8` (the default) or `train=0.8,val=0.2`.
            seed: any whole number of up to 64 bits; 0 by default.
            group: a regular expression whose first bracket, searched in a sample's key, names its group.
            group_csv: `FILE:COLUMN`; the column names the groups, another one the images.
            near_duplicates: "tie" (the default) puts pictures that look nearly the same into one split; "ignore" does
                not compare them.
            max_group: how many samples look may tie together at most; the widest links that would make more are cut.
            label: where labels come from, which are spread over the splits as evenly as sizes allow: "folder" (the
                default), "voc" or "yolo" annotations beside the images, or `FILE:COLUMN`.
            label_separator: what stands between several labels in one cell of that table.
            unlisted: what becomes of new samples of which a table of groups or labels says nothing: "hold" (the
                default) leaves them where they are, "alone" takes them as they are.
            folds: split into so many equal parts, `fold_1` and so on; `ratios` may name others beside them, such as
                `test=0.1`: with `reshuffle`, who is there already stays.
            rounding: "remainder" (the default) or "truncate".
            reshuffle: draw all samples anew, old ones too.
            accept_new: go on although held-out images are missing while unknown ones have appeared.
            trust: "folders" or "csv", where a folder and `splits.csv` disagree.
            manifest: move nothing; write down in `splits.csv` and one `metadata.jsonl` a split who is where.

        Raises:
            RefusedError: see `imgstage.verbs.split.plan_split`; nothing was changed.
            UsageError: a wish makes no sense; nothing was changed.
        """
        self.journal.refuse_if_pending()
        stored = settings.read(self.root)
        shares = settings.shares_of(ratios, stored, folds)
        asked = {"rounding": rounding, "near_duplicates": near_duplicates, "unlisted": unlisted}
        words = {key: settings.word_of(key, word, stored) for key, word in asked.items()}
        settings.check_seed(seed)
        rule = GroupRule.of(group, group_csv, stored, self.root)
        seen = self._look_whole(tuple(shares))
        label_rule = LabelRule.of(label, label_separator, stored, self.root, seen.draft.report)
        with thinking(self._progress, "Grouping"):  # a rule may take its time
            group_of = rule.groups(seen.catalog)
            catalog, unlabelled, unread = label_rule.apply(seen.catalog, self.root)
        left_out = rule.unlisted(catalog, group_of) | unlabelled if words["unlisted"] == "hold" else {}
        most = settings.group_limit(max_group, stored)
        likeness = self._compare(seen, most) if words["near_duplicates"] == "tie" else None
        rules = rule.lines(self.root)
        stored_rules = GroupRule.of(None, None, stored, self.root).lines(self.root)
        if stored.label is not None or label_rule.source != FOLDER:
            rules += label_rule.lines(self.root)
            stored_rules += self._label_rule(seen).lines(self.root)
        wish = SplitWish(
            ratios=shares,
            seed=seed if seed is not None else stored.seed or 0,
            rounding=words["rounding"],
            rule_lines=(*rules, *(('unlisted = "alone"',) if words["unlisted"] == "alone" else ())),
            near_duplicates=words["near_duplicates"],
            max_group=most,
            to_store=settings.lines_to_store(
                stored,
                ratios=shares,
                seed=seed,
                words=asked,
                max_group=max_group,
                rules=rules,
                stored_rules=stored_rules,
            ),
            groups=group_of,
            reshuffle=reshuffle,
            with_folds=folds is not None,
            kept=frozenset(shares) - set(settings.fold_names(folds)) if reshuffle and folds else frozenset(),
            accept_new=accept_new,
            trust=trust,
            foreign_ledger=seen.has_foreign_ledger,
            manifest=manifest,
            alike=likeness.groups if likeness else {},
            label_source=label_rule.stored(self.root),
            label_separator=label_rule.separator,
            unlisted=left_out,
            searched=lambda splits, places: _searched(likeness, splits, places),
        )
        with thinking(self._progress, "Planning"):
            plan = plan_split(catalog, wish, seen.draft)
        told = {"unread_annotations": [{"path": show(path), "reason": reason} for path, reason in unread.items()]}
        return self._bound(replace(plan, report=replace(plan.report, details={**plan.report.details, **told})))

    def plan_fix_leaks(self) -> Plan:
        """Plan to set aside, in `held/`, the fewest samples without which nothing leaks between splits; none of test.

        Returns:
            The plan; its `details["leaks"]` counts the pairs that leak, `details["set_aside"]` tells of each sample
            that goes why, and `details["leaks_left"]` counts those that cannot go.

        Raises:
            UsageError: the group rule of `imgstage.toml` cannot be read or fits nothing.
            ChangedError: `splits.csv` is not the last one, or held-out images are missing; nothing was changed.
        """
        seen = self._look_to_change()
        leaks = self._find_leaks(seen, GroupRule.of(None, None, seen.settings, self.root).groups(seen.catalog))
        reasons = leaks.fewest_to_set_aside()
        of = {sample.id: sample for sample in seen.catalog.samples}
        bad = {of[name].files[0].path: f"leak: {sentence}" for name, sentence in reasons.items()}
        plan = plan_hold(seen.catalog, (), "", seen.draft, bad)
        going = {source for source, _ in plan.moves()}
        told = {
            "leaks": len(leaks.listed()),
            "set_aside": [
                {"sample": show(of[name].key), "split": of[name].place, "reason": sentence}
                for name, sentence in reasons.items()
                if of[name].files[0].path in going
            ],
            "leaks_left": [show(path) for path in bad if path not in going],
        }
        report = replace(plan.report, details={**plan.report.details, **told})
        return self._bound(replace(plan, verb="split", report=report))


def _searched(likeness: Likeness | None, splits: Mapping[str, str], places: Mapping[str, str]) -> dict[str, Any]:
    """How it was looked for near-duplicates, and the nearest that are in two splits.

    Args:
        likeness: what was found; None when it was not looked for.
        splits: the split of each sample, by id.
        places: where files will be, by path; the others stay.
    """
    if likeness is None:
        return {"method": "", "cannot_see": list(_LIMITS)}
    nearest = likeness.nearest_across(splits)
    link = nearest and {
        "bits": nearest.bits,
        "pictures": [show(places.get(path, path)) for path in (nearest.left, nearest.right)],
    }
    return {
        "method": _METHOD,
        "radius_bits": RADIUS,
        "pictures": len(set(likeness.pictures.paths)),
        "too_flat": len(likeness.flat),
        "nearest_across_splits": link or (None if likeness.looks_at_all else f"more than {RADIUS} bits apart"),
        "cut": len(likeness.cut),
        "nearest_cut": [
            {"bits": one.bits, "pictures": [show(places.get(path, path)) for path in (one.left, one.right)]}
            for one in likeness.cut[:_CUTS]
        ],
        "cannot_see": list(_LIMITS),
    }
