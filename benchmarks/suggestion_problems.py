"""Small training problems on which a suggested maximum learning rate (LR) is judged.

Every problem is seeded, deterministic on a CPU, needs torch only and trains in about a second: one-cycle runs over a
grid of maximum LRs are its ground truth (`suggestion_truth.json`). They were chosen to differ where range tests fail:
negative losses, parameter groups in a ratio, heavy noise, networks that cannot explode, losses that flatten.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F  # noqa: N812
from suggestion_models import (
    Attention,
    Factors,
    Recurrent,
    Residual,
    bounded_error,
    contrast,
    conv,
    cross_entropy,
    gaussian_nll,
    hinge,
    huber,
    mlp,
    negative_cosine,
    poisson,
    squared_error,
)
from torch import Tensor, nn
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

Data = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Problem:
    """One training problem: what Lightning would find in a module and its loaders.

    Args:
        name: Key in the ground truth.
        build: Builds the untrained model; called under a fixed seed.
        optimizer: `(model, lr) -> Optimizer`; groups in a ratio keep it, `lr` is the one of the first group.
        loss: `(model, x, y) -> ` mean loss of one batch.
        train: Training inputs and targets.
        val: Validation inputs and targets, without label noise.
        batch_size: Samples per optimizer step.
        steps: Optimizer steps of one full training run.
        grid: Decades of the ground truth's grid, both ends included.
    """

    name: str
    build: Callable[[], nn.Module]
    optimizer: Callable[[nn.Module, float], Optimizer]
    loss: Callable[[nn.Module, Tensor, Tensor], Tensor]
    train: Data
    val: Data
    batch_size: int = 32
    steps: int = 300
    grid: tuple[float, float] = (-5.0, 1.0)

    def model(self, seed: int) -> nn.Module:
        """Return the untrained model of this seed, without touching the global random state."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.build()

    def batches(self, seed: int, count: int) -> Iterator[Data]:
        """Yield `count` shuffled batches; epochs are without replacement, an incomplete last batch is dropped."""
        generator = torch.Generator().manual_seed(7919 + seed)
        x, y = self.train
        per_epoch = len(x) // self.batch_size
        order = torch.empty(0, dtype=torch.long)
        for i in range(count):
            if i % per_epoch == 0:
                order = torch.randperm(len(x), generator=generator)
            rows = order[(i % per_epoch) * self.batch_size :][: self.batch_size]
            yield x[rows], y[rows]

    @torch.no_grad()
    def validation_loss(self, model: nn.Module) -> float:
        """Return the loss on the validation data, in evaluation mode."""
        model.eval()
        loss = float(self.loss(model, *self.val))
        model.train()
        return loss


# ---------------------------------------------------------------- data and losses


def _split(x: Tensor, y: Tensor, held_out: int, clean: Tensor | None = None) -> tuple[Data, Data]:
    """Return training data, and the last `held_out` rows as validation data with `clean` targets where given."""
    target = y if clean is None else clean
    return (x[:-held_out], y[:-held_out]), (x[-held_out:], target[-held_out:])


def _teacher(generator: torch.Generator, inputs: int, outputs: int, rows: int) -> tuple[Tensor, Tensor]:
    """Return standard normal inputs and the standardised outputs of a random two-layer tanh network."""
    x = torch.randn(rows, inputs, generator=generator)
    hidden = torch.tanh(x @ torch.randn(inputs, 24, generator=generator) / math.sqrt(inputs) * 2.0)
    y = hidden @ torch.randn(24, outputs, generator=generator)
    return x, (y - y.mean(0)) / y.std(0)


def _images(generator: torch.Generator, rows: int, noise: float) -> tuple[Tensor, Tensor]:
    """Return 8 x 8 images of ten random smooth prototypes, shifted by up to one pixel, with additive noise."""
    coarse = torch.randn(10, 1, 4, 4, generator=generator)
    prototypes = F.interpolate(coarse, size=(8, 8), mode="bilinear", align_corners=False)
    y = torch.randint(10, (rows,), generator=generator)
    shifts = torch.randint(-1, 2, (rows, 2), generator=generator).tolist()
    x = torch.stack([prototypes[k].roll((a, b), (1, 2)) for k, (a, b) in zip(y.tolist(), shifts, strict=True)])
    return x + noise * torch.randn(x.shape, generator=generator), y


def _sgd(momentum: float = 0.9, **more: object) -> Callable[[nn.Module, float], Optimizer]:
    return lambda model, lr: SGD(model.parameters(), lr=lr, momentum=momentum, **more)  # type: ignore[arg-type]


def _with(cls: Callable[..., Optimizer], **more: object) -> Callable[[nn.Module, float], Optimizer]:
    return lambda model, lr: cls(model.parameters(), lr=lr, **more)


def _head_and_body(model: nn.Module, lr: float) -> Optimizer:
    """Return SGD with the last layer at `lr` and the pretrained body at a tenth of it."""
    assert isinstance(model, nn.Sequential)
    body = [p for layer in model[:-1] for p in layer.parameters()]
    return SGD([{"params": list(model[-1].parameters()), "lr": lr}, {"params": body, "lr": lr / 10}], momentum=0.9)


def _input_and_rest(model: nn.Module, lr: float) -> Optimizer:
    """Return AdamW with the last layer at `lr` and all others at five times that."""
    assert isinstance(model, nn.Sequential)
    rest = [p for layer in model[:-1] for p in layer.parameters()]
    return AdamW([{"params": list(model[-1].parameters()), "lr": lr}, {"params": rest, "lr": lr * 5}], lr=lr)


# ---------------------------------------------------------------- the problems


@cache
def problems() -> dict[str, Problem]:
    """Return all problems by name; the data are made once."""
    g = torch.Generator().manual_seed(20260101)
    images, labels = _images(g, 2000, 0.8)
    flat = images.flatten(1)
    wrong = torch.where(torch.rand(2000, generator=g) < 0.4, torch.randint(10, (2000,), generator=g), labels)
    x20, y1 = _teacher(g, 20, 1, 1800)
    x12, y8 = _teacher(g, 12, 8, 1800)
    noisy = y1 + torch.randn(y1.shape, generator=g) * 1.5 * (1 + 2 * (torch.rand(y1.shape, generator=g) < 0.1))
    spread = y1 * 0.5 + 0.02 * torch.randn(y1.shape, generator=g)
    blobs = 1.5 * torch.randn(6, 16, generator=g)
    kind = torch.randint(6, (1500,), generator=g)
    points = blobs[kind] + 2.0 * torch.randn(1500, 16, generator=g)
    tokens = torch.randint(8, (1800, 12), generator=g)
    parity = ((tokens == 3).sum(1) > (tokens == 5).sum(1)).long()
    waves = torch.randn(1500, 10, 2, generator=g)
    memory = (waves[:, 4, 0] + waves[:, 7, 1] > 0).long()
    pairs = torch.stack([torch.randint(60, (4000,), generator=g), torch.randint(80, (4000,), generator=g)], 1)
    taste = torch.randn(60, 4, generator=g), torch.randn(80, 4, generator=g)
    ratings = (taste[0][pairs[:, 0]] * taste[1][pairs[:, 1]]).sum(1) / 2 + 0.5 * torch.randn(4000, generator=g)

    def pretrained() -> nn.Module:
        model = mlp(64, 64, 64, 10)
        optimizer = Adam(model.parameters(), lr=3e-3)
        for _ in range(60):
            optimizer.zero_grad()
            cross_entropy(model, flat[:800].flip(1), labels[:800]).backward()
            optimizer.step()
        nn.init.zeros_(model[-1].weight)
        nn.init.zeros_(model[-1].bias)
        return model

    def times(factor: float) -> Callable[[nn.Module, Tensor, Tensor], Tensor]:
        return lambda model, x, y: factor * squared_error(model, x, y)

    img, vec = _split(images, labels, 400), _split(flat, labels, 400)
    wide, low = (-4.0, 1.5), (-5.0, 0.5)
    found = [
        Problem("mlp_tanh_adam", lambda: mlp(64, 64, 64, 10, act=nn.Tanh), _with(Adam), cross_entropy, *vec, grid=low),
        Problem("conv_norm_sgd", lambda: conv(10), _sgd(weight_decay=5e-4), cross_entropy, *img, grid=wide),
        Problem("conv_norm_adamw", lambda: conv(10), _with(AdamW, weight_decay=0.05), cross_entropy, *img, grid=low),
        Problem(
            "dropout_adamw", lambda: mlp(64, 128, 64, 10, dropout=0.4), _with(AdamW), cross_entropy, *vec, grid=low
        ),
        Problem(
            "label_noise_sgd",
            lambda: mlp(64, 64, 10),
            _sgd(),
            cross_entropy,
            *_split(flat, wrong, 400, labels),
            4,
            500,
            wide,
        ),
        Problem("groups_sgd", pretrained, _head_and_body, cross_entropy, *vec, grid=(-4.0, 2.0)),
        Problem(
            "groups_adamw",
            lambda: mlp(20, 64, 64, 1),
            _input_and_rest,
            squared_error,
            *_split(x20, y1, 300),
            grid=(-5.5, 0.5),
        ),
        Problem("nll_adam", lambda: mlp(20, 64, 64, 2), _with(Adam), gaussian_nll, *_split(x20, spread, 300), grid=low),
        Problem(
            "nll_sgd", lambda: mlp(20, 64, 2), _sgd(), gaussian_nll, *_split(x20, spread, 300), 32, 400, (-5.0, 1.0)
        ),
        Problem(
            "cosine_sgd", lambda: mlp(12, 64, 64, 8), _sgd(), negative_cosine, *_split(x12, y8, 300), grid=(-4.0, 2.5)
        ),
        Problem(
            "noisy_regression_adam",
            lambda: mlp(20, 64, 64, 1),
            _with(Adam),
            squared_error,
            *_split(x20, noisy, 300, y1),
            4,
            500,
            low,
        ),
        Problem(
            "residual_sgd",
            lambda: nn.Sequential(nn.Linear(64, 32), *[Residual(32) for _ in range(4)], nn.Linear(32, 10)),
            _sgd(nesterov=True),
            cross_entropy,
            *vec,
            grid=wide,
        ),
        Problem(
            "attention_adamw",
            lambda: Attention(8, 12, 24, 2),
            _with(AdamW),
            cross_entropy,
            *_split(tokens, parity, 300),
            grid=low,
        ),
        Problem(
            "recurrent_adam",
            lambda: Recurrent(2, 24, 2),
            _with(Adam),
            cross_entropy,
            *_split(waves, memory, 300),
            32,
            400,
            low,
        ),
        Problem(
            "linear_sgd",
            lambda: nn.Linear(16, 6),
            _sgd(0.0),
            cross_entropy,
            *_split(points, kind, 300),
            16,
            300,
            (-4.0, 2.0),
        ),
        Problem("bounded_sgd", lambda: mlp(64, 64, 64, 10), _sgd(), bounded_error, *vec, grid=(-4.0, 2.0)),
        Problem(
            "bounded_sigmoid_adam",
            lambda: mlp(16, 32, 32, 6, act=nn.Sigmoid),
            _with(Adam),
            bounded_error,
            *_split(points, kind, 300),
            grid=low,
        ),
        Problem("hinge_norm_sgd", lambda: mlp(64, 64, 64, 10, norm=True), _sgd(), hinge, *vec, grid=(-4.0, 2.0)),
        Problem(
            "factors_adagrad",
            lambda: Factors(60, 80, 6),
            _with(Adagrad),
            squared_error,
            *_split(pairs, ratings, 600),
            64,
            400,
            (-3.5, 1.5),
        ),
        Problem(
            "large_loss_sgd", lambda: mlp(12, 64, 8), _sgd(), times(1024.0), *_split(x12, y8, 300), grid=(-7.0, -1.0)
        ),
        Problem(
            "autoencoder_rmsprop",
            lambda: mlp(64, 32, 8, 32, 64, act=nn.SiLU),
            _with(RMSprop),
            squared_error,
            *_split(flat, flat, 400),
            grid=low,
        ),
    ]
    return {problem.name: problem for problem in found + _held_out(vec)}


def _held_out(vec: tuple[Data, Data]) -> list[Problem]:
    """Return problems that were made after the default rule had been chosen, and played no part in choosing it."""
    g = torch.Generator().manual_seed(20260202)
    x16, rate = _teacher(g, 16, 1, 1800)
    counts = torch.poisson(3.0 * torch.exp(0.5 * rate), generator=g)
    outliers = rate + 1.0 * torch.randn(rate.shape, generator=g) / torch.rand(rate.shape, generator=g).clamp(0.05)
    sign = (rate[:, 0] > 0).long()
    flipped = torch.where(torch.rand(1800, generator=g) < 0.3, 1 - sign, sign)
    views = torch.randn(1500, 6, generator=g) @ torch.randn(6, 24, generator=g)
    first, second = (views + 0.7 * torch.randn(views.shape, generator=g) for _ in range(2))
    words = torch.randint(50, (2000, 6), generator=g)
    mood = (torch.randn(50, generator=g)[words].sum(1) > 0).long()

    def pretrained() -> nn.Module:
        model = mlp(64, 64, 64, 10)
        (x, y), _ = vec
        optimizer = Adam(model.parameters(), lr=3e-3)
        for i in range(40):
            rows = slice(40 * i, 40 * i + 40)
            optimizer.zero_grad()
            cross_entropy(model, x[rows], y[rows]).backward()
            optimizer.step()
        return model

    def bag() -> nn.Module:
        return nn.Sequential(nn.EmbeddingBag(50, 16), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))

    def normed() -> nn.Module:
        layers = [layer for _ in range(3) for layer in (nn.Linear(64, 64), nn.LayerNorm(64), nn.ReLU())]
        return nn.Sequential(*layers, nn.LayerNorm(64, elementwise_affine=False), nn.Linear(64, 10))

    def embedding_first(model: nn.Module, lr: float) -> Optimizer:
        assert isinstance(model, nn.Sequential)
        rest = [p for layer in model[1:] for p in layer.parameters()]
        return Adam([{"params": list(model[0].parameters()), "lr": lr}, {"params": rest, "lr": lr / 10}])

    low, wide = (-5.0, 0.5), (-4.0, 1.5)
    return [
        Problem("poisson_adam", lambda: mlp(16, 48, 48, 1), _with(Adam), poisson, *_split(x16, counts, 300), grid=low),
        Problem(
            "contrast_sgd", lambda: mlp(24, 64, 16), _sgd(), contrast, *_split(first, second, 300), grid=(-4.0, 2.0)
        ),
        Problem(
            "deep_tanh_sgd", lambda: mlp(64, *[48] * 8, 10, act=nn.Tanh), _sgd(), cross_entropy, *vec, 16, 400, wide
        ),
        Problem(
            "outliers_rmsprop",
            lambda: mlp(16, 48, 1),
            _with(RMSprop),
            huber,
            *_split(x16, outliers, 300, rate),
            8,
            500,
            low,
        ),
        Problem("layer_norm_sgd", normed, _sgd(), cross_entropy, *vec, grid=(-4.0, 2.0)),
        Problem("groups_adam", bag, embedding_first, cross_entropy, *_split(words, mood, 400), grid=(-4.0, 1.5)),
        Problem(
            "flipped_adamw",
            lambda: mlp(16, 32, 2),
            _with(AdamW),
            cross_entropy,
            *_split(x16, flipped, 300, sign),
            8,
            300,
            low,
        ),
        Problem("finetune_adamw", pretrained, _with(AdamW), cross_entropy, *vec, grid=low),
    ]
