"""Variational autoencoder: an image becomes a Gaussian in a small latent space, and a sample of it the image again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple, Self

import torch
from torch import Tensor, nn

from sslviz.data.images import to_float
from sslviz.methods.base import SAMPLES, SHOWN, Arrays, Losses, Method, Moment, StepContext, picture
from sslviz.methods.config import Bounds, MethodConfig, OutOfBounds
from sslviz.methods.losses import elbo, gaussian_kl, reconstruction


@dataclass(frozen=True)
class VAEConfig(MethodConfig):
    """Shape and objective of a VAE.

    Attributes:
        shape: of the images (C, H, W).
        architecture: "mlp" (one hidden layer, 784-400-20 at the defaults) or "conv" (sides divisible by 4).
        hidden: width of the MLP's hidden layer, or channels of the first convolution.
        latent_dim: D_z.
        beta: weight of the KL term in the loss.
        likelihood: "bernoulli" (grey levels read as probabilities) or "gaussian" with standard deviation `sigma`.
        sigma: standard deviation of the Gaussian likelihood, pixel values in [0, 1].
        shared_head: a mistake kept as a lesson: one head serves as the mean and as the log-variance.
    """

    method = "vae"
    shape: Annotated[tuple[int, int, int], Bounds(1, 256)] = (1, 28, 28)
    architecture: Literal["mlp", "conv"] = "mlp"
    hidden: Annotated[int, Bounds(1, 8192)] = 400
    latent_dim: Annotated[int, Bounds(1, 1024)] = 20
    beta: float = 1.0
    likelihood: Literal["bernoulli", "gaussian"] = "bernoulli"
    sigma: Annotated[float, Bounds(1e-3, 100)] = 0.1
    shared_head: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.architecture == "conv" and (self.shape[1] % 4 or self.shape[2] % 4):
            raise OutOfBounds(f"A convolutional VAE needs sides divisible by 4, not {self.shape[1]} x {self.shape[2]}.")

    @classmethod
    def for_images(cls, shape: tuple[int, int, int]) -> Self:
        return cls(shape=shape)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(self.shape)

    @property
    def dim_h(self) -> int:
        return self.latent_dim


class Bound(NamedTuple):
    """Parts of the bound of N images.

    Attributes:
        mu: posterior means (N, D_z).
        kl: of each dimension (N, D_z), nats.
        recon: -log p(x | z), mean over samples of z (N,), nats.
    """

    mu: Tensor
    kl: Tensor
    recon: Tensor


class VAE(Method):
    """Auto-encoding variational Bayes (Kingma & Welling 2014, arXiv:1312.6114)."""

    Config = VAEConfig
    encoding = ("encoder.", "mu_head.", "logvar_head.")

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        body = _mlp if config.architecture == "mlp" else _conv
        self.encoder, width, self.decoder = body(config)
        self.mu_head = nn.Linear(width, config.latent_dim)
        if not config.shared_head:
            self.logvar_head = nn.Linear(width, config.latent_dim)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) in [0, 1] -> posterior mu, logvar, each (B, D_z). mu is what is mapped and probed."""
        hidden = self.encoder(x)
        mu = self.mu_head(hidden)
        return mu, mu if self.config.shared_head else self.logvar_head(hidden)

    def reparameterize(self, mu: Tensor, logvar: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """A sample z = mu + sigma * eps, (B, D_z), through which gradients reach mu and logvar.

        eps is drawn on the CPU, so that a seed gives the same sample on every device.
        """
        eps = torch.randn(mu.shape, generator=generator, dtype=mu.dtype).to(mu.device)
        return mu + (0.5 * logvar).exp() * eps

    def decode_logits(self, z: Tensor) -> Tensor:
        """z (B, D_z) -> logits of the pixels (B, C, H, W); the loss works on these."""
        return self.decoder(z).view(-1, *self.config.shape)

    def decode(self, z: Tensor) -> Tensor:
        """z (B, D_z) -> x_hat (B, C, H, W) in [0, 1], the mean of p(x | z)."""
        return self.decode_logits(z).sigmoid()

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """n images (n, C, H, W) in [0, 1]: the means of p(x | z) for z from the prior."""
        weight = self.mu_head.weight
        return self.decode(torch.randn(n, self.config.latent_dim, generator=generator).to(weight))

    def forward(self, x: Tensor, *, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Images (B, C, H, W) in [0, 1] -> (logits of x_hat (B, C, H, W), mu, logvar (B, D_z)): what `elbo` takes."""
        mu, logvar = self.encode(x)
        return self.decode_logits(self.reparameterize(mu, logvar, generator=generator)), mu, logvar

    def output(self, h: Tensor) -> Tensor:
        return self.decode(h)

    def training_step(self, batch: Tensor, generator: torch.Generator, context: StepContext) -> Losses:
        logits, mu, logvar = context.forward(batch, generator=generator)
        config = self.config
        loss = elbo(batch, logits, mu, logvar, beta=config.beta, likelihood=config.likelihood, sigma=config.sigma)
        return {"loss": loss.loss, "recon": loss.recon, "kl": loss.kl}

    def metrics(self, x: Tensor, h: Tensor, *, seed: int) -> dict[str, float]:
        """recon, kl: nats per image. active_units: dimensions whose mu varies (variance over 0.01).

        Source: Burda et al. 2016, arXiv:1509.00519.
        """
        found = self.evaluate(x, seed=seed)
        active = {"active_units": float((h.var(0) > 0.01).sum())} if len(h) > 1 else {}
        return {"recon": found["recon"], "kl": found["kl"]} | active

    @torch.no_grad()
    def bound(
        self,
        x: Tensor,
        *,
        seed: int,
        n_samples: int = 1,
        batch_size: int = 1000,
        progress: Callable[[float], None] | None = None,
    ) -> Bound:
        """Parts of the negative ELBO (beta = 1) of each image, the model in eval mode.

        Args:
            x: images (N, C, H, W), uint8 or float in [0, 1].
            seed: of the samples of z.
            n_samples: of z an image, over which the reconstruction is averaged.
            batch_size: images a forward pass.
            progress: called after each batch with the fraction done; may raise to cancel.
        """
        config, generator = self.config, torch.Generator().manual_seed(seed)
        parts: list[Bound] = []
        for part in x.split(batch_size):
            batch = to_float(part.to(self.device))
            mu, logvar = self.encode(batch)
            recon = torch.zeros(len(batch), dtype=torch.float64)
            for _ in range(n_samples):
                logits = self.decode_logits(self.reparameterize(mu, logvar, generator=generator))
                nll = reconstruction(batch, logits, likelihood=config.likelihood, sigma=config.sigma)
                recon += nll.double().cpu() / n_samples
            parts.append(Bound(mu.cpu(), gaussian_kl(mu, logvar).double().cpu(), recon))
            if progress:
                progress(sum(len(done.recon) for done in parts) / len(x))
        return Bound(*(torch.cat(each) for each in zip(*parts, strict=True)))

    def evaluate(self, x: Tensor, *, seed: int, batch_size: int = 1000) -> dict[str, float]:
        """Negative ELBO (beta = 1) of images in nats per image, one sample of z each; the model in eval mode.

        Args:
            x: images (N, C, H, W), uint8 or float in [0, 1].
            seed: of the samples.
            batch_size: images a forward pass.

        Returns:
            recon, kl, negative_elbo.
        """
        found = self.bound(x, seed=seed, batch_size=batch_size)
        recon, kl = float(found.recon.mean()), float(found.kl.sum(1).mean())
        return {"recon": recon, "kl": kl, "negative_elbo": recon + kl}

    def snapshot(self, x: Tensor, moment: Moment) -> Arrays:
        """x, x_hat (10, C, H, W) and samples (40, C, H, W), uint8."""
        shown = x[:SHOWN].to(self.device)
        samples = self.sample(SAMPLES, generator=moment.generator())
        return self._reconstructed(shown) | {"samples": picture(samples)}

    def step_snapshot(self, x: Tensor, moment: Moment, generator: torch.Generator) -> Arrays:
        """x, x_hat (10, C, H, W), uint8."""
        return self._reconstructed(x[:SHOWN].to(self.device))

    def _reconstructed(self, x: Tensor) -> Arrays:
        return {"x": picture(x), "x_hat": picture(self.decode(self.encode(x)[0]))}


def _mlp(config: VAEConfig) -> tuple[nn.Module, int, nn.Module]:
    """Encoder to (B, hidden), its width, and decoder: the layout of Kingma & Welling's MNIST experiment."""
    c, h, w = config.shape
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(c * h * w, config.hidden), nn.ReLU())
    decoder = nn.Sequential(
        nn.Linear(config.latent_dim, config.hidden), nn.ReLU(), nn.Linear(config.hidden, c * h * w)
    )  # fmt: skip
    return encoder, config.hidden, decoder


def _conv(config: VAEConfig) -> tuple[nn.Module, int, nn.Module]:
    """Two convolutions of stride 2 down, two transposed ones up, a linear layer between them and the latent space."""
    (c, h, w), a, b = config.shape, config.hidden, 2 * config.hidden
    width, grid = 8 * config.hidden, (b, h // 4, w // 4)
    cells = b * (h // 4) * (w // 4)
    encoder = nn.Sequential(
        nn.Conv2d(c, a, 4, 2, 1), nn.ReLU(), nn.Conv2d(a, b, 4, 2, 1), nn.ReLU(),
        nn.Flatten(), nn.Linear(cells, width), nn.ReLU(),
    )  # fmt: skip
    decoder = nn.Sequential(
        nn.Linear(config.latent_dim, width), nn.ReLU(), nn.Linear(width, cells), nn.ReLU(), nn.Unflatten(1, grid),
        nn.ConvTranspose2d(b, a, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(a, c, 4, 2, 1),
    )  # fmt: skip
    return encoder, width, decoder
