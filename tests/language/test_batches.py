"""Tokenising, masking and batches of sentences, against loops written from the descriptions."""

import numpy as np
import tinytext
import torch

from sslviz.language import batches


def test_tokenised_sentences_lie_one_after_another():
    tokenizer = tinytext.wordpiece()
    found = batches.tokenise(tinytext.TEXTS, tokenizer, max_length=12, chunk=3)
    assert len(found) == len(tinytext.TEXTS)
    for i, sentence in enumerate(tinytext.TEXTS):
        encoded = tokenizer(sentence, truncation=True, max_length=12)
        part = slice(found.starts[i], found.starts[i + 1])
        assert found.ids[part].tolist() == encoded["input_ids"]
        assert found.words[part].tolist() == [-1 if word is None else word for word in encoded.word_ids()]
    assert found.lengths.max() == 12
    ids, words = found.batch([4, 0], pad_id=0)
    assert ids.shape == words.shape == (2, max(found.lengths[[4, 0]]))
    assert ids[1, found.lengths[0] :].eq(0).all() and words[1, found.lengths[0] :].eq(-1).all()


def batch(n=400, seed=0):
    """Random sentences: tokens (n, 20), words of one to three tokens, ends and padding."""
    rng = np.random.default_rng(seed)
    ids, words = rng.integers(10, 100, (n, 20)), np.full((n, 20), -1)
    for row in range(n):
        place, word = 1, 0
        while place < rng.integers(5, 18):
            size = int(rng.integers(1, 4))
            words[row, place : place + size] = word
            place, word = place + size, word + 1
    return torch.from_numpy(ids), torch.from_numpy(words)


def test_whole_words_are_masked_at_least_one_a_sentence():
    ids, words = batch()
    masked, labels = batches.mask_words(
        ids, words, rate=0.15, mask_id=1, vocab_size=100, generator=torch.Generator().manual_seed(0), corrupt=False
    )
    expected = n_chosen = 0.0
    for row in range(len(ids)):
        chosen = {int(words[row, i]) for i in range(20) if labels[row, i] != batches.IGNORED}
        assert chosen and -1 not in chosen
        for i in range(20):
            inside = int(words[row, i]) in chosen
            assert labels[row, i] == (ids[row, i] if inside else batches.IGNORED)
            assert masked[row, i] == (1 if inside else ids[row, i])
        n = int(words[row].max()) + 1
        expected += n * 0.15 + 0.85**n  # one where there would be none
        n_chosen += len(chosen)
    assert abs(n_chosen - expected) < 5 * np.sqrt(expected)


def test_corruption_is_eighty_ten_ten():
    ids, words = batch(4000)
    generator = torch.Generator().manual_seed(1)
    masked, labels = batches.mask_words(ids, words, rate=0.3, mask_id=1, vocab_size=100_000, generator=generator)
    chosen = labels != batches.IGNORED
    n = int(chosen.sum())
    shares = [float((masked[chosen] == 1).sum()) / n, float((masked[chosen] == ids[chosen]).sum()) / n]
    sigma = np.sqrt(0.16 / n)
    assert abs(shares[0] - 0.8) < 5 * sigma and abs(shares[1] - 0.1) < 5 * sigma
    assert torch.equal(masked[~chosen], ids[~chosen])


def test_batches_hold_sentences_of_like_length_each_once():
    lengths = np.random.default_rng(0).integers(3, 60, 1000)
    rows = batches.bucketed(lengths, batch_size=16, seed=0, pool=8)
    assert rows.shape == (62, 16) and len(set(rows.ravel())) == 62 * 16
    spread = np.mean([np.ptp(lengths[row]) for row in rows])
    shuffled = np.random.default_rng(1).permutation(1000)[: 62 * 16].reshape(62, 16)
    assert spread < 0.3 * np.mean([np.ptp(lengths[row]) for row in shuffled])
    assert (rows == batches.bucketed(lengths, batch_size=16, seed=0, pool=8)).all()
    assert (rows != batches.bucketed(lengths, batch_size=16, seed=1, pool=8)).any()
