"""The command `lr-callbacks`, also as `python -m lr_callbacks`."""

import sys

from lr_callbacks.extras import require_extra


def main(args: list[str] | None = None) -> None:
    """Run the command line, or say which extra is missing.

    Args:
        args: Arguments without the program's name; None takes those of the process.
    """
    try:
        require_extra("cli", "jsonargparse", "docstring_parser", "sklearn", "tensorboard", what="The command line")
    except ModuleNotFoundError as error:
        sys.exit(f"lr-callbacks: {error}")
    from lr_callbacks.cli import LRCallbacksCLI

    LRCallbacksCLI(args)


if __name__ == "__main__":
    main()
