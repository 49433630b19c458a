"""Variational autoencoder: an image becomes a Gaussian in a small latent space, and a sample of it the image again."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class VAEConfig:
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

    shape: tuple[int, int, int] = (1, 28, 28)
    architecture: Literal["mlp", "conv"] = "mlp"
    hidden: int = 400
    latent_dim: int = 20
    beta: float = 1.0
    likelihood: Literal["bernoulli", "gaussian"] = "bernoulli"
    sigma: float = 0.1
    shared_head: bool = False

    def __post_init__(self) -> None:
        if self.architecture == "conv" and (self.shape[1] % 4 or self.shape[2] % 4):
            raise ValueError(f"a convolutional VAE needs sides divisible by 4, not {self.shape[1]} x {self.shape[2]}")
        if min(*self.shape, self.hidden, self.latent_dim) < 1 or self.sigma <= 0 or self.beta < 0:
            raise ValueError("shape, hidden and latent_dim must be at least 1, sigma above 0, beta at least 0")


class VAE(nn.Module):
    """Auto-encoding variational Bayes (Kingma & Welling 2014, arXiv:1312.6114)."""

    method = "vae"

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
