"""Continue a run: the newest checkpoint of its name, and the message of an interrupted training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import join
from zipfile import is_zipfile

from lr_callbacks.cli.words import without_checkpoint
from lr_callbacks.core.lightning_names import Trainer


def newest_checkpoint(folder: Path) -> tuple[Path | None, list[Path]]:
    """The newest complete checkpoint below a folder, and newer files that are incomplete.

    Args:
        folder: Of all runs of a name.

    Returns:
        The checkpoint, None if there is none, and the incomplete files, such as one that was being written when the
        machine went down.
    """
    damaged: list[Path] = []
    files = [path for path in folder.rglob("*.ckpt") if path.is_dir() or path.is_file()]
    for path in sorted(files, key=lambda path: (path.stat().st_mtime_ns, str(path)), reverse=True):
        if path.is_dir() or is_zipfile(path):  # a folder is a sharded checkpoint
            return path, damaged
        damaged.append(path)
    return None, damaged


def interrupted(trainer: Trainer, words: Sequence[str]) -> list[str]:
    """The message of an interrupted training: where it stopped, and how to continue.

    Args:
        trainer: The trainer after the interruption.
        words: Arguments of the command, without the program's name.
    """
    step, epoch = trainer.global_step, trainer.current_epoch
    lines = [f"Interrupted at optimizer step {step}, epoch {epoch} (both counted from 0)."]
    checkpoint = last_written(trainer)
    if checkpoint is None:
        return [*lines, "No checkpoint was written yet."]
    command = join(["lr-callbacks", *without_checkpoint(words), "--ckpt_path", checkpoint])
    return [*lines, f"Checkpoint  {checkpoint}", f"Continue    {command}"]


def last_written(trainer: Trainer) -> str | None:
    """The newest checkpoint of the fit, or the one that it was resumed from."""
    paths = {
        str(getattr(callback, name, None) or "")
        for callback in trainer.checkpoint_callbacks
        for name in ("best_model_path", "last_model_path")
    }
    written = [path for path in paths if path and Path(path).exists()]
    if written:
        return max(written, key=lambda path: Path(path).stat().st_mtime_ns)
    return str(trainer.ckpt_path) if trainer.ckpt_path else None
