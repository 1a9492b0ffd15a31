"""Small training problems on which a suggested maximum learning rate (LR) is judged.

Every problem is seeded, deterministic on a CPU, needs torch only and trains in about a second: one-cycle runs over a
grid of maximum LRs are its ground truth (`suggestion_truth.json`). They were chosen to differ where range tests fail:
negative losses, parameter groups in a ratio, heavy noise, networks that cannot explode, losses that flatten.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from suggestion_later_problems import later_problems
from suggestion_models import (
    Attention,
    Factors,
    Recurrent,
    Residual,
    bounded_error,
    conv,
    cross_entropy,
    gaussian_nll,
    hinge,
    mlp,
    negative_cosine,
    squared_error,
)
from suggestion_problem import Problem, body_and_head, head_and_body, images_data, sgd, split, teacher, using
from torch import Tensor, nn
from torch.optim import Adagrad, Adam, AdamW, RMSprop


@cache
def problems() -> dict[str, Problem]:
    """Return all problems by name; the data are made once."""
    g = torch.Generator().manual_seed(20260101)
    images, labels = images_data(g, 2000, 0.8)
    flat = images.flatten(1)
    wrong = torch.where(torch.rand(2000, generator=g) < 0.4, torch.randint(10, (2000,), generator=g), labels)
    x20, y1 = teacher(g, 20, 1, 1800)
    x12, y8 = teacher(g, 12, 8, 1800)
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

    img, vec = split(images, labels, 400), split(flat, labels, 400)
    wide, low = (-4.0, 1.5), (-5.0, 0.5)
    found = [
        Problem("mlp_tanh_adam", lambda: mlp(64, 64, 64, 10, act=nn.Tanh), using(Adam), cross_entropy, *vec, grid=low),
        Problem("conv_norm_sgd", lambda: conv(10), sgd(weight_decay=5e-4), cross_entropy, *img, grid=wide),
        Problem("conv_norm_adamw", lambda: conv(10), using(AdamW, weight_decay=0.05), cross_entropy, *img, grid=low),
        Problem(
            "dropout_adamw", lambda: mlp(64, 128, 64, 10, dropout=0.4), using(AdamW), cross_entropy, *vec, grid=low
        ),
        Problem(
            "label_noise_sgd",
            lambda: mlp(64, 64, 10),
            sgd(),
            cross_entropy,
            *split(flat, wrong, 400, labels),
            4,
            500,
            wide,
        ),
        Problem("groups_sgd", pretrained, head_and_body, cross_entropy, *vec, grid=(-4.0, 2.0)),
        Problem(
            "groups_adamw",
            lambda: mlp(20, 64, 64, 1),
            body_and_head,
            squared_error,
            *split(x20, y1, 300),
            grid=low,
        ),
        Problem("nll_adam", lambda: mlp(20, 64, 64, 2), using(Adam), gaussian_nll, *split(x20, spread, 300), grid=low),
        Problem("nll_sgd", lambda: mlp(20, 64, 2), sgd(), gaussian_nll, *split(x20, spread, 300), 32, 400, (-5.0, 1.0)),
        Problem(
            "cosine_sgd", lambda: mlp(12, 64, 64, 8), sgd(), negative_cosine, *split(x12, y8, 300), grid=(-4.0, 2.5)
        ),
        Problem(
            "noisy_regression_adam",
            lambda: mlp(20, 64, 64, 1),
            using(Adam),
            squared_error,
            *split(x20, noisy, 300, y1),
            4,
            500,
            low,
        ),
        Problem(
            "residual_sgd",
            lambda: nn.Sequential(nn.Linear(64, 32), *[Residual(32) for _ in range(4)], nn.Linear(32, 10)),
            sgd(nesterov=True),
            cross_entropy,
            *vec,
            grid=wide,
        ),
        Problem(
            "attention_adamw",
            lambda: Attention(8, 12, 24, 2),
            using(AdamW),
            cross_entropy,
            *split(tokens, parity, 300),
            grid=low,
        ),
        Problem(
            "recurrent_adam",
            lambda: Recurrent(2, 24, 2),
            using(Adam),
            cross_entropy,
            *split(waves, memory, 300),
            32,
            400,
            low,
        ),
        Problem(
            "linear_sgd",
            lambda: nn.Linear(16, 6),
            sgd(0.0),
            cross_entropy,
            *split(points, kind, 300),
            16,
            300,
            (-4.0, 2.0),
        ),
        Problem("bounded_sgd", lambda: mlp(64, 64, 64, 10), sgd(), bounded_error, *vec, grid=(-4.0, 2.0)),
        Problem(
            "bounded_sigmoid_adam",
            lambda: mlp(16, 32, 32, 6, act=nn.Sigmoid),
            using(Adam),
            bounded_error,
            *split(points, kind, 300),
            grid=low,
        ),
        Problem("hinge_norm_sgd", lambda: mlp(64, 64, 64, 10, norm=True), sgd(), hinge, *vec, grid=(-4.0, 2.0)),
        Problem(
            "factors_adagrad",
            lambda: Factors(60, 80, 6),
            using(Adagrad),
            squared_error,
            *split(pairs, ratings, 600),
            64,
            400,
            (-3.5, 1.5),
        ),
        Problem(
            "large_loss_sgd", lambda: mlp(12, 64, 8), sgd(), times(1024.0), *split(x12, y8, 300), grid=(-7.0, -1.0)
        ),
        Problem(
            "autoencoder_rmsprop",
            lambda: mlp(64, 32, 8, 32, 64, act=nn.SiLU),
            using(RMSprop),
            squared_error,
            *split(flat, flat, 400),
            grid=low,
        ),
    ]
    return {problem.name: problem for problem in found + later_problems(vec, img)}
