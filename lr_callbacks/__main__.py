"""The command `lr-callbacks`, also as `python -m lr_callbacks`."""

import sys
from importlib.metadata import version
from traceback import walk_tb

from lr_callbacks.cli.light import answered
from lr_callbacks.core.lightning_names import IS_ALONE, is_a
from lr_callbacks.extras import require_extra

NEEDED = (2, 6)
"""The oldest Lightning whose command line reads hyper-parameters from checkpoints."""


def main(args: list[str] | None = None) -> None:
    """Run the command line, or say which extra is missing.

    Args:
        args: Arguments without the program's name; None takes those of the process.
    """
    if answered(sys.argv[1:] if args is None else args):
        return
    try:
        require_extra("cli", "jsonargparse", "docstring_parser", "sklearn", "tensorboard", what="The command line")
    except ModuleNotFoundError as error:
        sys.exit(f"lr-callbacks: {error}")
    installed = version("pytorch-lightning" if IS_ALONE else "lightning")
    if tuple(map(int, installed.split(".")[:2])) < NEEDED:
        needed = ".".join(map(str, NEEDED))
        sys.exit(
            f"lr-callbacks: The command line needs Lightning {needed} or newer, got {installed}; install it with:"
            f' pip install "lightning>={needed}"'
        )
    from lr_callbacks.core.lightning_names import MisconfigurationException

    try:
        from lr_callbacks.cli.app import LRCallbacksCLI

        LRCallbacksCLI(args)
    except (KeyboardInterrupt, SystemExit) as end:
        # Lightning ends an interrupted training with status 1, as one that failed.
        if isinstance(end, SystemExit) and not isinstance(end.__context__, KeyboardInterrupt):
            raise
        sys.exit(130)  # as shells count it; the user knows why
    except (MisconfigurationException, ModuleNotFoundError, TypeError, ValueError) as error:
        ours = _raised_here(error)
        if ours is None:
            raise
        sys.exit(f"error: {ours}")


def _raised_here(error: BaseException | None) -> BaseException | None:
    """The error, or its cause, that this package raised: its message says it all. Others get their traceback.

    So does what Lightning raises about the settings of a Trainer, and an optimizer about what a configuration gives it.
    """
    from lr_callbacks.core.lightning_names import MisconfigurationException

    while error is not None:
        if is_a(error, MisconfigurationException):
            return error
        modules = [str(frame.f_globals.get("__name__")) for frame, _ in walk_tb(error.__traceback__)]
        if modules[-1].startswith(
            ("lr_callbacks.", "lightning.pytorch.trainer.connectors.", "pytorch_lightning.trainer.connectors.")
        ):
            return error
        if (
            isinstance(error, ModuleNotFoundError) and ".loggers." in modules[-1]
        ):  # of a logger whose package is missing
            return error
        if modules[-1].startswith("torch.optim.") and _caller_of_torch(modules).startswith("jsonargparse."):
            return error
        error = error.__cause__  # jsonargparse wraps what a constructor raises
    return None


def _caller_of_torch(modules: list[str]) -> str:
    """The last of the modules of a traceback that is none of torch's optimizers."""
    return next((module for module in reversed(modules) if not module.startswith("torch.optim.")), "")


if __name__ == "__main__":
    main()
