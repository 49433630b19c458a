"""Language models of a few thousand weights in the layout of `transformers`, with tokenizers to match."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import torch

TEXTS = (
    "The cat sat on the mat.",
    "A dog sleeps under the old table, and nobody minds.",
    "Paris is the capital of France.",
    "She wrote a long letter to her sister about the journey.",
    "The children were playing in the garden when it began to rain.",
    "He doesn't know why the transformer failed.",
    "Every morning the baker opens his little shop at 6.30.",
    "The river runs through the town and under three bridges.",
    "Will you come to the market with me tomorrow?",
    "It's the unhappiest story that I've ever heard.",
)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def word_tokens(words: Iterable[str]) -> list[str]:
    """The tokens of a vocabulary: letters, short words whole, of long ones the first four letters and the rest."""
    tokens = set()
    for word in words:
        tokens |= set(word) | {f"##{letter}" for letter in word}
        tokens |= {word} if len(word) < 7 else {word[:4], f"##{word[4:]}"}
    return sorted(tokens)


def wordpiece(*, lowercase: bool = True):
    """A tokenizer like BERT's, the same in every process (the trainer of `tokenizers` learns another one in each)."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    normalizer, splitter = normalizers.BertNormalizer(lowercase=lowercase), pre_tokenizers.BertPreTokenizer()
    words = (word for text in TEXTS for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {token: i for i, token in enumerate([*special, *word_tokens(words)])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.add_special_tokens(special)
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    tokenizer.decoder = decoders.WordPiece()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]", model_max_length=64,
    )  # fmt: skip


def bytepair(*, mask: bool = True, vocab_size: int = 400):
    """A tokenizer like RoBERTa's, or without a mask like GPT-2's."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    blank = AddedToken("<mask>", lstrip=True, special=True)
    special = ["<s>", "<pad>", "</s>", "<unk>", blank] if mask else ["<|endoftext|>"]
    tokenizer.train_from_iterator(
        TEXTS * 3,
        trainers.BpeTrainer(
            vocab_size=vocab_size, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
        ),
    )
    tokenizer.decoder = decoders.ByteLevel()
    if not mask:
        return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=special[0], eos_token=special[0])
    ends = [(token, tokenizer.token_to_id(token)) for token in ("</s>", "<s>")]
    tokenizer.post_processor = processors.RobertaProcessing(*ends, trim_offsets=True, add_prefix_space=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", cls_token="<s>", pad_token="<pad>", eos_token="</s>",
        sep_token="</s>", unk_token="<unk>", mask_token=blank, model_max_length=64,
    )  # fmt: skip


def network(kind: str, tokenizer, seed: int = 0):
    """A network of 3 layers and 4 heads with random weights; "bert" has both heads."""
    import transformers as t

    size = {"vocab_size": len(tokenizer), "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
    wide = size | {"intermediate_size": 64, "max_position_embeddings": 64, "pad_token_id": tokenizer.pad_token_id}
    shifted = wide | {"max_position_embeddings": 64 + (tokenizer.pad_token_id or 0) + 1}
    makers = {
        "bert": lambda: t.BertForPreTraining(t.BertConfig(**wide)),
        "left": lambda: t.BertLMHeadModel(t.BertConfig(**wide, is_decoder=True)),
        "bert-body": lambda: t.BertModel(t.BertConfig(**wide)),
        "bert-classifier": lambda: t.BertForSequenceClassification(t.BertConfig(**wide)),
        "roberta": lambda: t.RobertaForMaskedLM(t.RobertaConfig(**shifted)),
        "xlm-roberta": lambda: t.XLMRobertaForMaskedLM(t.XLMRobertaConfig(**shifted)),
        "albert": lambda: t.AlbertForMaskedLM(t.AlbertConfig(**wide, embedding_size=16)),
        "electra": lambda: t.ElectraForMaskedLM(t.ElectraConfig(**wide, embedding_size=16)),
        "distilbert": lambda: t.DistilBertForMaskedLM(
            t.DistilBertConfig(
                vocab_size=len(tokenizer), dim=32, n_layers=3, n_heads=4, hidden_dim=64, max_position_embeddings=64
            )
        ),
        "modernbert": lambda: t.ModernBertForMaskedLM(
            t.ModernBertConfig(
                **wide, cls_token_id=2, sep_token_id=3, bos_token_id=2, eos_token_id=3, global_attn_every_n_layers=2
            )
        ),
        "gpt2": lambda: t.GPT2LMHeadModel(
            t.GPT2Config(
                vocab_size=len(tokenizer),
                n_embd=32,
                n_layer=2,
                n_head=4,
                n_positions=64,
                bos_token_id=0,
                eos_token_id=0,
            )
        ),
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = makers[kind]()
        for name, weight in made.named_parameters():  # spread out, so that no two answers are near each other
            if weight.ndim > 1 or "bias" in name:
                torch.nn.init.normal_(weight, std=0.3 if weight.ndim > 1 else 0.1)
    return made.eval()


def write(kind: str, folder: Path, *, seed: int = 0) -> Path:
    """Write a tiny model and its tokenizer as `save_pretrained` does; "left" and "gru" read from the left only."""
    tokenizer = bytepair(mask=kind != "gpt2") if kind in ("roberta", "xlm-roberta", "gpt2") else wordpiece()
    if kind == "gru":
        from sslviz.language import recurrent

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made = recurrent.GRUModel(len(tokenizer), 8, 16)
        for weight in made.parameters():  # spread out, as below
            torch.nn.init.normal_(weight, std=0.5, generator=torch.Generator().manual_seed(seed + weight.numel()))
        folder.mkdir(parents=True, exist_ok=True)
        recurrent.save(recurrent.RecurrentLM(made, tokenizer), folder)
        return folder
    network(kind, tokenizer, seed).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def into_cache(folder: Path, cache: Path, name: str) -> Path:
    """Lay a model out as the Hub's cache does, as if it had been fetched."""
    place = cache / f"models--{name.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(COMMIT, encoding="ascii")
    return Path(shutil.copytree(folder, place / "snapshots" / COMMIT))
