"""`imgstage.toml`: what it says, and how ratios are written in it and on the command line."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from .errors import UsageError
from .root import DEFAULT_RATIOS, SETTINGS, check_split_names, did_you_mean, read_regular

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .root import Root

_NUMBER = re.compile(r"-?\d{0,12}(\.\d{0,18})?(/\d{1,12})?")  # no exponents: 1e999999999 would take all memory
_SEED_BITS = 64
_FOLDS = 1000
WORDS = {"rounding": ("remainder", "truncate"), "near_duplicates": ("tie", "ignore"), "unlisted": ("hold", "alone")}
"""Settings that are one of a few words, the default first."""
_KEYS = (
    "ratios",
    "seed",
    "group",
    "group_csv",
    "near_duplicates",
    "max_group",
    "label",
    "label_separator",
    "unlisted",
    "rounding",
    "pairing",
)


@dataclass(frozen=True)
class Settings:
    """What `imgstage.toml` says; every part may be absent.

    Attributes:
        ratios: share of each split, summing to 1.
        seed: seeds the draw.
        group: regular expression whose first bracket names a sample's group.
        group_csv: `FILE:COLUMN` of a table that names the groups; FILE is relative to the root, or absolute.
        near_duplicates: "tie" or "ignore".
        max_group: how many samples look may tie together at most.
        label: where labels come from; see `rules.LabelRule`.
        label_separator: what stands between several labels in one cell of a table.
        unlisted: "hold" or "alone": what becomes of samples of which a table should tell, and does not.
        rounding: "remainder" or "truncate".
        pairing: templates by role, by top-level folder; the folder "" stands for all without an entry of their own.
    """

    ratios: Mapping[str, Fraction] | None = None
    seed: int | None = None
    group: str | None = None
    group_csv: str | None = None
    near_duplicates: str | None = None
    max_group: int | None = None
    label: str | None = None
    label_separator: str | None = None
    unlisted: str | None = None
    rounding: str | None = None
    pairing: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def read(root: Root) -> Settings:
    """Read `imgstage.toml`.

    Raises:
        UsageError: it is not TOML, or says something imgstage does not know.
    """
    path = root.path / SETTINGS
    try:
        table = tomllib.loads(read_regular(path).decode("utf-8"))
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        problem = f"{path} cannot be read ({error.strerror})"
        raise UsageError(problem, "Put a readable file there, or move it away") from error
    except (ValueError, RecursionError) as error:  # what TOML and Unicode raise, and what an endless number does
        problem = f"{path} cannot be read as TOML: {error}"
        raise UsageError(problem, "Correct that line") from error
    try:
        return _settings(table)
    except UsageError as error:
        problem = f"{path}: {error.problem}"
        raise UsageError(problem, error.remedy) from None


def parse_ratios(text: str) -> dict[str, Fraction]:
    """Read ratios exactly: `80/12/8`, `0.8/0.12/0.08` or `train=0.8,val=0.12,test=0.08`.

    Returns:
        The share of each split, in the given order, summing to exactly 1.

    Raises:
        UsageError: something is no number, is negative, or the sum is neither 1 nor 100.
    """
    shares = _read_shares(text)
    total = sum(shares.values())
    if total not in (1, 100):
        problem = f"The ratios {text!r} sum to {float(total):g}, not to 1 or 100"
        raise UsageError(problem, _AS_RATIOS)
    return {name: share / total for name, share in shares.items()}


_AS_RATIOS = "Write them as 80/12/8, or as train=0.8,val=0.12,test=0.08"


def _read_shares(text: str) -> dict[str, Fraction]:
    """The numbers of ratios, by name, whatever they sum to."""
    if "=" in text:
        pairs = [part.partition("=")[::2] for part in text.split(",")]
    else:
        shares = text.split("/")
        if len(shares) != len(DEFAULT_RATIOS):
            problem = (
                f"The ratios {text!r} hold {len(shares)} shares, and without names there must be three (train/val/test)"
            )
            raise UsageError(problem, _AS_RATIOS)
        pairs = list(zip(DEFAULT_RATIOS, shares, strict=True))
    names = [name.strip() for name, _ in pairs]
    check_split_names(names)
    numbers = [share.strip().removesuffix("%") for _, share in pairs]
    try:
        values = [Fraction(number) for number in numbers if _NUMBER.fullmatch(number)]
    except (ValueError, ZeroDivisionError):
        values = []
    if len(values) < len(numbers):
        problem = f"The ratios {text!r} are not numbers"
        raise UsageError(problem, _AS_RATIOS)
    if min(values) < 0:
        problem = f"The ratios {text!r} hold a negative share"
        raise UsageError(problem, _AS_RATIOS)
    return dict(zip(names, values, strict=True))


def fold_names(folds: int) -> list[str]:
    """What so many folds are called; their names sort as their numbers do."""
    return [f"fold_{number:0{len(str(folds))}d}" for number in range(1, folds + 1)]


def _with_folds(ratios: str | Mapping[str, Fraction] | None, folds: int) -> dict[str, Fraction]:
    """Equal folds, and beside them what `ratios` names."""
    if not 2 <= folds <= _FOLDS:
        problem = f"{folds} folds make no sense"
        raise UsageError(problem, f"Give 2 to {_FOLDS}")
    names = fold_names(folds)
    others = _read_shares(ratios) if isinstance(ratios, str) else dict(ratios or {})
    total = sum(others.values())
    whole = 100 if total > 1 or (isinstance(ratios, str) and "%" in ratios) else 1
    double = sorted(set(names) & set(others))
    if double:
        problem = f"{double[0]} is one of the {folds} folds, which get equal shares"
        raise UsageError(problem, "Name only what shall be beside the folds, such as test=0.1")
    if total >= whole:
        problem = f"Beside {folds} folds, {format_ratios(others)} leaves nothing for them"
        raise UsageError(problem, "Name only what shall be beside the folds, such as test=0.1")
    fold = (1 - total / Fraction(whole)) / folds
    return {**dict.fromkeys(names, fold), **{name: share / whole for name, share in others.items()}}


def format_ratios(ratios: Mapping[str, Fraction]) -> str:
    """Write ratios so that `parse_ratios` reads the same numbers again."""
    return ",".join(f"{name}={_decimal(share)}" for name, share in ratios.items())


def _decimal(share: Fraction) -> str:
    text = f"{float(share):.12g}"
    return text if Fraction(text) == share else str(share)


def _settings(table: dict[str, Any]) -> Settings:
    for key in table:
        if key not in _KEYS:
            problem = f"unknown setting {key!r}"
            raise UsageError(problem, did_you_mean(key, _KEYS))
    ratios = _typed(table, "ratios", str)
    if "group" in table and "group_csv" in table:
        problem = "both group and group_csv are set"
        raise UsageError(problem, "Keep one of them")
    seed = _typed(table, "seed", int)
    check_seed(seed)
    return Settings(
        ratios=parse_ratios(ratios) if ratios is not None else None,
        seed=seed,
        group=_typed(table, "group", str),
        group_csv=_typed(table, "group_csv", str),
        near_duplicates=_checked("near_duplicates", _typed(table, "near_duplicates", str)),
        max_group=_positive("max_group", _typed(table, "max_group", int)),
        label=_typed(table, "label", str),
        label_separator=_typed(table, "label_separator", str),
        unlisted=_checked("unlisted", _typed(table, "unlisted", str)),
        rounding=_checked("rounding", _typed(table, "rounding", str)),
        pairing=_pairing_tables(_typed(table, "pairing", dict) or {}),
    )


def _checked(key: str, word: str | None) -> str | None:
    if word is not None and word not in WORDS[key]:
        problem = f"{key} is {word!r}"
        raise UsageError(problem, f"It must be {' or '.join(WORDS[key])}")
    return word


def _positive(key: str, number: int | None) -> int | None:
    if number is not None and number < 1:
        problem = f"{key} is {number}"
        raise UsageError(problem, "It must be 1 or more")
    return number


def group_limit(asked: int | None, stored: Settings) -> int | None:
    """How many samples look may tie together at most: what is asked, else what is stored; None is any number.

    Raises:
        UsageError: it is less than one.
    """
    return _positive("max_group", asked) or stored.max_group


def word_of(key: str, asked: str | None, stored: Settings) -> str:
    """One of `WORDS`: what is asked, else what is stored, else the first.

    Raises:
        UsageError: it is none of them.
    """
    return _checked(key, asked) or getattr(stored, key) or WORDS[key][0]


def check_seed(seed: int | None) -> None:
    """Refuse a seed that other programs could not read.

    Raises:
        UsageError: it is too large.
    """
    if seed is not None and seed.bit_length() > _SEED_BITS:
        problem = f"seed is a number of more than {_SEED_BITS} bits"
        raise UsageError(problem, "Choose a smaller one")


def _pairing_tables(table: dict[str, Any]) -> dict[str, dict[str, str]]:
    tables: dict[str, dict[str, str]] = {}
    for key, value in table.items():
        if isinstance(value, str):
            tables.setdefault("", {})[key] = value
        elif isinstance(value, dict):
            tables[key] = {role: _template(f'[pairing."{key}"] {role}', template) for role, template in value.items()}
        else:
            _template(f"[pairing] {key}", value)
    return tables


def _template(where: str, value: Any) -> str:
    if not isinstance(value, str):
        problem = f"{where} is {value!r}, not a template such as '{{key}}_before'"
        raise UsageError(problem, "Put a template there in quotation marks, or move the line above the first [table]")
    return value


def _typed(table: dict[str, Any], key: str, kind: type[Any]) -> Any:
    value = table.get(key)
    if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
        problem = f"{key} is {value!r}"
        names = {str: "text in quotation marks", int: "a whole number", dict: "a table"}
        raise UsageError(problem, f"It must be {names[kind]}")
    return value


def lines_to_store(
    stored: Settings,
    *,
    ratios: Mapping[str, Fraction],
    seed: int | None,
    words: Mapping[str, str | None],
    max_group: int | None,
    rules: Sequence[str],
    stored_rules: Sequence[str],
) -> tuple[str, ...]:
    """The lines that an `imgstage.toml` lacks, or has otherwise, to make the next run do what this one does.

    Args:
        stored: what it says.
        ratios: what is used.
        seed: what is asked; None takes what is stored.
        words: what is asked of `WORDS`; None takes what is stored.
        max_group: what is asked; None takes what is stored.
        rules: the lines of the rules for groups and labels that are used.
        stored_rules: those that are there.
    """
    lines: list[str] = []
    if dict(ratios) != dict(stored.ratios or DEFAULT_RATIOS):
        lines.append(f'ratios = "{format_ratios(ratios)}"')
    if seed is not None and seed != (stored.seed or 0):
        lines.append(f"seed = {seed}")
    for key, word in words.items():
        if word is not None and word != word_of(key, None, stored):
            lines.append(f'{key} = "{word}"')
    if max_group is not None and max_group != stored.max_group:
        lines.append(f"max_group = {max_group}")
    return (*lines, *(line for line in rules if line not in stored_rules))


def shares_of(
    ratios: str | Mapping[str, Fraction] | None, stored: Settings, folds: int | None = None
) -> Mapping[str, Fraction]:
    """The share of each split: what is asked, else what is stored, else the default.

    Args:
        ratios: what is asked.
        stored: what `imgstage.toml` says.
        folds: so many equal splits, beside those that `ratios` names.

    Raises:
        UsageError: they do not sum to one, or a split has an impossible name.
    """
    if folds is not None:
        shares: Mapping[str, Fraction] = _with_folds(ratios, folds)
    else:
        shares = parse_ratios(ratios) if isinstance(ratios, str) else ratios or stored.ratios or DEFAULT_RATIOS
    check_split_names(list(shares))
    if sum(shares.values()) != 1 or min(shares.values()) < 0:
        problem = f"The ratios {format_ratios(shares)} do not sum to 1"
        raise UsageError(problem, "Give shares that sum to exactly 1")
    if not all(_NUMBER.fullmatch(_decimal(share)) for share in shares.values()):
        problem = "The ratios have more digits than can be written down"
        raise UsageError(problem, "Give them with six decimals at most")
    return shares
