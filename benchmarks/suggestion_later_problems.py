"""More problems of `suggestion_problems.py`, made to test a rule that had been chosen on the others.

The first eight sent that rule back: it suggested too much where a network leaves its plateau late. The last seven
(`HELD_OUT`) were made after the present rule; they added only its bound, that it never goes beyond `lr70`.
"""

from __future__ import annotations

import torch
from suggestion_models import (
    bounded_error,
    contrast,
    conv,
    cross_entropy,
    hinge,
    huber,
    mlp,
    negative_cosine,
    poisson,
    squared_error,
)
from suggestion_problem import Data, Problem, sgd, split, teacher, using
from torch import nn
from torch.optim import Adam, AdamW, Optimizer, RMSprop

HELD_OUT = (
    "fresh_tanh_adam",
    "fresh_sigmoid_sgd",
    "fresh_plain_sgd",
    "fresh_cosine_adamw",
    "fresh_bag_rmsprop",
    "fresh_flipped_sgd",
    "fresh_conv_adam",
)


def later_problems(vec: tuple[Data, Data], img: tuple[Data, Data]) -> list[Problem]:
    """Return the problems; `vec` and `img` are the image data as vectors and as images."""
    g = torch.Generator().manual_seed(20260202)
    x16, rate = teacher(g, 16, 1, 1800)
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
        Problem("poisson_adam", lambda: mlp(16, 48, 48, 1), using(Adam), poisson, *split(x16, counts, 300), grid=low),
        Problem("contrast_sgd", lambda: mlp(24, 64, 16), sgd(), contrast, *split(first, second, 300), grid=(-4.0, 2.0)),
        Problem(
            "deep_tanh_sgd", lambda: mlp(64, *[48] * 8, 10, act=nn.Tanh), sgd(), cross_entropy, *vec, 16, 400, wide
        ),
        Problem(
            "outliers_rmsprop",
            lambda: mlp(16, 48, 1),
            using(RMSprop),
            huber,
            *split(x16, outliers, 300, rate),
            8,
            500,
            low,
        ),
        Problem("layer_norm_sgd", normed, sgd(), cross_entropy, *vec, grid=(-4.0, 2.0)),
        Problem("groups_adam", bag, embedding_first, cross_entropy, *split(words, mood, 400), grid=(-4.0, 1.5)),
        Problem(
            "flipped_adamw",
            lambda: mlp(16, 32, 2),
            using(AdamW),
            cross_entropy,
            *split(x16, flipped, 300, sign),
            8,
            300,
            low,
        ),
        Problem("finetune_adamw", pretrained, using(AdamW), cross_entropy, *vec, grid=low),
        Problem(
            "fresh_tanh_adam",
            lambda: mlp(16, *[32] * 6, 1, act=nn.Tanh),
            using(Adam),
            squared_error,
            *split(x16, rate, 300),
            16,
            400,
            low,
        ),
        Problem(
            "fresh_sigmoid_sgd",
            lambda: mlp(64, 48, 48, 10, act=nn.Sigmoid),
            sgd(),
            cross_entropy,
            *vec,
            32,
            400,
            (-3.0, 2.0),
        ),
        Problem(
            "fresh_plain_sgd",
            lambda: mlp(16, 64, 64, 1),
            sgd(0.0),
            huber,
            *split(x16, rate, 300),
            16,
            400,
            (-3.5, 1.5),
        ),
        Problem(
            "fresh_cosine_adamw",
            lambda: mlp(24, 64, 24, norm=True),
            using(AdamW),
            negative_cosine,
            *split(first, second, 300),
            grid=low,
        ),
        Problem("fresh_bag_rmsprop", bag, using(RMSprop), bounded_error, *split(words, mood, 400), grid=low),
        Problem(
            "fresh_flipped_sgd",
            lambda: mlp(16, 64, 2, norm=True),
            sgd(),
            cross_entropy,
            *split(x16, flipped, 300, sign),
            8,
            400,
            wide,
        ),
        Problem("fresh_conv_adam", lambda: conv(10), using(Adam), hinge, *img, grid=low),
    ]
