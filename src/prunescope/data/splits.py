"""Stratified splits that the texts themselves decide."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

#: Split names, in the order they are cut.
SPLITS = ("train", "validation", "test")

#: Shares of training, validation and test examples.
SHARES = (0.7, 0.1, 0.2)

#: A class with this many examples has at least one in every split.
SMALLEST_CLASS = 10


def content_hash(content: bytes | str, purpose: str = "") -> int:
    """A 63-bit number that depends on the content and a purpose alone; the same on every platform."""
    raw = content.encode() if isinstance(content, str) else content
    return int.from_bytes(hashlib.sha256(purpose.encode() + b"\0" + raw).digest()[:8], "big") >> 1


def stratified(
    contents: Sequence[bytes | str],
    strata: Sequence[Hashable],
    shares: Sequence[float] = SHARES,
) -> np.ndarray:
    """The split number of every example, (n,) int8, decided by hashes of the contents within each stratum.

    Examples of a stratum, ordered by hash, are cut at the cumulated shares. Where the shares of a
    stratum are no whole numbers, an offset from the stratum's own hash decides which way they
    round, so that many small strata together keep the shares too. Each count differs from its
    share by less than one in every stratum.

    Stable: the order of the examples does not matter, other strata do not matter, and one more
    example in a stratum moves at most one of the others across each cut.
    """
    import numpy as np

    members: dict[Hashable, list[int]] = {}
    for number, stratum in enumerate(strata):
        members.setdefault(stratum, []).append(number)
    cumulated = np.cumsum(shares)[:-1]
    result = np.empty(len(contents), dtype=np.int8)
    for stratum, numbers in members.items():
        # Equal contents are in the same position whatever their order; the number only makes the sort total.
        ordered = sorted(numbers, key=lambda n: (content_hash(contents[n], "split"), n))
        offset = content_hash(repr(stratum), "offset") / 2**63
        # The tiny term keeps 0.7 * 10 at 7, whichever side binary fractions put it on.
        cuts = np.floor(cumulated * len(numbers) + offset + 1e-9).astype(int)
        result[ordered] = np.searchsorted(cuts, np.arange(len(numbers)), side="right")
    return result


def split_single(contents: Sequence[bytes | str], labels: Sequence[int]) -> np.ndarray:
    """Split single-label examples, each class a stratum; (n,) int8 numbers into ``SPLITS``.

    A class of at least 10 examples is in every split.
    """
    return stratified(contents, [int(label) for label in labels])


def split_multi(
    contents: Sequence[bytes | str],
    labels: Sequence[tuple[int, ...]],
    shares: Sequence[float] = SHARES,
) -> np.ndarray:
    """Split multi-label examples, each set of labels a stratum; (n,) int8 numbers into ``SPLITS``.

    A class of at least 10 examples is in every split: where it would be missing from one, the
    example with the lowest hash among its examples in the best-supplied split goes there.
    """
    import numpy as np

    result = stratified(contents, [tuple(label) for label in labels], shares)
    classes = sorted({c for label in labels for c in label})
    holders = {c: [n for n, label in enumerate(labels) if c in label] for c in classes}
    # Rare classes first: what is moved for them serves common ones along the way.
    for c in sorted(classes, key=lambda c: (len(holders[c]), c)):
        if len(holders[c]) < SMALLEST_CLASS:
            continue
        for missing in range(len(SPLITS)):
            if any(result[n] == missing for n in holders[c]):
                continue
            counts = np.bincount(result[holders[c]], minlength=len(SPLITS))
            donor = int(np.argmax(counts))
            movable = [n for n in holders[c] if result[n] == donor and _spared(result, n, labels[n], holders)]
            pool = movable or [n for n in holders[c] if result[n] == donor]
            result[min(pool, key=lambda n: (content_hash(contents[n], "split"), n))] = missing
    return result


def sample(
    contents: Sequence[bytes | str], labels: Sequence[tuple[int, ...]], count: int, purpose: str = "sample"
) -> list[int]:
    """At most ``count`` example numbers, sorted, with each set of labels in its proportion.

    Every class that occurs keeps an example as long as ``count`` allows. Hashes of the contents
    decide, so a larger sample holds a smaller one apart from what is kept for the sake of rare classes. Another
    ``purpose`` takes others.
    """
    if len(contents) <= count:
        return list(range(len(contents)))
    members: dict[tuple[int, ...], list[int]] = {}
    for number, label in enumerate(labels):
        members.setdefault(tuple(label), []).append(number)
    position: dict[int, tuple[float, int]] = {}
    for stratum, numbers in members.items():
        offset = content_hash(repr(stratum), purpose) / 2**63
        ordered = sorted(numbers, key=lambda n: (content_hash(contents[n], purpose), n))
        for rank, number in enumerate(ordered):
            position[number] = ((rank + offset) / len(numbers), number)
    holders: dict[int, list[int]] = {}
    for number, label in enumerate(labels):
        for c in label:
            holders.setdefault(c, []).append(number)
    kept: dict[int, None] = {}
    covered: set[int] = set()
    for c in sorted(holders, key=lambda c: (len(holders[c]), c)):
        if c not in covered and len(kept) < count:
            first = min(holders[c], key=position.__getitem__)
            kept[first] = None
            covered.update(labels[first])
    for number in sorted(position, key=position.__getitem__):
        if len(kept) == count:
            break
        kept[number] = None
    return sorted(kept)


def drawn(
    contents: Sequence[bytes | str],
    labels: Sequence[tuple[int, ...]],
    sizes: Mapping[str, float],
    seed: int = 0,
) -> list[str]:
    """The split of every example: those of ``sizes`` (shares, or, from 1 on, counts), the rest is ``train``.

    Stratified by ``sample``. Equal contents go together, so that nothing of a split is in another one; sizes are
    of different contents. Every class keeps an example in ``train``, before any other split gets one.

    Raises:
        ValueError: nothing is left to train on, or a split gets no example.
    """
    first = dict(zip(reversed(contents), reversed(range(len(contents))), strict=True))
    left = sorted(first.values())
    total = len(left)
    holders: dict[int, int] = {}
    for number in sorted(left, key=lambda n: (content_hash(contents[n], f"keep-{seed}"), n)):
        for c in labels[number]:
            holders.setdefault(c, number)
    left = [number for number in left if number not in set(holders.values())]
    place: dict[bytes | str, str] = {}
    for split, size in sizes.items():
        count = max(1, round(size * total)) if size < 1 else int(size)
        if not 0 < count <= len(left) - (not holders):
            raise ValueError(
                f"{count} {split} examples of {total} different ones, of which every class keeps one for training"
            )
        chosen = sample([contents[n] for n in left], [labels[n] for n in left], count, f"{split}-{seed}")
        taken = {left[position] for position in chosen}
        place.update({contents[number]: split for number in taken})
        left = [number for number in left if number not in taken]
    return [place.get(content, "train") for content in contents]


def _spared(result: np.ndarray, n: int, label: tuple[int, ...], holders: dict[int, list[int]]) -> bool:
    """Whether every class of example ``n`` has another example in its split."""
    return all(any(m != n and result[m] == result[n] for m in holders[c]) for c in label)
