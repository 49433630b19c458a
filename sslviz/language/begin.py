"""Where the training of a language model begins: the weights of a masked model, with whatever head they lack."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sslviz.errors import UserError
from sslviz.language.model import (
    MaskedLM,
    MaskedLMConfig,
    config_of,
    first_line,
    from_folder,
    load_tokenizer,
    local_folder,
    quiet,
    transformers,
)


def load_base(config: MaskedLMConfig, *, seed: int, frequencies: Tensor | None = None) -> MaskedLM:
    """The model that a training starts from.

    A missing head begins as what helps most: the identity before the decoder, and the logarithm of each token's
    frequency as the decoder's bias.

    Args:
        config: names the folder in `base`.
        seed: of the weights that the folder lacks.
        frequencies: how often each token stands in the text (V,), for a missing head's bias.

    Raises:
        UserError: no such folder, or its files can't be read as a masked language model with a fast tokenizer.
    """
    folder = local_folder(config.base)
    tokenizer = load_tokenizer(folder)
    try:
        with torch.random.fork_rng(devices=[]), quiet():
            torch.manual_seed(seed)
            model, report = from_folder(transformers().AutoModelForMaskedLM, folder)
    except Exception as error:  # transformers raises many types for a folder that does not fit
        raise UserError(f"{folder} can't be read as a masked language model: {first_line(error)}") from error
    _for_training(model)
    if any("predictions" in key or "head" in key for key in report["missing_keys"]):
        _begin_head(model, frequencies)
    decoder = model.get_output_embeddings()
    if config.freeze_embeddings:
        model.get_input_embeddings().weight.requires_grad_(False)
        decoder.weight.requires_grad_(False)
    return MaskedLM(model, tokenizer, config)


def _for_training(model: Any) -> None:
    """Without dropout, as a short training on much text has nothing to overfit; on a GPU with the quick attention."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    if torch.cuda.is_available():
        model.set_attn_implementation("sdpa")


def read_causal(name: str | Path) -> nn.Module:
    """A masked model's weights under a causal mask, to be trained on.

    Raises:
        UserError: no such folder, or what is in it is no BERT.
    """
    from transformers import BertConfig, BertLMHeadModel

    folder = local_folder(name)
    _check_bert(folder, name)
    config = BertConfig.from_pretrained(folder, local_files_only=True)
    config.is_decoder, config.architectures = True, ["BertLMHeadModel"]
    return _read_new(BertLMHeadModel, folder, config)


def read_next_sentence(name: str | Path) -> nn.Module:
    """A masked model's weights with a next-sentence head, of random numbers where the folder has none.

    Raises:
        UserError: no such folder, or what is in it is no BERT.
    """
    from transformers import BertConfig, BertForNextSentencePrediction

    folder = local_folder(name)
    _check_bert(folder, name)
    return _read_new(BertForNextSentencePrediction, folder, BertConfig.from_pretrained(folder, local_files_only=True))


def _check_bert(folder: Path, name: str | Path) -> None:
    if (kind := config_of(folder).get("model_type")) != "bert":
        raise UserError(f"{name} is a {kind or 'model of an unknown kind'}; begin with the folder of a BERT.")


def _read_new(kind: Any, folder: Path, config: Any) -> nn.Module:
    try:
        with quiet():
            model = kind.from_pretrained(
                folder, config=config, local_files_only=True, dtype=torch.float32, attn_implementation="eager"
            )
    except Exception as error:  # transformers raises many types for a folder that does not fit
        raise UserError(f"{folder} can't be read as a BERT: {first_line(error)}") from error
    _for_training(model)
    return model


@torch.no_grad()
def _begin_head(model: Any, frequencies: Tensor | None) -> None:
    transform = model.cls.predictions.transform
    transform.dense.weight.copy_(torch.eye(len(transform.dense.weight)))
    transform.dense.bias.zero_()
    decoder = model.get_output_embeddings()
    spread = torch.randn(256, decoder.weight.shape[1], generator=torch.Generator().manual_seed(0)) @ decoder.weight.T
    transform.LayerNorm.weight.fill_(1.0 / float(spread.std()))  # logits of about unit spread
    transform.LayerNorm.bias.zero_()
    decoder.bias.zero_()
    if frequencies is not None:
        decoder.bias.copy_(((frequencies.float() + 0.1) / (frequencies.float() + 0.1).sum()).log())
