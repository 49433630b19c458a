"""What is known of each method without torch: what pages show of it, and where its class is.

A method is one file (see `sslviz.methods.base`) and one entry here. Whoever needs to know something of a method reads
it here or asks its model; nobody names a method.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from sslviz.errors import UserError
from sslviz.methods.config import Bounds, MethodConfig

LABELLED = "supervised"  # what learns with labels, for rows "from scratch"
DEFAULT = "simclr"  # what the train page opens with; "random-mnist" is such a model, untrained


@dataclass(frozen=True)
class Setting:
    """A number or a switch of a method's config that may be changed on the train page; bounds stand here and nowhere
    else.

    Attributes:
        option: on the command line, "--model.temperature".
        label: in words, with the unit.
        bounds: the least and the most.
        default: as in the method's config, which a test holds it to; True or False for a switch.
        reason: what changes with it.
    """

    option: str
    label: str
    bounds: Bounds
    default: float
    reason: str


@dataclass(frozen=True)
class EncoderChoice:
    """An encoder by name, and the options that make it.

    Attributes:
        title: in words.
        options: words of the command line.
        colour: more words for colour images.
        divides: what the sides of the images must be divisible by.
    """

    title: str
    options: tuple[str, ...] = ()
    colour: tuple[str, ...] = ()
    divides: int = 1


@dataclass(frozen=True)
class Curve:
    """A number that is followed while training: its key in the events, a label for its curve and its unit."""

    key: str
    label: str
    unit: str


@dataclass(frozen=True)
class MethodInfo:
    """All that is known of a method without torch.

    Attributes:
        title: its name.
        colour: that its encoders keep on every page.
        target: "module:Class" of its model, imported when it is asked for.
        paper: authors, year and arXiv number.
        latex, symbols: its formula, and what each symbol is: (words, code).
        source: of one step, "module:Class.method", shown as it stands.
        way: a step in words, from the batch to the loss.
        kind: of what it learns from.
        defaults: of `TrainConfig`'s fields, where they are this method's own.
        settings: numbers of its config that the train page shows.
        encoders: that the train page offers, the quickest first; the first needs no options.
        losses: parts of the loss or what goes with it, drawn below the loss.
        loss_caption: of the newest step, a format string of its losses.
        rising: said where the loss has risen since the first step.
        gauge: drawn below the online k-NN.
        gauge_caption: a format string of the newest evaluation.
        batch_reason: what changes with the number of images a step.
        views: whether a step sees random views of its images.
        decoder: whether h can be decoded into an image.
        projector: whether a head stands between h and the loss.
        pairs: whether it learns from pairs of sentences of running text, paragraphs parted by blank lines.
        labels: whether a step needs the images' labels; `classes` of its config, if there, is how many they name.
        metric: how near two h are: by their angle, or by their distance.
        evaluation: what `sslviz eval` measures of it besides the probes, with the unit, or "".
    """

    title: str
    colour: str
    target: str
    paper: str
    latex: str
    symbols: Mapping[str, tuple[str, str]]
    source: str
    way: str
    kind: Literal["image", "text"] = "image"
    defaults: Mapping[str, Any] = field(default_factory=dict)
    settings: tuple[Setting, ...] = ()
    encoders: Mapping[str, EncoderChoice] = field(default_factory=dict)
    losses: tuple[Curve, ...] = ()
    loss_caption: str = "Loss {loss:.2f}."
    rising: str = ""
    gauge: Curve | None = None
    gauge_caption: str = ""
    batch_reason: str = "More images a step make steps that are steadier, and fewer."
    views: bool = False
    decoder: bool = False
    projector: bool = False
    pairs: bool = False
    labels: bool = False
    metric: Literal["cosine", "euclidean"] = "cosine"
    evaluation: str = ""

    def label_refusal(self, class_names: Sequence[str]) -> str:
        """Why images of these classes can't be learnt from: a sentence, or "" where they can."""
        if not self.labels or len(class_names) > 1:
            return ""
        have = "are all of one class" if class_names else "have none"
        return f"{self.title} learns from labels, and these images {have}; choose another method, or add labels."


# what methods that compare two views share ---------------------------------------------------------------------------

NARROW = ("--model.encoder.widths", "32", "64", "128")
RESNET18 = (
    *("--model.encoder.widths", "64", "64", "128", "256", "512"),
    *("--model.encoder.strides", "1", "1", "2", "2", "2", "--model.encoder.depth", "2", "--model.encoder.pool", "1"),
)
IMAGE_ENCODERS = {
    "narrow": EncoderChoice("Three convolutions, 32 to 128 wide", NARROW),
    "medium": EncoderChoice("Three convolutions, 64 to 256 wide"),
    "resnet18": EncoderChoice("ResNet-18 (for a GPU)", RESNET18),
}
PAIRS = {
    r"z_1, z_2": ("projections of two views", "model.project(model.encode(x1))"),
    r"\mathrm{sim}": ("cosine", "F.normalize(z1) @ F.normalize(z2).T"),
}
TWO_VIEWS: dict[str, Any] = {
    "way": "Batch → views → encoder → loss → gradients → one step of AdamW, some thousands of times.",
    "defaults": {"batch_size": 256, "lr": 1.5e-3, "weight_decay": 1e-4, "epochs": 10.0},
    "encoders": IMAGE_ENCODERS,
    "losses": (Curve("positive", "pairs", "cosine"), Curve("negative", "others", "cosine")),
    "loss_caption": "Views of one image agree at {positive:.2f}, of two images at {negative:.2f}.",
    "gauge": Curve("z_std", "spread of z", "1 fills the sphere, 0 is collapse"),
    "gauge_caption": "Spread {z_std:.2f}: 1 fills the sphere, 0 is collapse.",
    "batch_reason": "Other images of the batch are the negatives: more make the task harder, and cost memory.",
    "views": True,
    "projector": True,
}
TEMPERATURE = Setting(
    "--model.temperature", "Temperature (divides cosines)", Bounds(1e-3, 100), 0.2,
    "Low: only the nearest negatives count. High: all count alike.",
)  # fmt: skip

NEXT_TOKEN: dict[str, Any] = {
    "latex": r"\mathcal{L} = -\frac{1}{T}\sum_{t=1}^{T}\log p(w_t \mid w_1, \dots, w_{t-1})",
    "symbols": {"w_t": ("token t of a sentence", "targets"), "T": ("tokens of a sentence", "len(places)")},
    "way": "Sentences → encoder, from the left alone → loss → gradients → one step of AdamW, some thousands of times.",
    "kind": "text",
    "defaults": {"batch_size": 32, "lr": 4e-4, "epochs": 1.0},
    "losses": (Curve("accuracy", "next tokens found", "share"),),
    "loss_caption": "Loss {loss:.2f} nats a token.",
}

METHODS: dict[str, MethodInfo] = {
    "vae": MethodInfo(
        title="VAE",
        colour="#00897b",
        target="sslviz.methods.vae:VAE",
        paper="Kingma & Welling 2014, arXiv:1312.6114",
        latex=r"\mathcal{L} = \underbrace{-\mathbb{E}_{q(z|x)}[\log p(x\,|\,z)]}_{\mathrm{recon}}"
        r" + \beta\,\underbrace{\mathrm{KL}\big(q(z\,|\,x)\,\|\,\mathcal{N}(0, I)\big)}_{\mathrm{kl}}",
        symbols={
            r"\mathrm{recon}": ("what the picture loses, nats per image", "losses.elbo(...).recon"),
            r"\mathrm{kl}": ("what z costs, nats per image", "losses.elbo(...).kl"),
            r"\beta": ("weight of the KL", "VAEConfig.beta"),
        },
        source="sslviz.methods.vae:VAE.training_step",
        way="Batch → encoder → z → decoder → loss → gradients → one step of AdamW, some thousands of times.",
        defaults={"batch_size": 128, "lr": 2e-3, "epochs": 10.0},
        settings=(
            Setting(
                "--model.beta", "β (weight of the KL, no unit)", Bounds(0, 1e4), 1.0,
                "Above 1 the latent space is smoother and the pictures are blurrier; 0 is a plain autoencoder.",
            ),
            Setting(
                "--model.shared-head", "One head for mean and log-variance (a mistake)", Bounds(0, 1), False,
                "On: the mean is taken for the log-variance too, so that a place in z fixes how sure it is.",
            ),
        ),
        encoders={
            "mlp": EncoderChoice("One hidden layer, z of 20"),
            "plane": EncoderChoice("One hidden layer, z of 2 (a plane)", ("--model.latent-dim", "2")),
            "conv": EncoderChoice(
                "Convolutions, z of 64",
                ("--model.architecture", "conv", "--model.hidden", "24", "--model.latent-dim", "64"),
                colour=("--model.likelihood", "gaussian"),
                divides=4,
            ),
        },
        losses=(Curve("recon", "recon", "nats per image"), Curve("kl", "KL", "nats per image")),
        loss_caption="Loss {loss:.1f} nats: {recon:.1f} nats to reconstruct, {kl:.1f} nats of KL.",
        gauge=Curve("active_units", "active z", "dimensions"),
        gauge_caption="{active_units:.0f} dimensions of z are in use.",
        decoder=True,
        metric="euclidean",
        evaluation="negative ELBO, nats per image, one sample of z each",
    ),
    "simclr": MethodInfo(
        title="SimCLR",
        colour="#5b6be1",
        target="sslviz.methods.simclr:SimCLR",
        paper="Chen et al. 2020, arXiv:2002.05709",
        latex=r"\mathcal{L} = -\frac{1}{2N}\sum_{i=1}^{2N}\log\frac{\exp(\mathrm{sim}(z_i, z_{i'})/\tau)}"
        r"{\sum_{k \ne i}\exp(\mathrm{sim}(z_i, z_k)/\tau)}",
        symbols=PAIRS
        | {
            r"\tau": ("temperature", "SimCLRConfig.temperature"),
            "i'": ("the other view of image i", "losses.nt_xent"),
        },
        source="sslviz.methods.base:TwoViewMethod.training_step",
        settings=(
            TEMPERATURE,
            Setting(
                "--model.negatives", "Negatives (other images are pushed apart)", Bounds(0, 1), True,
                "Off: only the pull between two views of an image is left, and z collapses.",
            ),
        ),
        **TWO_VIEWS,
    ),
    "moco": MethodInfo(
        title="MoCo",
        colour="#c9508e",
        target="sslviz.methods.moco:MoCo",
        paper="He et al. 2020, arXiv:1911.05722; Chen et al. 2020, arXiv:2003.04297",
        latex=r"\mathcal{L} = -\log\frac{\exp(q \cdot k_+/\tau)}{\exp(q \cdot k_+/\tau) + \sum_{j=1}^{K}\exp(q \cdot "
        r"k_j/\tau)}, \qquad \theta_k \leftarrow m\,\theta_k + (1 - m)\,\theta_q",
        symbols={
            "q": ("query, a view through the encoder", "model(x1)"),
            "k_+": ("its key, the other view through the key encoder", "model.keys(x2)"),
            "k_j": ("keys of earlier batches", "model.queue"),
            r"\tau": ("temperature", "MoCoConfig.temperature"),
            "m": ("momentum of the key encoder", "model.update_momentum()"),
        },
        source="sslviz.methods.moco:MoCo.training_step",
        settings=(
            TEMPERATURE,
            Setting(
                "--model.queue-size", "Queue (keys)", Bounds(1, 1 << 18), 4096,
                "More negatives than a batch holds, but older ones; it must hold at least one batch.",
            ),
            Setting(
                "--model.momentum", "Momentum of the key encoder (share kept a step)", Bounds(0, 1), 0.99,
                "High: the keys in the queue stay comparable. Low: the key encoder runs after the query encoder.",
            ),
        ),
        rising="The queue began as random numbers, which are easy to tell from a key: so the loss rises first.",
        **TWO_VIEWS,
    ),
    "supervised": MethodInfo(
        title="Supervised",
        colour="#a65300",
        target="sslviz.methods.supervised:Supervised",
        paper="LeCun et al. 1998, Proceedings of the IEEE 86(11)",
        latex=r"\mathcal{L} = -\frac{1}{N}\sum_{i=1}^{N}\log\frac{\exp(w_{y_i} \cdot h_i + b_{y_i})}"
        r"{\sum_{k=1}^{K}\exp(w_k \cdot h_i + b_k)}",
        symbols={
            "h_i": ("representation of a view of image i", "model.encode(x1)"),
            "y_i": ("its label", "StepContext.labels"),
            "w_k, b_k": ("weights and bias of class k", "model.classifier"),
            "K": ("classes", "SupervisedConfig.classes"),
        },
        source="sslviz.methods.supervised:Supervised.training_step",
        way="Batch → one view → encoder → classifier → loss of the labels → gradients → one step of AdamW.",
        defaults={"batch_size": 256, "lr": 1.5e-3, "weight_decay": 0.02, "epochs": 10.0},
        encoders=IMAGE_ENCODERS,
        losses=(Curve("accuracy", "right in the batch", "share"),),
        loss_caption="Loss {loss:.2f} nats; {accuracy:.0%} of the batch right.",
        views=True,
        labels=True,
    ),
    "mlm": MethodInfo(
        title="BERT",
        colour="#0b84c6",
        target="sslviz.language.model:MaskedLM",
        paper="Devlin et al. 2019, arXiv:1810.04805",
        latex=r"\mathcal{L} = -\frac{1}{|M|}\sum_{i \in M}\log p(w_i \mid \tilde{w})",
        symbols={
            "M": ("positions that are masked", "batches.mask_words"),
            "w_i": ("the token that is hidden there", "labels"),
            r"\tilde{w}": ("the sentence with masks", "masked"),
        },
        source="sslviz.language.model:MaskedLM.training_step",
        way="Sentences → masks → encoder → loss → gradients → one step of AdamW, some thousands of times.",
        kind="text",
        defaults={"batch_size": 32, "lr": 4e-4, "epochs": 1.0},
        losses=(Curve("accuracy", "masked tokens found", "share"),),
        loss_caption="Loss {loss:.2f} nats a masked token.",
    ),
    "clm": MethodInfo(
        title="BERT from left to right",
        colour="#3f51b5",
        target="sslviz.language.causal:CausalBert",
        source="sslviz.language.causal:NextToken.training_step",
        paper="Radford et al. 2018, Improving language understanding by generative pre-training",
        **NEXT_TOKEN,
    ),
    "gru": MethodInfo(
        title="GRU of words",
        colour="#7b5e00",
        target="sslviz.language.recurrent:RecurrentLM",
        source="sslviz.language.causal:NextToken.training_step",
        paper="Cho et al. 2014, arXiv:1406.1078",
        **NEXT_TOKEN,
    ),
    "nsp": MethodInfo(
        title="BERT of sentence pairs",
        colour="#00838f",
        target="sslviz.language.pairs:NextSentenceBert",
        paper="Devlin et al. 2019, arXiv:1810.04805",
        latex=r"\mathcal{L} = -\log p(y \mid a, b)",
        symbols={
            "a, b": ("two sentences", "pairs.join"),
            "y": ("whether b follows a, or is another sentence, or the one before", "kinds"),
        },
        source="sslviz.language.pairs:NextSentenceBert.training_step",
        way="Two sentences → encoder → pooler → loss → gradients → one step of AdamW, some thousands of times.",
        kind="text",
        defaults={"batch_size": 32, "lr": 1e-3, "epochs": 1.0},
        losses=(Curve("accuracy", "pairs told apart", "share"),),
        loss_caption="Loss {loss:.2f} nats a pair.",
        pairs=True,
    ),
}  # fmt: skip


def info(method: str) -> MethodInfo:
    """A method's entry.

    Raises:
        UserError: there is no such method.
    """
    if method not in METHODS:
        raise UserError(f"There is no method '{method:.60}'; choose one of {', '.join(METHODS)}.")
    return METHODS[method]


def image_methods() -> dict[str, MethodInfo]:
    """The methods that learn from images, by key."""
    return {key: entry for key, entry in METHODS.items() if entry.kind == "image"}


def method_class(method: str) -> Any:
    """A method's model class, a subclass of `sslviz.methods.base.Method`; this imports torch.

    Raises:
        UserError: there is no such method.
    """
    module, name = info(method).target.split(":")
    return getattr(import_module(module), name)


def config_class(method: str) -> type[MethodConfig]:
    """A method's config class; this imports torch.

    Raises:
        UserError: there is no such method.
    """
    found: type[MethodConfig] = method_class(method).Config
    return found
