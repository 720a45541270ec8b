"""Groups with labels assigned to train, val and test, beside scikit-learn and iterative-stratification.

    python -m benchmarks.assign [--million]

Made-up sets: most groups small, some large, frequent and rare labels, a group mostly of one. Shares 80/12/8. Deviation:
how many samples a split has too many or too few, at most; label error: the same summed over all labels and splits. Of
scikit-learn's `StratifiedGroupKFold`, 25 folds are put together; it knows one label a sample. iterative-stratification
knows several, and no groups: it assigns samples, and tears groups. One thread, CPU seconds.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.common import print_table, versions
from imgstage.assign import Group, assign
from imgstage.root import DEFAULT_RATIOS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_FOLDS = 25
_SPLITS = np.array([0] * 20 + [1] * 3 + [2] * 2)  # which fold goes into which split


class Made(NamedTuple):
    """A set: of each group the size, and how many of its samples have each label."""

    name: str
    sizes: NDArray[np.int64]
    labels: NDArray[np.int64]


def make(name: str, groups: int, labels: int, *, several: bool = False, tail: float = 1.5) -> Made:
    """A set of groups with a heavy tail of sizes."""
    rng = np.random.default_rng(1)
    sizes = np.minimum(1 + rng.pareto(tail, groups).astype(np.int64), 400)
    shares = 1 / np.arange(1, labels + 1)
    shares /= shares.sum()
    counts = np.zeros((groups, labels), np.int64)
    for group, size in enumerate(sizes.tolist()):
        own = rng.choice(labels, p=shares)
        mostly = rng.random(size) < (0.85 if rng.random() < 0.7 else 0.4)
        counts[group, own] += mostly.sum()
        np.add.at(counts[group], rng.choice(labels, int((~mostly).sum()), p=shares), 1)
        if several:  # a second label, for some samples
            more = np.bincount(rng.choice(labels, int(rng.integers(0, size + 1)), p=shares), minlength=labels)
            counts[group] = np.minimum(counts[group] + more, size)
    return Made(name, sizes, counts)


def error(made: Made, splits: NDArray[np.intp]) -> tuple[str, str]:
    """The largest deviation of a size, and the label error."""
    shares = np.array([float(share) for share in DEFAULT_RATIOS.values()])
    sizes = np.array([made.sizes[splits == split].sum() for split in range(3)])
    labels = np.stack([made.labels[splits == split].sum(0) for split in range(3)])
    deviation = np.abs(sizes - shares * made.sizes.sum()).max()
    return f"{deviation:.1f}", f"{np.abs(labels - np.outer(shares, made.labels.sum(0))).sum():.1f}"


def ours(made: Made) -> NDArray[np.intp]:
    """By imgstage."""
    number = {name: place for place, name in enumerate(DEFAULT_RATIOS)}
    groups = [
        Group(str(n), int(size), labels=tuple((f"{label:03d}", int(of[label])) for label in np.nonzero(of)[0]))
        for n, (size, of) in enumerate(zip(made.sizes, made.labels, strict=True))
    ]
    found = assign(groups, DEFAULT_RATIOS).splits
    return np.array([number[found[group.id]] for group in groups])


def scikit_learn(made: Made) -> NDArray[np.intp]:
    """By 25 stratified folds of whole groups."""
    from sklearn.model_selection import StratifiedGroupKFold

    group, label = np.nonzero(made.labels)
    times = made.labels[group, label]
    owners, kinds = np.repeat(group, times), np.repeat(label, times)
    folds = np.zeros(len(owners), np.intp)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rare labels are in fewer than 25 samples
        for number, (_, chosen) in enumerate(
            StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0).split(kinds, kinds, owners)
        ):
            folds[chosen] = number
    splits = np.zeros(len(made.sizes), np.intp)
    splits[owners] = _SPLITS[folds]
    return splits


def iterative(made: Made) -> NDArray[np.intp]:
    """By 25 folds of single groups, each of which counts as one sample with the labels it has."""
    from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

    folds = np.zeros(len(made.sizes), np.intp)
    there = (made.labels > 0).astype(int)
    kfold = MultilabelStratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    for number, (_, chosen) in enumerate(kfold.split(there, there)):
        folds[chosen] = number
    return _SPLITS[folds]


def rows() -> Iterator[list[str]]:
    """One row a set and way."""
    sets = (
        make("3,000 groups, 20 labels", 3000, 20, tail=1.1),
        make("3,000 groups, 20 labels, several a sample", 3000, 20, several=True, tail=1.1),
        make("20,000 groups, 50 labels", 20_000, 50),
    )
    for made in sets:
        ways = [("imgstage", ours)]
        if "several" not in made.name and find_spec("sklearn"):
            ways.append(("StratifiedGroupKFold", scikit_learn))
        if "several" in made.name and find_spec("iterstrat"):
            ways.append(("iterative-stratification, groups as samples", iterative))
        for name, way in ways:
            start = time.process_time()
            splits = way(made)
            seconds = time.process_time() - start
            yield [f"{made.name} ({made.sizes.sum():,} samples)", name, *error(made, splits), f"{seconds:.2f}"]


def million() -> list[str]:
    """A million images in pairs, of a hundred classes."""
    classes = np.random.default_rng(0).integers(0, 100, 500_000)
    made = Made("", np.full(500_000, 2), 2 * (classes[:, None] == np.arange(100)).astype(np.int64))
    groups = [Group(str(n), 2, labels=((f"{c:03d}", 2),)) for n, c in enumerate(classes.tolist())]
    start = time.process_time()
    found = assign(groups, DEFAULT_RATIOS).splits
    seconds = time.process_time() - start
    number = {name: place for place, name in enumerate(DEFAULT_RATIOS)}
    splits = np.array([number[found[group.id]] for group in groups])
    return ["1,000,000 images in pairs, 100 labels", "imgstage", *error(made, splits), f"{seconds:.2f}"]


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--million", action="store_true", help="Also a million images.")
    given = parser.parse_args()
    found = [*rows(), *([million()] if given.million else [])]
    print_table(["set", "way", "deviation", "label error", "CPU s"], found)
    installed = [name for name in ("scikit-learn", "iterative-stratification") if find_spec(_MODULES[name])]
    sys.stdout.write("\n" + versions("numpy", "scipy", *installed) + "\n")


_MODULES = {"scikit-learn": "sklearn", "iterative-stratification": "iterstrat"}


if __name__ == "__main__":
    main()
