"""A range test, and what can be read off its curve: which rule says what, and why it is worth looking.

    python examples/range_test.py

`lr_range_test` trains nothing: module, trainer and data are afterwards as before. The picture is range_test.png.
"""

import logging
import warnings

import torch
from lightning.pytorch import Trainer, seed_everything

from lr_callbacks import LRRangeTest, OneCycle, lr_range_test
from lr_callbacks.demo import DigitsClassifier, DigitsDataModule

warnings.filterwarnings("ignore", ".*(does not have many workers|LeafSpec).*")
logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
QUIET = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}


def bar(loss: float, highest: float, width: int = 40) -> str:
    """A loss as a bar of text."""
    return "#" * round(width * min(loss, highest) / highest)


def main() -> None:
    """Test, look, train."""
    torch.set_num_threads(1)
    seed_everything(42, verbose=False)
    model, data = DigitsClassifier(), DigitsDataModule()
    before = torch.nn.utils.parameters_to_vector(model.parameters()).detach().clone()

    result = lr_range_test(Trainer(accelerator="cpu", max_epochs=4, **QUIET), model, data, verbose=False)

    print("LR       loss on fixed batches, each sixth step of the sweep")
    for lr, loss in list(zip(result.lrs, result.losses, strict=True))[::6]:
        print(f"{lr:.1e}  {bar(loss, 1.5 * result.losses[0])} {loss:.2f}")
    print("\nwhat each rule reads off it:")
    for rule, lr in result.suggestions.items():
        print(f"  {rule:9} {'none' if lr is None else format(lr, '.2e')}")
    print(f"\n{result.verdict}")
    low, high = result.interval or (0.0, 0.0)
    print(f"LRs that may train about as well: {low:.1e} to {high:.1e}; constant LR: {result.constant_lr:.1e}")
    result.plot("range_test.png")

    after = torch.nn.utils.parameters_to_vector(model.parameters())
    print(f"weights as before the test: {bool((before == after).all())}")

    # Short trainings around it, a quarter of the run each, cost more and know more.
    trainer = Trainer(accelerator="cpu", max_epochs=4, **QUIET)
    tried = lr_range_test(trainer, model, data, test=LRRangeTest(trials=3, trial_steps="25%"), verbose=False)
    for trial in sorted(tried.trials, key=lambda trial: trial.lr):
        print(f"trial of {trial.steps} steps at LR {trial.lr:.1e}: validation loss {trial.validation_loss:.3f}")
    print(f"{tried.verdict}\n")

    # The same in a fit: the test runs first, and its suggestion becomes the peak of the one-cycle.
    trainer = Trainer(accelerator="cpu", max_epochs=4, callbacks=[LRRangeTest(), OneCycle()], **QUIET)
    trainer.fit(model, datamodule=data)
    print(f"trained with it for 4 epochs: val_acc {trainer.callback_metrics['val_acc']:.3f}")


if __name__ == "__main__":
    main()
