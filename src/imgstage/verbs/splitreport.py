"""`splits.json`: what a split came to, and how it knows that nothing leaks."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..root import show
from ..settings import format_ratios

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..catalog import Catalog, Sample
    from .splitwish import SplitWish

_DECISIVE = ("imgstage", "numpy", "scipy", "pillow", "pyvips-binary", "simplejpeg")
"""The packages of which another version may decode, recognise or assign otherwise."""


def count(catalog: Catalog, splits: Mapping[str, str], samples: Iterable[Sample]) -> dict[str, Any]:
    """How many samples there are in each split, and how many of each label.

    Args:
        catalog: what there is.
        splits: the split of each sample that counts, by id.
        samples: those to count.
    """
    sizes: Counter[str] = Counter()
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        split = splits.get(sample.id)
        if split:
            sizes[split] += 1
            for label in catalog.labels_of(sample):
                if label:
                    labels[label][split] += 1
    table = {label: {name: labels[label][name] for name in sorted(labels[label])} for label in sorted(labels)}
    return {"samples": {name: sizes[name] for name in sorted(sizes)}, "labels": table}


def describe(details: Mapping[str, Any], wish: SplitWish) -> bytes:
    """The content of `splits.json`. The same split has the same.

    Args:
        details: of the plan's report.
        wish: what was asked.
    """
    samples, labels = details["samples"], details["labels"]
    errors = [abs(n - wish.ratios[name] * sum(of.values())) for of in labels.values() for name, n in of.items()]
    report = {
        "asked": dict(part.split("=") for part in format_ratios(wish.ratios).split(",")),
        "reached": details["reached"],
        "targets": details["targets"],
        "samples": samples,
        "size_deviation": max(abs(number - details["targets"][name]) for name, number in samples.items()),
        "labels": labels,
        "label_error": round(float(sum(errors)), 6),
        "label_source": wish.label_source,
        "label_separator": wish.label_separator,
        "seed": wish.seed,
        "rounding": wish.rounding,
        "rules": list(wish.rule_lines),
        "groups": {
            "by_rule": {"groups": details["groups"], "divided": sorted(details["divided_groups"])},
            "same_picture": {
                "samples": details["samples_sharing_a_picture"],
                "divided": [one["sample"] for one in details["divided_copies"]],
            },
            "nearly_alike": {
                "groups": details["alike_groups"],
                "samples": details["samples_alike"],
                "largest": details["largest_alike"],
                "divided": [one["sample"] for one in details["divided_alike"]],
            },
        },
        "search": details["search"],
        "versions": _versions(),
    }
    return (json.dumps(report, indent=2, ensure_ascii=False) + "\n").encode()


def contradictions(data: bytes, now: Mapping[str, Any]) -> list[str]:
    """In what `splits.json` does not tell what there is.

    Args:
        data: its content.
        now: see `count`.
    """
    try:
        told = json.loads(data)
        samples, labels = dict(told["samples"]), dict(told["labels"])
        told_labels = {label: {name: n for name, n in dict(of).items() if n} for label, of in labels.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ["it is not the report that imgstage wrote"]
    found = [
        f"it counts {samples.get(name, 0)} samples in {name}, there are {now['samples'].get(name, 0)}"
        for name in sorted({*samples, *now["samples"]})
        if samples.get(name, 0) != now["samples"].get(name, 0)
    ]
    other = sorted(name for name in {*told_labels, *now["labels"]} if told_labels.get(name) != now["labels"].get(name))
    if other and not found:
        found = [f"it counts other samples with the label {show(other[0])} than there are"]
    return found


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version  # it loads an e-mail parser, a zip reader and more

    found: dict[str, str] = {}
    for name in _DECISIVE:
        with suppress(PackageNotFoundError):  # libvips may come with the system
            found[name] = version(name)
    return found
