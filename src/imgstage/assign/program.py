"""How many groups of each kind go into each split, as an integer program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .balance import Kinds

_MOST_KINDS, _MOST_NUMBERS = 128, 6000  # with more of them, it would take longer than it is worth
_NODES = 200  # of the search tree; bounded by nodes and never by time, so that the clock changes nothing


def is_small(kinds: Kinds) -> bool:
    """Whether the program is solved within seconds."""
    return len(kinds.sizes) <= _MOST_KINDS and kinds.labels.size * len(kinds.names) <= _MOST_NUMBERS


def solve(kinds: Kinds) -> NDArray[np.int64] | None:
    """Counts with the least largest deviation of a size, and of these the least sum of deviations of labels.

    Solved by HiGHS, to the optimum or as far as its bounded search goes.

    Args:
        kinds: the groups.

    Returns:
        How many of each kind are in each split: shape (kinds, splits); None when nothing was found.
    """
    from scipy.sparse import csr_array, eye_array, hstack, kron, vstack

    kind_count, split_count, label_count = len(kinds.sizes), len(kinds.names), kinds.labels.shape[1]
    each_split = eye_array(split_count)
    numbers = np.array([len(of) for of in kinds.groups], float)
    whole = kron(eye_array(kind_count), np.ones((1, split_count)))
    sizes = kron(csr_array(kinds.sizes[None].astype(float)), each_split)
    held = kron(np.ones((1, kind_count)), each_split)
    most = np.where(kinds.closed, 0, np.inf)
    shares = (whole, numbers, numbers), (held, kinds.bare.astype(float), most)
    wanted = kinds.wanted.astype(float)
    found = _minimize(
        vstack([hstack([sizes, -np.ones((split_count, 1))]), hstack([-sizes, -np.ones((split_count, 1))])]),
        np.concatenate([wanted, -wanted]),
        shares,
        1,
    )
    if found is None or not label_count:
        return None if found is None else _counts(found, kinds)
    deviation = round(float(np.abs(sizes @ found - wanted).max()))
    labels, lacking = kron(csr_array(kinds.labels.T), each_split), kinds.lacking.T.ravel()
    each = eye_array(label_count * split_count)
    nearer = _minimize(
        vstack([hstack([labels, -each]), hstack([-labels, -each])]),
        np.concatenate([lacking, -lacking]),
        (*shares, (sizes, wanted - deviation, wanted + deviation)),
        label_count * split_count,
    )
    return _counts(found if nearer is None else nearer, kinds)


def _minimize(deviations: Any, targets: NDArray[np.float64], shares: Any, count: int) -> NDArray[np.float64] | None:
    """The whole numbers of which the sum of some deviations from targets, themselves variables, is least."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array, hstack

    free = deviations.shape[1] - count
    rules = [
        LinearConstraint(hstack([rule, csr_array((rule.shape[0], count))]).tocsr(), low, high)
        for rule, low, high in shares
    ]
    for presolve in (True, False):  # simplifying a program beforehand makes HiGHS fail at times
        result = milp(
            np.concatenate([np.zeros(free), np.ones(count)]),
            integrality=np.concatenate([np.ones(free), np.zeros(count)]),
            bounds=Bounds(0, np.inf),
            constraints=[*rules, LinearConstraint(deviations.tocsr(), -np.inf, targets)],
            options={"node_limit": _NODES, "mip_rel_gap": 1e-6, "presolve": presolve},
        )
        if result.x is not None:
            whole: NDArray[np.float64] = np.rint(result.x[:free])
            return whole
    return None


def _counts(found: NDArray[np.float64], kinds: Kinds) -> NDArray[np.int64]:
    return found.reshape(len(kinds.sizes), len(kinds.names)).astype(np.int64)
