"""A GAN under manual optimization: two optimizers, each with a schedule and a clock of its own.

The critic steps three times for each step of the generator. Each schedule counts the steps of its own optimizer;
`trainer.global_step` counts both together.

    python examples/gan.py
"""

import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lr_callbacks import SGDR, OneCycle

GENERATOR, CRITIC = 0, 1


class Gan(LightningModule):
    """Generate points on a circle."""

    def __init__(self, critic_steps: int = 3) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.critic_steps = critic_steps
        self.generator = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
        self.critic = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        """One step of the critic; every third batch one of the generator too."""
        (real,) = batch
        generator_optimizer, critic_optimizer = self.optimizers()
        fake = self.generator(torch.randn(len(real), 4, device=self.device))

        loss = (
            nn.functional.softplus(-self.critic(real)).mean()
            + nn.functional.softplus(self.critic(fake.detach())).mean()
        )
        critic_optimizer.zero_grad()
        self.manual_backward(loss)
        critic_optimizer.step()

        if (batch_idx + 1) % self.critic_steps == 0:
            loss = nn.functional.softplus(-self.critic(fake)).mean()
            generator_optimizer.zero_grad()
            self.manual_backward(loss)
            generator_optimizer.step()

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Two optimizers and no scheduler."""
        return [
            torch.optim.Adam(self.generator.parameters(), lr=1e-3, betas=(0.5, 0.9)),
            torch.optim.Adam(self.critic.parameters(), lr=2e-3, betas=(0.5, 0.9)),
        ]


def main() -> None:
    """Train for two epochs of 60 batches: 120 steps of the critic, 40 of the generator."""
    seed_everything(0)
    angle = torch.rand(60 * 32) * 2 * torch.pi
    data = DataLoader(TensorDataset(torch.stack([angle.cos(), angle.sin()], 1)), batch_size=32)
    trainer = Trainer(
        max_epochs=2,
        callbacks=[
            # Only training_step knows how often each optimizer steps, so lengths are given in steps.
            OneCycle(total_steps=40, cycle_momentum=False, optimizer=GENERATOR),
            SGDR(40, eta_min=1e-4, optimizer=CRITIC),
        ],
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    module = Gan()
    trainer.fit(module, data)
    for name, optimizer in zip(("generator", "critic"), trainer.optimizers, strict=True):
        print(f"{name}: LR {optimizer.param_groups[0]['lr']:.2e} at the end; trainer.global_step {trainer.global_step}")


if __name__ == "__main__":
    main()
