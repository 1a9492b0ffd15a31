"""The same schedules without a Trainer: a loop of your own, a checkpoint in the middle, and the LRs of the rest.

Run: python examples/plain_loop.py
"""

import torch
from torch import nn

from lr_callbacks import CosineAnnealing, ReduceLROnPlateau, Warmup, attach, preview

EPOCHS, STEPS = 4, 25


def schedules():
    """What a Trainer would get as its callbacks."""
    return [Warmup("10%"), CosineAnnealing(), ReduceLROnPlateau("loss", patience=0)]


def train(optimizer, net, epochs, lrs):
    """Train for some epochs; the LR of each step is written down as the step uses it."""
    torch.manual_seed(0)
    x = torch.randn(STEPS, 32, 8)
    with attach(optimizer, schedules(), total_steps=EPOCHS * STEPS, steps_per_epoch=STEPS) as attached:
        for _ in range(epochs):
            for batch in x:
                lrs.append(attached.lrs[0])
                optimizer.zero_grad()
                loss = (net(batch) - batch.sum(1, keepdim=True)).square().mean()
                loss.backward()
                optimizer.step()
            attached.metric(loss)
        return optimizer.state_dict()


def main():
    """Train as a whole, then in two halves, and compare."""
    net = nn.Linear(8, 1)
    weights = {name: value.clone() for name, value in net.state_dict().items()}
    whole, halves = [], []
    train(torch.optim.SGD(net.parameters(), lr=0.01), net, EPOCHS, whole)
    net.load_state_dict(weights)
    state = train(torch.optim.SGD(net.parameters(), lr=0.01), net, EPOCHS // 2, halves)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    optimizer.load_state_dict(state)  # as from a checkpoint
    train(optimizer, net, EPOCHS // 2, halves)
    planned = preview(schedules(), 0.01, EPOCHS * STEPS, STEPS)[:, 0].tolist()
    print("LRs at steps 0, 10, 50, 99:", [f"{whole[step]:.2e}" for step in (0, 10, 50, 99)])
    print("as planned, until the loss stalls:", whole[: 2 * STEPS] == planned[: 2 * STEPS])
    print("two halves give the same LRs as the whole:", whole == halves)


if __name__ == "__main__":
    main()
