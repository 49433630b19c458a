"""A trigram model of words that fills a gap from both sides: what a neural network has to beat.

The word w in the gap of a b _ c d gets P(w | a b) P(c | b w) P(d | w c), each with absolute discounting and
interpolated with the shorter contexts (Ney, Essen & Kneser 1994). Neighbours that are masked themselves are left out.
From the left alone, as such a model reads by itself, w gets P(w | a b).
"""

import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from sslviz.data import npz
from sslviz.errors import UserError

DISCOUNT = 0.75  # taken from every count, and given to the shorter context
UNKNOWN, START, END = 0, 1, 2  # numbers of the words that are none
FILE = "trigrams.npz"  # beside a model: the pruned counts of the text that it learnt from
MAX_BYTES = 2_000_000  # of that file
_BITS = 21  # of a word's number within a packed key
_WORD = re.compile(r"[^\W_]+|[^\s]")


class Trigram:
    """Counts of words, pairs and triples, and what follows from them.

    Args:
        vocabulary: V words by number; the first three stand for unknown words, the start and the end of a sentence.
        unigrams: int64 (V,), how often each stands in the text.
        bigrams: int64 (M, 3), number of the first word, of the second, and how often; sorted.
        trigrams: int64 (K, 4), the same for three words; the first two are among the bigrams.
    """

    def __init__(
        self, vocabulary: Sequence[str], unigrams: np.ndarray, bigrams: np.ndarray, trigrams: np.ndarray
    ) -> None:
        self.vocabulary, self.unigrams = tuple(vocabulary), unigrams
        self.bigrams, self.trigrams = bigrams, trigrams

    # what is looked up, made when it is first asked for

    @cached_property
    def _number(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.vocabulary)}

    @cached_property
    def _n1(self) -> np.ndarray:
        return np.maximum(self.unigrams, 1).astype(np.float64)  # (V,)

    @cached_property
    def _p1(self) -> np.ndarray:
        predicted = np.where(np.arange(len(self.unigrams)) == START, 0, self.unigrams)
        return predicted / max(1, predicted.sum())  # (V,)

    @cached_property
    def _left1(self) -> np.ndarray:
        """Share of each word's followers that the unigrams get (V,)."""
        kept = np.bincount(self.bigrams[:, 0], np.maximum(self.bigrams[:, 2] - DISCOUNT, 0), len(self.unigrams))
        return np.maximum(self.unigrams - kept, 0) / self._n1

    @cached_property
    def _left2(self) -> np.ndarray:
        """Share of each pair's followers that the bigrams get (M,)."""
        place = np.searchsorted(_pack(*self.bigrams[:, :2].T), _pack(*self.trigrams[:, :2].T))
        kept = np.bincount(place, np.maximum(self.trigrams[:, 3] - DISCOUNT, 0), len(self.bigrams))
        return np.maximum(self.bigrams[:, 2] - kept, 0) / np.maximum(self.bigrams[:, 2], 1)

    @cached_property
    def _pairs(self) -> "_Index":
        a, b, n = self.bigrams.T
        return _Index(a, b, n, self._left2)

    @cached_property
    def _pairs_by_second(self) -> "_Index":
        a, b, n = self.bigrams.T
        return _Index(b, a, n, self._left2)

    @cached_property
    def _triples(self) -> "tuple[_Index, _Index, _Index]":
        """Third words by the first two, second by the outer, first by the last two."""
        a, b, c, n = self.trigrams.T
        return _Index(_pack(a, b), c, n), _Index(_pack(a, c), b, n), _Index(_pack(b, c), a, n)

    # filling a gap

    def predict(self, words: Sequence[str | None], gap: int, *, right: bool = True) -> str:
        """The most probable word for a gap.

        Args:
            words: of a sentence, in small letters, None where one is masked.
            gap: its place among them.
            right: whether the words after the gap count too.
        """
        p = self.scores(words, gap, right=right)
        return self.vocabulary[int(p.argmax())]

    def scores(self, words: Sequence[str | None], gap: int, *, right: bool = True) -> np.ndarray:
        """For each word of the vocabulary the joint probability with its neighbours, up to a factor (V,)."""
        numbers = [None if word is None else self._number.get(word, UNKNOWN) for word in words]
        around = [None, START, *numbers, END, None]
        a, b, _, c, d = around[gap : gap + 5]
        p = self._after(None if b is None else a, b)
        if right and c is not None:
            p = p * self._before(b, c)
            if d is not None and c != END:
                p = p * self._second_before(c, d)
        p[:3] = -1.0  # no words
        return p

    def distribution(self, words: Sequence[str | None], gap: int, *, right: bool = True) -> np.ndarray:
        """Probability of each word of the vocabulary in a gap (V,), by `scores`; no mass for what is no word."""
        p = np.maximum(self.scores(words, gap, right=right), 0.0)
        return p / max(float(p.sum()), np.finfo(np.float64).tiny)

    def hits(
        self, texts: Sequence[str], spans: Sequence[Sequence[tuple[int, int]]], *, right: bool = True
    ) -> list[list[bool]]:
        """For each sentence and masked place whether it is filled with what stood there.

        Args:
            texts: sentences.
            spans: for each of them the masked places, (start, end) in characters.
            right: whether the words after a gap count too.
        """
        found = []
        for text, places in zip(texts, spans, strict=True):
            words, gaps = with_gaps(text, places)
            there = [m[0].lower() for m in _WORD.finditer(text)]
            found.append(
                [bool(gap) and all(self.predict(words, i, right=right) == there[i] for i in gap) for gap in gaps]
            )
        return found

    def top1(self, texts: Sequence[str], spans: Sequence[Sequence[tuple[int, int]]], *, right: bool = True) -> float:
        """Share of masked places that are filled with what stood there; see `hits`."""
        flat = [hit for row in self.hits(texts, spans, right=right) for hit in row]
        return sum(flat) / max(1, len(flat))

    def evaluate(self, texts: Sequence[str], spans: Sequence[Sequence[tuple[int, int]]]) -> dict[str, float]:
        """`top1` as results name it: "trigram_top1" from both sides, "trigram_left_top1" from the left alone."""
        return {
            "trigram_top1": self.top1(texts, spans),
            "trigram_left_top1": self.top1(texts, spans, right=False),
        }

    def _after(self, a: int | None, b: int | None) -> np.ndarray:
        """P(w | a b) of every w (V,)."""
        if b is None:
            return self._p1.copy()
        p = self._left1[b] * self._p1
        w, n, _ = self._pairs.row(b)
        p[w] += np.maximum(n - DISCOUNT, 0) / self._n1[b]
        n_ab, left = (0, 1.0) if a is None else self._pairs.get(a, b)
        if n_ab:
            p *= left
            w, n, _ = self._triples[0].row(_pack(a, b))
            p[w] += np.maximum(n - DISCOUNT, 0) / n_ab
        return p

    def _before(self, b: int | None, c: int) -> np.ndarray:
        """P(c | b w) of every w (V,)."""
        p = self._left1 * self._p1[c]
        w, n, _ = self._pairs_by_second.row(c)
        p[w] += np.maximum(n - DISCOUNT, 0) / self._n1[w]
        if b is None:
            return p
        return self._longer(p, self._pairs.row(b), self._triples[1].row(_pack(b, c)))

    def _second_before(self, c: int, d: int) -> np.ndarray:
        """P(d | w c) of every w (V,)."""
        n_cd, _ = self._pairs.get(c, d)
        p = np.full(len(self._p1), self._left1[c] * self._p1[d] + max(n_cd - DISCOUNT, 0) / self._n1[c])
        return self._longer(p, self._pairs_by_second.row(c), self._triples[2].row(_pack(c, d)))

    @staticmethod
    def _longer(p: np.ndarray, pairs: "_Row", triples: "_Row") -> np.ndarray:
        """Interpolate with the counts of a context one word longer, which w is part of."""
        w, n_pair, left = pairs
        p[w] *= left
        total = np.ones(len(p))
        total[w] = n_pair
        w, n, _ = triples
        p[w] += np.maximum(n - DISCOUNT, 0) / total[w]
        return p

    # on disk

    def pruned(self, *, least: int, common: int) -> "Trigram":
        """Only what helps most often; the counts that are kept stay what they are.

        Args:
            least: how often a triple, or a pair, must stand in the text.
            common: how often two words must, for a rarer pair of them to stay.
        """
        trigrams = self.trigrams[self.trigrams[:, 3] >= least]
        pairs, often = _pack(*self.bigrams[:, :2].T), (self.unigrams >= common)[self.bigrams[:, :2]].all(1)
        kept = (self.bigrams[:, 2] >= least) | often
        kept[np.searchsorted(pairs, _pack(*trigrams[:, :2].T))] = True
        bigrams = self.bigrams[kept]
        keep = np.zeros(len(self.unigrams), bool)
        keep[:3] = True
        keep[bigrams[:, :2]] = keep[trigrams[:, :3]] = True
        number = np.cumsum(keep) - 1
        vocabulary = [word for word, kept in zip(self.vocabulary, keep, strict=True) if kept]
        bigrams, trigrams = bigrams.copy(), trigrams.copy()
        bigrams[:, :2], trigrams[:, :3] = number[bigrams[:, :2]], number[trigrams[:, :3]]
        return Trigram(vocabulary, self.unigrams[keep], bigrams, trigrams)

    def save(self, path: Path) -> Path:
        """Write the counts of at most 65,536 words; those over 65,535 are cut to that in pairs and triples."""
        a, b, n2 = self.bigrams.T
        context = np.searchsorted(_pack(a, b), _pack(*self.trigrams[:, :2].T))
        arrays: dict[str, np.ndarray] = {
            "vocabulary": np.frombuffer("\n".join(self.vocabulary[3:]).encode(), np.uint8),
            "unigrams": self.unigrams.astype(np.int32),
            "pairs": np.bincount(a, minlength=len(self.unigrams)).astype(np.int32),
            "triples": _planes(np.bincount(context, minlength=len(a))),
            "second": _planes(_steps(a, b)), "n_pairs": _planes(n2),
            "third": _planes(_steps(context, self.trigrams[:, 2])), "n_triples": _planes(self.trigrams[:, 3]),
        }  # fmt: skip
        npz.write(path, arrays, compress=True)
        return path


_Row = tuple[np.ndarray, np.ndarray, np.ndarray]


class _Index:
    """Values by key as rows of sorted arrays, with how often and the share that is left for shorter contexts."""

    def __init__(self, key: np.ndarray, value: np.ndarray, n: np.ndarray, left: np.ndarray | None = None) -> None:
        order = np.lexsort((value, key))
        self.key, self.value, self.n = key[order], value[order], n[order]
        self.left = self.n if left is None else left[order]

    def row(self, key: Any) -> _Row:
        first, last = np.searchsorted(self.key, (key, key + 1))
        return self.value[first:last], self.n[first:last], self.left[first:last]

    def get(self, key: int, value: int) -> tuple[float, float]:
        values, n, left = self.row(key)
        place = np.searchsorted(values, value)
        there = place < len(values) and values[place] == value
        return (float(n[place]), float(left[place])) if there else (0.0, 1.0)


def with_gaps(text: str, spans: Sequence[tuple[int, int]]) -> tuple[list[str | None], list[list[int]]]:
    """A sentence as these models read it: its words in small letters, None where one lies in a masked place, and the
    numbers of the words in each place.

    Args:
        text: a sentence.
        spans: its masked places, (start, end) in characters.
    """
    found = [(m[0].lower(), m.start(), m.end()) for m in _WORD.finditer(text)]
    gaps = [[i for i, (_, s, e) in enumerate(found) if s < end and e > start] for start, end in spans]
    masked = set(chain.from_iterable(gaps))
    return [None if i in masked else word for i, (word, _, _) in enumerate(found)], gaps


def fit(texts: Iterable[str], *, min_count: int = 2) -> Trigram:
    """Count the words of some sentences.

    Args:
        texts: sentences.
        min_count: words that are rarer count as unknown.

    Raises:
        UserError: no words, or more than two million different ones.
    """
    sentences = [_WORD.findall(text.lower()) for text in texts]
    counts = Counter(chain.from_iterable(sentences))
    known = [word for word, n in counts.most_common() if n >= min_count]
    if not known:
        raise UserError("The text has no word that stands in it twice; give a longer one.")
    if len(known) > (1 << _BITS) - 4:
        raise UserError(f"The text has {len(known):,} different words, too many to count; give a part of it.")
    number = {word: i + 3 for i, word in enumerate(known)}
    ids = np.fromiter(
        chain.from_iterable((START, *(number.get(word, UNKNOWN) for word in words), END) for words in sentences),
        np.int64,
    )
    first, second, third = ids[:-2], ids[1:-1], ids[2:]
    bigrams = _counted(_pack(ids[:-1], ids[1:])[ids[:-1] != END], 2)
    trigrams = _counted(_pack(_pack(first, second), third)[(second != START) & (second != END)], 3)
    return Trigram(("", "", "", *known), np.bincount(ids, minlength=len(known) + 3), bigrams, trigrams)


def load(path: Path) -> Trigram:
    """Read counts that `Trigram.save` has written.

    Raises:
        UserError: the file is not there or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        words = arrays["vocabulary"].tobytes().decode().split("\n")
        flat = {key: array[0] + 256 * array[1].astype(np.int64) for key, array in arrays.items() if array.ndim == 2}
        first = np.repeat(np.arange(len(arrays["pairs"])), arrays["pairs"])
        bigrams = np.column_stack([first, _sums(first, flat["second"]), flat["n_pairs"]])
        context = np.repeat(np.arange(len(bigrams)), flat["triples"])
        third = _sums(context, flat["third"])
        trigrams = np.column_stack([bigrams[context, :2], third, flat["n_triples"]])
        if not len(words) + 3 == len(arrays["unigrams"]) > max(bigrams[:, 1].max(initial=0), third.max(initial=0)):
            raise ValueError("its parts do not fit together")
        return Trigram(("", "", "", *words), arrays["unigrams"].astype(np.int64), bigrams, trigrams)
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} can't be read as counts of words ({error}); delete it or restore it.") from error


def write_small(counts: Trigram, path: Path, *, max_bytes: int = MAX_BYTES) -> Trigram:
    """Write as many of the counts as fit into a file, those that help most often.

    Returns:
        What is kept.
    """
    for least in (1, 2, 3, 4, 6, 10, 20, 50, 100):
        for common in (10 * least, 25 * least, 50 * least, 100 * least, 1000 * least):
            small = counts.pruned(least=least, common=common)
            if len(small.bigrams) + len(small.trigrams) > max_bytes or len(small.vocabulary) > 65_536:
                continue  # they take more than a byte each, and words have numbers of two
            if small.save(path).stat().st_size <= max_bytes:
                return small
    path.unlink(missing_ok=True)
    raise UserError(f"The counts can't be brought to {max_bytes:,} bytes; allow more.")


def _planes(values: np.ndarray) -> np.ndarray:
    """Numbers up to 65,535 as their low and their high bytes, uint8 (2, N), which compresses well."""
    values = np.minimum(values, 65_535)
    return np.stack([values & 255, values >> 8]).astype(np.uint8)


def _steps(key: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Rising values of each key -> the first, and the steps between them."""
    steps = np.diff(values, prepend=0)
    first = np.diff(key, prepend=-1) != 0
    return np.where(first, values, steps)


def _sums(key: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The values of `_steps`."""
    total = np.cumsum(steps)
    first = np.flatnonzero(np.diff(key, prepend=-1))
    before = total[first] - steps[first]
    return total - np.repeat(before, np.diff(first, append=len(key)))


def _pack(first: Any, second: Any) -> Any:
    """Numbers of two words, whole numbers or arrays of them, as one."""
    return (first << _BITS) | second


def _counted(keys: np.ndarray, width: int) -> np.ndarray:
    """Packed keys -> (K, width + 1): their words and how often each stands there, sorted."""
    unique, n = np.unique(keys, return_counts=True)
    mask = (1 << _BITS) - 1
    return np.column_stack([*((unique >> (_BITS * (width - 1 - i))) & mask for i in range(width)), n])
