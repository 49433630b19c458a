"""One sentence as a masked language model reads it: words to click, tokens, masks. Positions count tokens from 0.

A mask may be typed as [MASK] or <mask> whatever the model calls it. It stands for one token; letters that touch it go
on the same word: "[MASK]ing" is read as a mask and "##ing". Text is composed (NFC) before anything else, so characters
are counted in `text.composed(text)`. Needs no torch.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sslviz.errors import UserError
from sslviz.language.text import composed, split_sentences

if TYPE_CHECKING:
    from sslviz.language.model import CausalLM, MaskedLM

_MARK = re.compile(r"\[MASK\]|<mask>", re.IGNORECASE)
_WORD = re.compile(r"Mm*|c|(?:[wd]|(?<=[wd])'(?=[wd])|(?<=d)\.(?=d))+")  # over the classes of characters
MAX_TOKENS = 512  # of a sentence, whatever more a model could take: attention is quadratic
MAX_MASKS = 32  # of a sentence: filling them in turn is a pass over it for each
_APOSTROPHES, _POINTS = "'’", ".,:"


@dataclass(frozen=True)
class Token:
    """A token: its place, its id, and the characters of the text that it stands for."""

    position: int
    id: int
    token: str  # readable: "france", "##ing", "[CLS]"
    word: int | None  # number of its word in `word_spans`; None for punctuation and special tokens
    start: int
    end: int  # = start for the special tokens at the ends

    @property
    def special(self) -> bool:
        """Whether the tokenizer has added it to what was typed."""
        return self.start == self.end


@dataclass(frozen=True)
class MaskedText:
    """A sentence with masks in it.

    Attributes:
        ids: its tokens, special ones at the ends.
        positions: of the masks.
        originals: what stood at each mask, None where the mask was typed.
        text: the sentence with the model's own mask token, one for each masked token.
        original_ids: the tokens' ids before the masks of this call.
        groups: for each mask the number of the masked word that it is part of, from 0; each typed mask is its own.
    """

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    originals: tuple[str | None, ...]
    text: str
    original_ids: tuple[int, ...]
    groups: tuple[int, ...]


def word_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Where the words of a text begin and end, in characters; a typed mask and a Chinese character are words."""
    classes = "".join(map(_class, text))
    for mark in _MARK.finditer(text):
        size = mark.end() - mark.start()
        classes = classes[: mark.start()] + "M" + "m" * (size - 1) + classes[mark.end() :]
    return tuple(found.span() for found in _WORD.finditer(classes))


def tokens_of(model: MaskedLM, text: str) -> tuple[Token, ...]:
    """The tokens of a sentence, those that the tokenizer adds at the ends included.

    Raises:
        UserError: empty text, text of unknown symbols only, or more tokens than the model takes.
    """
    found = _tokens_of(model.tokenizer, _checked(text))
    if len(found) > (most := limit(model)):
        raise UserError(f"This text has {len(found):,} tokens, and the model reads at most {most:,}; shorten it.")
    tokenizer = model.tokenizer
    if all(token.special or token.id == tokenizer.unk_token_id for token in found):
        raise UserError("The model knows none of these symbols; type words in a language that it has learnt.")
    return found


def cut(model: MaskedLM, text: str) -> str:
    """The beginning of a text, as much as the model can read."""
    text = _checked(text)
    found, most = _tokens_of(model.tokenizer, text), limit(model)
    if len(found) <= most:
        return text
    ends = sum(token.special for token in found)
    kept = [token for token in found if not token.special][: most - ends]
    return text[: kept[-1].end].rstrip()


def mask_text(model: MaskedLM, text: str, words: Sequence[int] = ()) -> MaskedText:
    """Mask all tokens of some words; typed masks stay masks.

    Args:
        model: its tokenizer makes the tokens.
        text: a sentence.
        words: numbers of words in `word_spans(text)`.

    Raises:
        UserError: nothing is masked or more than `MAX_MASKS` tokens, there is no such word, or see `tokens_of`.
    """
    text = composed(text)
    found, mask_id = tokens_of(model, text), model.tokenizer.mask_token_id
    n_words, chosen = len(word_spans(text)), set(words)
    if bad := [word for word in chosen if not 0 <= word < n_words]:
        raise UserError(f"The sentence has {n_words} words, none with the number {bad[0]}; choose another.")
    masks = [p for p in found if not p.special and (p.id == mask_id or p.word in chosen)]
    if not masks and not n_words:
        raise UserError("There are no words in this text to mask; type a sentence with [MASK] in it.")
    if not masks:
        raise UserError("Nothing is masked yet; choose a word to mask, or type [MASK] in its place.")
    if len(masks) > MAX_MASKS:
        raise UserError(
            f"This text has {len(masks):,} masked tokens, and at most {MAX_MASKS} are filled at a time; mask fewer."
        )
    groups: list[int] = []
    for i, token in enumerate(masks):
        same = i > 0 and token.word is not None and token.word == masks[i - 1].word and token.id != mask_id
        groups.append(groups[-1] + (not same) if groups else 0)
    shown, last = [], 0
    for token in masks:
        shown += [text[last : token.start] or ("" if token.start == 0 else " "), model.tokenizer.mask_token]
        last = token.end
    positions = {token.position for token in masks}
    return MaskedText(
        ids=tuple(mask_id if p.position in positions else p.id for p in found),
        positions=tuple(p.position for p in masks),
        originals=tuple(None if p.id == mask_id else p.token for p in masks),
        text="".join([*shown, text[last:]]),
        original_ids=tuple(p.id for p in found),
        groups=tuple(groups),
    )


def notes(text: str, tokens: Sequence[Token], *, mask_id: int, unk_id: int) -> tuple[str, ...]:
    """What a person may wonder about in how a text is read, in sentences.

    Args:
        text: as given, composed.
        tokens: of `tokens_of`.
        mask_id, unk_id: ids of the tokenizer's mask and of its unknown token.
    """
    found = []
    words = [token for token in tokens if token.word is not None and token.id != mask_id]
    for mask in (token for token in tokens if token.id == mask_id):
        after = next((token for token in words if token.start == mask.end), None)
        before = next((token for token in words if token.end == mask.start), None)
        if after is not None:
            end = max(token.end for token in words if token.word == after.word)
            found.append(
                f"“{text[mask.start : end]}” is one word to the model: a mask for one token at its beginning, and "
                f"“{after.token}”, which goes on with it."
            )
        elif before is not None:
            found.append(f"The mask behind “{before.token}” is one token, which may be the rest of its word.")
        if found:
            break
    if (n := len(split_sentences(text))) > 1:
        found.append(f"These are {n} sentences; the model reads them as one text, and a mask may look into each.")
    if unknown := sum(token.id == unk_id for token in tokens):
        whole = sum(not token.special for token in tokens)
        verb = "is" if unknown == 1 else "are"
        found.append(f"{unknown} of {whole} tokens {verb} unknown to the model, which has one symbol for all such.")
    return tuple(found)


def put(text: str, mask_index: int, token: str) -> str:
    """A text with a token in place of one of its typed masks, counted from 0; "##ing" joins what stands before it."""
    marks = list(_MARK.finditer(text))
    if not 0 <= mask_index < len(marks):
        raise UserError(f"The sentence has {len(marks)} masks, none with the number {mask_index + 1}; choose another.")
    start, end = marks[mask_index].span()
    before = text[:start]
    if token.startswith("##") and len(token) > 2:
        before, token = before.rstrip(), token[2:]
    return before + token + text[end:]


def readable(tokenizer: Any, id: int) -> str:
    """A token for people: "##ing" as BERT writes it, without the marks that other tokenizers put for a space."""
    raw = tokenizer.convert_ids_to_tokens(id)
    if raw is None:  # a vocabulary that was padded to a round number
        return f"[{id}]"
    if raw.startswith("##") or id in tokenizer.all_special_ids:
        return raw
    return tokenizer.convert_tokens_to_string([raw]).strip() or ("␣" if raw.strip("Ġ▁ ") == "" else raw)


def limit(model: MaskedLM | CausalLM) -> int:
    """The most tokens that a sentence may have, special ones included."""
    most = getattr(model.model.config, "max_position_embeddings", None) or MAX_TOKENS
    for name, module in model.model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            most -= module.padding_idx + 1  # RoBERTa counts from there
    return int(min(most, model.tokenizer.model_max_length, MAX_TOKENS))


# how a text becomes tokens ------------------------------------------------------------------------------------------


def _tokens_of(tokenizer: Any, text: str) -> tuple[Token, ...]:
    written, origin = _with_masks(text, tokenizer.mask_token)
    spans = word_spans(text)
    found, word = [], 0
    for position, (id, start, end, special) in enumerate(_encoded(tokenizer, written)):
        if special and id != tokenizer.mask_token_id:
            found.append(Token(position, id, readable(tokenizer, id), None, 0, 0))
            continue
        while start < end and written[start].isspace():  # some tokenizers count the space before a word to it
            start += 1
        start, end = origin[start], origin[end]
        while word < len(spans) and spans[word][1] <= start:
            word += 1
        inside = word < len(spans) and spans[word][0] < max(end, start + 1)
        found.append(Token(position, id, readable(tokenizer, id), word if inside else None, start, max(end, start + 1)))
    return tuple(_with_marks(found, text))


def _with_marks(tokens: Sequence[Token], text: str) -> Iterator[Token]:
    """Tokens with the marks behind their letters (accents, vowel signs), which some tokenizers leave out."""
    starts = [token.start for token in tokens if not token.special]
    for token in tokens:
        end = token.end
        while not token.special and end < len(text) and end not in starts and unicodedata.category(text[end])[0] == "M":
            end += 1
        yield token if end == token.end else replace(token, end=end)


def _encoded(tokenizer: Any, written: str) -> list[tuple[int, int, int, bool]]:
    """Id, first and last character, and whether it is special, of each token.

    WordPiece begins a new word behind a mask; letters that touch the mask are read as the rest of its word instead.
    """
    encoded = tokenizer(written, return_offsets_mapping=True, return_special_tokens_mask=True, verbose=False)
    columns = (encoded["input_ids"], encoded["offset_mapping"], encoded["special_tokens_mask"], encoded.word_ids())
    rows = [(id, start, end, bool(special), word) for id, (start, end), special, word in zip(*columns, strict=True)]
    if type(tokenizer.backend_tokenizer.model).__name__ != "WordPiece":
        return [row[:4] for row in rows]
    kept: list[tuple[int, int, int, bool]] = []
    n = 0
    while n < len(rows):
        _, start, end, special, word = rows[n]
        touches = kept and kept[-1][0] == tokenizer.mask_token_id and kept[-1][2] == start < end
        if not touches or special or _class(written[start]) not in "wd":
            kept.append(rows[n][:4])
            n += 1
            continue
        while n < len(rows) and rows[n][4] == word:
            end = rows[n][2]
            n += 1
        kept += _rest_of_word(tokenizer, written, start, end)
    return kept


def _rest_of_word(tokenizer: Any, written: str, start: int, end: int) -> list[tuple[int, int, int, bool]]:
    """Letters as tokens that go on a word, the longest first as WordPiece does; one unknown token where that fails."""
    backend = tokenizer.backend_tokenizer
    text, prefix = written[start:end], backend.model.continuing_subword_prefix
    text = backend.normalizer.normalize_str(text) if backend.normalizer else text
    rows, first = [], 0
    while first < len(text):
        last = next((k for k in range(len(text), first, -1) if backend.token_to_id(prefix + text[first:k])), None)
        if last is None:
            return [(tokenizer.unk_token_id, start, end, False)]
        exact = len(text) == end - start  # else characters have no place of their own
        place = (start + first, start + last) if exact else (start, end)
        rows.append((backend.token_to_id(prefix + text[first:last]), *place, False))
        first = last
    return rows


def _with_masks(text: str, mask_token: str) -> tuple[str, list[int]]:
    """A text with the tokenizer's own masks, and for each of its characters, and its end, the place in the first."""
    parts, origin, last = [], [], 0
    for mark in _MARK.finditer(text):
        parts += [text[last : mark.start()], mask_token]
        origin += [*range(last, mark.start()), *[mark.start()] * len(mask_token)]
        last = mark.end()
    return "".join([*parts, text[last:]]), [*origin, *range(last, len(text) + 1)]


def _class(character: str) -> str:
    if "\u3400" <= character <= "\u4dbf" or "\u4e00" <= character <= "\u9fff":
        return "c"
    if character.isdecimal():
        return "d"
    if character.isalnum() or unicodedata.category(character)[0] == "M":
        return "w"
    return "'" if character in _APOSTROPHES else "." if character in _POINTS else " "


def _checked(text: str) -> str:
    text = composed(text)
    if not text.strip():
        raise UserError("There is no text; type a sentence.")
    return text
