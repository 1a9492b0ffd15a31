"""Models and losses of the problems in `suggestion_problems.py`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class Residual(nn.Module):
    """Pre-norm residual block: `x + f(norm(x))`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.f = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` plus the block's output."""
        return x + self.f(x)


class Attention(nn.Module):
    """One transformer layer over token embeddings, mean-pooled."""

    def __init__(self, tokens: int, length: int, width: int, classes: int) -> None:
        super().__init__()
        self.embed, self.place = nn.Embedding(tokens, width), nn.Parameter(0.1 * torch.randn(length, width))
        self.layer = nn.TransformerEncoderLayer(width, 2, 2 * width, dropout=0.1, batch_first=True, norm_first=True)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return class logits of token ids `(batch, length)`."""
        return self.head(self.layer(self.embed(x) + self.place).mean(1))


class Recurrent(nn.Module):
    """A GRU whose last state is read out."""

    def __init__(self, inputs: int, width: int, classes: int) -> None:
        super().__init__()
        self.rnn, self.head = nn.GRU(inputs, width, batch_first=True), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return class logits of sequences `(batch, length, inputs)`."""
        return self.head(self.rnn(x)[0][:, -1])


class Factors(nn.Module):
    """Matrix factorisation: rating = user vector . item vector + biases."""

    def __init__(self, users: int, items: int, width: int) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(users, width + 1), nn.Embedding(items, width + 1)
        for table in (self.user, self.item):
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the ratings of `(user, item)` pairs."""
        u, v = self.user(x[:, 0]), self.item(x[:, 1])
        return (u[:, 1:] * v[:, 1:]).sum(1) + u[:, 0] + v[:, 0]


def mlp(*sizes: int, act: Callable[[], nn.Module] = nn.ReLU, norm: bool = False, dropout: float = 0.0) -> nn.Sequential:
    """Return a multi-layer perceptron; `norm` puts batch norm before each activation."""
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(pairwise(sizes)):
        layers.append(nn.Linear(a, b))
        if i < len(sizes) - 2:
            layers += ([nn.BatchNorm1d(b)] if norm else []) + [act()] + ([nn.Dropout(dropout)] if dropout else [])
    return nn.Sequential(*layers)


def conv(classes: int) -> nn.Sequential:
    """Return a batch-normalised convolutional classifier of 8 x 8 images."""
    layers: list[nn.Module] = []
    for a, b, stride in ((1, 8, 1), (8, 16, 2), (16, 32, 2)):
        layers += [nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128, classes))


def cross_entropy(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Return the mean cross entropy."""
    return F.cross_entropy(model(x), y)


def squared_error(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Return the mean squared error."""
    return F.mse_loss(model(x).view_as(y), y)


def gaussian_nll(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Return the negative log likelihood of a predicted normal distribution: negative where the fit is good."""
    mean, log_std = model(x).chunk(2, 1)
    log_std = log_std.clamp(-6.0, 6.0)
    return (log_std + 0.5 * ((y - mean) * torch.exp(-log_std)) ** 2).mean()


def negative_cosine(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Return minus the mean cosine similarity: bounded by -1 and 1, and the output's length does not matter."""
    return -F.cosine_similarity(model(x), y).mean()


def bounded_error(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Return one minus the mean probability of the right class: it saturates instead of exploding."""
    return 1.0 - F.softmax(model(x), 1).gather(1, y[:, None]).mean()


def hinge(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Return the multi-class hinge loss."""
    return F.multi_margin_loss(model(x), y)


def poisson(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Return the Poisson negative log likelihood without its constant: negative for counts above e."""
    return F.poisson_nll_loss(model(x), y)


def huber(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Return the Huber loss."""
    return F.huber_loss(model(x), y)


def contrast(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Return the contrastive loss of two views: each must find its partner in the batch."""
    a, b = F.normalize(model(x), dim=1), F.normalize(model(y), dim=1)
    return F.cross_entropy(a @ b.T / 0.2, torch.arange(len(a)))
