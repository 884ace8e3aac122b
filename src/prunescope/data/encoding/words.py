"""Words: tokenization, the vocabulary of the training texts, and word vectors learned from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from prunescope.seeds import stream

#: Ids of padding and of unknown words; the separator of text pairs, where there are pairs, follows.
PAD, UNKNOWN, SEPARATOR = 0, 1, 2

#: How these are written in the vocabulary file.
_SPECIAL = ("<pad>", "<unk>", "<sep>")

#: Words this far apart count as seen together.
_WINDOW = 5

#: Up to this many words a dense solver is fast, and needs no start vector.
_DENSE = 600


def vocabulary(texts: Sequence[Sequence[list[str]]], min_count: int) -> list[str]:
    """All words seen at least ``min_count`` times, the most frequent first, after the special ones.

    ``texts``: per input column (one, or premise and hypothesis) the tokens of each text. The
    position of a word in the result is its id.
    """
    counts: Counter[str] = Counter()
    for column in texts:
        for tokens in column:
            counts.update(tokens)
    special = _SPECIAL[: 3 if len(texts) > 1 else 2]
    for word in special:
        counts.pop(word, None)
    kept = sorted((word for word, n in counts.items() if n >= min_count), key=lambda w: (-counts[w], w))
    return [*special, *kept]


def numbered(texts: Sequence[Sequence[list[str]]], words: Sequence[str]) -> list[list[int]]:
    """The ids of each text's words; premise and hypothesis are joined by the separator."""
    first = 3 if len(texts) > 1 else 2
    ids = {word: number for number, word in enumerate(words) if number >= first}
    result = []
    for parts in zip(*texts, strict=True):
        row: list[int] = []
        for position, tokens in enumerate(parts):
            if position:
                row.append(SEPARATOR)
            row.extend(ids.get(token, UNKNOWN) for token in tokens)
        result.append(row)
    return result


def word_vectors(texts: Sequence[Sequence[int]], size: int, dimensions: int) -> np.ndarray:
    """Word vectors (``size``, ``dimensions``) float32 learned from numbered training texts.

    Truncated singular value decomposition of the positive pointwise mutual information of words
    seen within 5 words of each other (Levy, Goldberg and Dagan 2015, singular values to the power
    of one half), scaled to a mean norm of one. A vocabulary smaller than ``dimensions`` leaves the
    last dimensions zero. Unknown words get the mean vector; padding one random vector with the
    mean and standard deviation of the vectors, from a stream of its own.
    """
    # Loaded before the limit is set: it holds only for libraries that are there already.
    import scipy.sparse.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    vectors = np.zeros((size, dimensions))
    # Sums in another number of threads round otherwise: one thread, the same bytes everywhere.
    with threadpool_limits(1):
        known = _factors(_ppmi(_counts(texts, size)), dimensions)
    vectors[UNKNOWN + 1 :, : known.shape[1]] = known
    learned = vectors[UNKNOWN + 1 :]
    if len(learned):
        norm = np.linalg.norm(learned, axis=1).mean()
        learned /= norm if norm > 0 else 1.0
        set_special(vectors, learned)
    return vectors.astype(np.float32)


def set_special(vectors: np.ndarray, known: np.ndarray) -> None:
    """Fill the rows of padding and of unknown words from the (n, D) vectors of the known words.

    PIE paper, appendix A.2: unknown words are the mean vector, padding is one random vector with the
    mean and standard deviation of the vectors.
    """
    vectors[UNKNOWN] = known.mean(axis=0)
    rng = np.random.default_rng(stream(0, "data", "padding"))
    vectors[PAD] = known.mean(axis=0) + known.std(axis=0) * rng.standard_normal(known.shape[1])


def _counts(texts: Sequence[Sequence[int]], size: int) -> Any:
    """How often two known words stand within the window, a symmetric scipy matrix without the special ids."""
    from scipy import sparse

    flat = np.fromiter((i for row in texts for i in row), dtype=np.int64)
    owner = np.repeat(np.arange(len(texts)), [len(row) for row in texts])
    first = UNKNOWN + 1
    n = max(size - first, 0)
    total = sparse.csr_array((n, n), dtype=np.float64)
    for distance in range(1, _WINDOW + 1):
        a, b = flat[:-distance], flat[distance:]
        both = (owner[:-distance] == owner[distance:]) & (a >= first) & (b >= first)
        pairs = sparse.coo_array(
            (np.ones(both.sum()), (a[both] - first, b[both] - first)), shape=(n, n)
        ).tocsr()
        total = total + pairs + pairs.T
    return total


def _ppmi(counts: Any) -> Any:
    """max(0, log(n_ij * N / (n_i * n_j))) where n_ij > 0, a scipy matrix."""
    from scipy import sparse

    cells = counts.tocoo()
    sums = np.asarray(counts.sum(axis=1)).ravel()
    rows, columns = cells.coords
    with np.errstate(divide="ignore"):
        values = np.log(cells.data * sums.sum() / (sums[rows] * sums[columns]))
    positive = values > 0
    return sparse.csr_array((values[positive], (rows[positive], columns[positive])), shape=counts.shape)


def _factors(matrix: Any, dimensions: int) -> np.ndarray:
    """Left singular vectors times the roots of their singular values, the largest first, signs fixed.

    The matrix is symmetric, so its singular values are its eigenvalues without their signs.
    """
    n = matrix.shape[0]
    if n <= max(_DENSE, dimensions + 1):
        values, vectors = np.linalg.eigh(matrix.toarray()) if n else (np.zeros(0), np.zeros((0, 0)))
    else:
        from scipy.sparse.linalg import eigsh

        start = np.random.default_rng(stream(0, "data", "vectors")).standard_normal(n)
        values, vectors = eigsh(matrix, k=dimensions, which="LM", v0=start)
    order = np.argsort(-np.abs(values), kind="stable")[:dimensions]
    values, vectors = values[order], vectors[:, order]
    largest = np.abs(vectors).argmax(axis=0) if n else np.zeros(0, dtype=int)
    signs = np.sign(vectors[largest, np.arange(vectors.shape[1])])
    return vectors * (signs * np.sqrt(np.abs(values)))
