"""Masked language models: BERT and its kin (Devlin et al. 2019, arXiv:1810.04805), as `transformers` builds them.

The vocabulary head is by far the widest layer of a small model, so it runs on the positions that are asked for, never
on the whole sentence.
"""

import json
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from sslviz.errors import UserError
from sslviz.language import hub
from sslviz.language.batches import IGNORED, mask_words, moved
from sslviz.methods.base import Losses, Method, StepContext
from sslviz.methods.config import Bounds, MethodConfig
from sslviz.methods.losses import masked_cross_entropy

if not torch.cuda.is_available():
    # transformers loads torch's compiler, and that Triton where it is installed: 80 MB for code that runs on GPUs only
    sys.modules.setdefault("triton", None)  # type: ignore[arg-type]

RECURRENT = "sslviz-gru"  # model_type in config.json of the package's own recurrent models
HEAD = "next_sentence.safetensors"  # a next-sentence head beside a masked model
BUNDLED_MASKED = "bert-sslviz"  # the bundled masked model


@dataclass(frozen=True)
class MaskedLMConfig(MethodConfig):
    """How a masked language model is pretrained further.

    Attributes:
        base: folder of the model to start from, in the layout of `transformers`; it may lack the vocabulary head.
        mask_rate: share of the words that are masked.
        max_length: tokens of a sentence, what is longer is cut.
        heldout: share of the sentences that are only watched, the last ones of the file.
        freeze_embeddings: leave the word embeddings, which the head shares, as they are.
    """

    method = "mlm"
    base: str = BUNDLED_MASKED
    mask_rate: Annotated[float, Bounds(0.01, 0.99)] = 0.15
    max_length: Annotated[int, Bounds(3, 512)] = 64
    heldout: Annotated[float, Bounds(0, 0.9)] = 0.01
    freeze_embeddings: bool = True


class MaskedLM(Method):
    """A model of `transformers` with its tokenizer, and its head set apart from its body."""

    Config = MaskedLMConfig

    def __init__(self, model: nn.Module, tokenizer: Any, config: MaskedLMConfig | None = None, name: str = "") -> None:
        super().__init__()
        self.model: Any = model
        self.tokenizer = tokenizer
        self.config = config or MaskedLMConfig()
        self.name = name

    @classmethod
    def begin(cls, config: MaskedLMConfig, *, seed: int, data: Any = None) -> Any:
        """The model of `config.base`, ready to be trained further on sentences; see `load_base`."""
        from sslviz.language.begin import load_base

        return load_base(config, seed=seed, frequencies=data.frequencies() if data is not None else None)

    def training_step(self, batch: tuple[Tensor, Tensor], generator: torch.Generator, context: StepContext) -> Losses:
        """Mask words of a batch, (ids, words) int64 (B, L) each on the CPU, and predict what stood there."""
        (ids, words), tokenizer = batch, self.tokenizer
        masked, labels = mask_words(
            ids, words, rate=self.config.mask_rate, mask_id=tokenizer.mask_token_id, vocab_size=len(tokenizer),
            generator=generator,
        )  # fmt: skip
        # numbers of places instead of a mask, which the host would have to wait for
        places, device = (labels != IGNORED).flatten().nonzero()[:, 0], self.device
        targets = moved(labels.flatten()[places], device)
        seen = moved(ids != tokenizer.pad_token_id, device)
        logits = context.forward(moved(masked, device), seen, moved(places, device))  # (M, V)
        loss = masked_cross_entropy(logits, targets)
        return {"loss": loss, "accuracy": (logits.detach().argmax(1) == targets).float().mean()}

    def write_files(self, folder: Path) -> bool:
        save(self, folder)
        return True

    def forward(self, ids: Tensor, attention_mask: Tensor, positions: Tensor) -> Tensor:
        """Logits of the tokens at some positions.

        Args:
            ids: tokens, int64 (B, L).
            attention_mask: (B, L), 0 where padded.
            positions: bool (B, L), M of them true; or int64 (M,), numbers of places in the flattened tokens.

        Returns:
            (M, V), in the order of the positions.
        """
        if _head(self.model) is None:  # a kind that is not known here: the whole sentence through the head
            return _at(self.model(input_ids=ids, attention_mask=attention_mask).logits, positions)
        mask = mask_for(self.model, attention_mask)
        h = self.model.base_model(input_ids=ids, attention_mask=mask).last_hidden_state  # (B, L, D)
        return self.head(_at(h, positions))

    def head(self, h: Tensor) -> Tensor:
        """Hidden states (M, D) -> logits (M, V)."""
        return head_of(self.model)(h)


def _at(rows: Tensor, positions: Tensor) -> Tensor:
    """What stands at some positions of (B, L, ...): M rows of it."""
    return rows[positions] if positions.dtype == torch.bool else rows.flatten(0, 1)[positions]


def mask_for(model: Any, seen: Tensor) -> Tensor:
    """The attention mask that a model is given for tokens of which some are padded, `seen` (B, L).

    In training on a GPU it is spread out to (B, 1, L, L): given a flat one, transformers would wait for the GPU to see
    whether anything is padded at all.
    """
    if model.config._attn_implementation != "sdpa":
        return seen
    return seen.bool()[:, None, None, :].expand(-1, 1, seen.shape[1], -1)


@dataclass(frozen=True)
class CausalLM:
    """A model that reads from the left and predicts the next token (GPT-2), with its tokenizer."""

    model: Any
    tokenizer: Any
    name: str


@dataclass(frozen=True)
class NextSentence:
    """A BERT with the head that says whether one sentence follows another, with its tokenizer."""

    model: Any
    tokenizer: Any
    name: str


def head_of(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """The vocabulary head of a masked language model: hidden states (…, D) -> logits (…, V).

    Raises:
        UserError: a kind of model whose head is not known here.
    """
    if head := _head(model):
        return head
    raise UserError(f"The head of a {type(model).__name__} is not known; choose BERT, RoBERTa, DistilBERT or ALBERT.")


def _head(model: nn.Module) -> Callable[[Tensor], Tensor] | None:
    for name in ("cls", "lm_head", "predictions"):  # BERT; RoBERTa, XLM-R and GPT-2; ALBERT
        if hasattr(model, name):
            return getattr(model, name)
    chains = (
        ("vocab_transform", "activation", "vocab_layer_norm", "vocab_projector"),  # DistilBERT
        ("generator_predictions", "generator_lm_head"),  # ELECTRA
        ("head", "decoder"),  # ModernBERT
    )
    for names in chains:
        if all(hasattr(model, name) for name in names):
            return nn.Sequential(*(getattr(model, name) for name in names))
    return None


# loading ------------------------------------------------------------------------------------------------------------


_IMPORTING, _BUILDING = threading.Lock(), threading.RLock()


def transformers() -> Any:
    """The library, first imported by one thread alone: while it is imported it puts another module in its own place,
    and a second thread would get the unfinished one."""
    with _IMPORTING:
        import_module("transformers")
        return sys.modules["transformers"]


def load(name: str | Path, *, progress: Callable[[float], None] | None = None, wait_seconds: float = 20.0) -> MaskedLM:
    """Load a masked language model, ready to fill masks (eval mode, float32).

    What is on this machine is used as it is; only a name that is not is fetched from the Hub.

    Args:
        name: a bundled or own model, a folder in the layout of `transformers`, or a name on the Hub.
        progress: see `hub.fetch`.
        wait_seconds: see `hub.fetch`.

    Raises:
        UserError: there is no such model, it can't be fetched or read, or it fills no masks.
    """
    folder = _find(name, _check_masked, progress, wait_seconds)
    tokenizer = load_tokenizer(folder)
    model = _read(transformers().AutoModelForMaskedLM, folder, str(name), "lacks the head that fills masks")
    return MaskedLM(model, tokenizer, name=str(name)).eval()


def load_causal(
    name: str | Path, *, progress: Callable[[float], None] | None = None, wait_seconds: float = 20.0
) -> CausalLM:
    """Load a model that predicts the next word, as `load` does.

    Raises:
        UserError: as `load`, or a model that does not read from the left.
    """
    folder = _find(name, _check_causal, progress, wait_seconds)
    if config_of(folder).get("model_type") == RECURRENT:
        from sslviz.language.recurrent import read

        return CausalLM(read(folder, config_of(folder)), _read_tokenizer(folder), str(name))
    model = _read(transformers().AutoModelForCausalLM, folder, str(name), "lacks the head that predicts the next word")
    return CausalLM(model, _read_tokenizer(folder), str(name))


def load_any(name: str | Path, *, progress: Callable[[float], None] | None = None) -> MaskedLM | CausalLM:
    """A masked or a left-to-right model, whichever it is; both have vectors of sentences.

    Raises:
        UserError: as `load`.
    """
    folder = hub.find(name)
    config = config_of(folder) if folder is not None else {}
    causal = config.get("model_type") == RECURRENT or config.get("is_decoder")
    return load_causal(name, progress=progress) if causal else load(name, progress=progress)


def has_next_sentence(name: str | Path) -> bool:
    """Whether a model that is on this machine has a next-sentence head; reads no weights."""
    folder = hub.find(name)
    if folder is None:
        return False
    return (folder / HEAD).is_file() or any("seq_relationship" in key for key in hub.tensor_names(folder))


def load_next_sentence(
    name: str | Path, *, progress: Callable[[float], None] | None = None, wait_seconds: float = 20.0
) -> NextSentence:
    """Load a model with its next-sentence head, as `load` does.

    Raises:
        UserError: as `load`, or a model without that head.
    """
    folder = _find(name, _check_next_sentence, progress, wait_seconds)
    if not has_next_sentence(folder):
        raise UserError(f"{name} has no next-sentence head; choose one that has, such as bert-base-uncased.")
    if (folder / HEAD).is_file():
        from sslviz.language import begin, pairs

        model = pairs.apply(begin.read_next_sentence(folder), folder / HEAD)
        return NextSentence(model.eval().requires_grad_(False), load_tokenizer(folder), str(name))
    model = _read(transformers().AutoModelForNextSentencePrediction, folder, str(name), "lacks the next-sentence head")
    return NextSentence(model, load_tokenizer(folder), str(name))


def available(name: str | Path) -> bool:
    """Whether a model can be loaded without the network."""
    return hub.find(name) is not None


def _find(
    name: str | Path,
    check: Callable[[dict[str, Any], str], None],
    progress: Callable[[float], None] | None,
    wait_seconds: float,
) -> Path:
    transformers()
    folder = hub.find(name)
    if folder is None:
        folder = hub.fetch(
            str(name), check=lambda config: check(config, str(name)), progress=progress, wait_seconds=wait_seconds
        )
    check(config_of(folder), str(name))
    return folder


def config_of(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / 'config.json'} can't be read ({error}); restore the file.") from error
    return config if isinstance(config, dict) else {}


def _check_masked(config: dict[str, Any], name: str) -> None:
    """Refuse, by its config.json, what can't fill masks."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    kind, built = config.get("model_type"), " ".join(config.get("architectures") or ())
    other = "choose a masked language model, such as bert-base-uncased"
    if "method" in config and kind is None:
        raise UserError(f"{name} is a model of images; {other}.")
    if config.get("is_decoder") or kind not in MODEL_FOR_MASKED_LM_MAPPING_NAMES or config.get("is_encoder_decoder"):
        what = "predicts the next word only" if "CausalLM" in built or "LMHead" in built else "fills no masks"
        raise UserError(f"{name} ({kind or 'of an unknown kind'}) {what}; {other}.")
    if built and not any(part in built for part in ("LM", "PreTraining")):
        raise UserError(f"{name} ({built}) lacks the head that fills masks; {other}.")


def _check_causal(config: dict[str, Any], name: str) -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as KINDS
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED

    kind = config.get("model_type")
    if kind == RECURRENT:
        return
    if kind not in KINDS or (kind in MASKED and not config.get("is_decoder")):
        raise UserError(f"{name} ({kind or 'of an unknown kind'}) does not predict the next word; choose gpt2, say.")


def _check_next_sentence(config: dict[str, Any], name: str) -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_NEXT_SENTENCE_PREDICTION_MAPPING_NAMES as KINDS

    if config.get("model_type") not in KINDS:
        raise UserError(f"{name} has no next-sentence head; choose one that has, such as bert-base-uncased.")


def from_folder(kind: Any, folder: Path) -> tuple[Any, dict[str, Any]]:
    """A model and what its files lack. Attention is computed in the open: it can be shown, and short text is fast."""
    return kind.from_pretrained(
        folder, output_loading_info=True, local_files_only=True, dtype=torch.float32, attn_implementation="eager"
    )


def _read(kind: Any, folder: Path, name: str, lack: str) -> nn.Module:
    """Read a model's weights, for use."""
    try:
        with torch.random.fork_rng(devices=[]), quiet():
            model, report = from_folder(kind, folder)
    except Exception as error:  # transformers raises many types for a folder that does not fit
        raise UserError(f"{name} can't be read: {first_line(error)}") from error
    missing = [key for key in report["missing_keys"] if "pooler" not in key and "position_ids" not in key]
    if missing or report["mismatched_keys"]:
        raise UserError(f"{name} {lack} ({sorted(missing)[:1] or 'of another shape'}); choose another model.")
    return model.eval().requires_grad_(False)


def load_tokenizer(name: str | Path) -> Any:
    """The fast tokenizer of a model's folder.

    Raises:
        UserError: no such folder, or no fast tokenizer with a mask in it.
    """
    folder = local_folder(name)
    tokenizer = _read_tokenizer(folder)
    if not tokenizer.is_fast or tokenizer.mask_token_id is None or tokenizer.pad_token_id is None:
        raise UserError(f"The tokenizer of {folder} has no mask or can't tell words apart; choose a BERT or a RoBERTa.")
    return tokenizer


def _read_tokenizer(folder: Path) -> Any:
    try:
        with quiet():
            return transformers().AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # transformers raises many types for a folder that does not fit
        raise UserError(f"{folder} has no tokenizer that can be read: {first_line(error)}") from error


def local_folder(name: str | Path) -> Path:
    if folder := hub.find(name):
        return folder
    raise UserError(f"{name} holds no model; give --model.base the folder of a BERT in transformers' layout.")


def save(model: Any, folder: Path, *, compact: bool = False) -> None:
    """Write a model and its tokenizer in the layout of `transformers`, each file whole or not at all.

    Args:
        model: has `model` and `tokenizer`; its weights are float32 again when they are read, however they are written.
        folder: must be there.
        compact: write matrices with 8 bits a number (float8, 3 of them mantissa) and the rest with 16, a quarter of
            the size.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".saving-") as temporary:
        with quiet():
            model.model.save_pretrained(temporary)
            model.tokenizer.save_pretrained(temporary)
        if compact:
            round_weights(Path(temporary) / "model.safetensors")
            list_words(Path(temporary), folder)
        files = sorted(Path(temporary).iterdir(), key=lambda path: path.suffix == ".safetensors")  # weights last
        for path in files:
            path.chmod(0o644)
            os.replace(path, folder / path.name)


def list_words(place: Path, folder: Path) -> None:
    """Put BERT's vocabulary in `place` as a list of words, a third of the size, without its other form in `folder`."""
    whole = place / "tokenizer.json"
    kind = json.loads((place / "tokenizer_config.json").read_text(encoding="utf-8")).get("tokenizer_class")
    if kind != "BertTokenizer" or not whole.is_file():
        return
    numbers = json.loads(whole.read_text(encoding="utf-8"))["model"]["vocab"]
    (place / "vocab.txt").write_text(
        "".join(f"{word}\n" for word in sorted(numbers, key=numbers.get)), encoding="utf-8"
    )
    whole.unlink()
    (folder / whole.name).unlink(missing_ok=True)


def round_weights(path: Path) -> None:
    """Write a safetensors file anew: matrices with 8 bits a number, the rest with 16."""
    from safetensors.torch import load_file, save_file

    def rounded(tensor: Tensor) -> Tensor:
        return tensor.to(torch.float8_e4m3fn if tensor.ndim > 1 else torch.float16)

    save_file({key: rounded(tensor) for key, tensor in load_file(path).items()}, path, {"format": "pt"})


@contextmanager
def quiet():
    """One thread at a time, without transformers' report on what a checkpoint lacks, which is said where it matters.

    While it builds a model it changes what torch does in all threads: of two models at once one would lack weights.
    """
    transformers()
    from transformers.utils import logging as transformers_logging

    with _BUILDING:
        level = transformers_logging.get_verbosity()
        transformers_logging.set_verbosity(logging.CRITICAL)
        transformers_logging.disable_progress_bar()
        try:
            yield
        finally:
            transformers_logging.set_verbosity(level)


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
