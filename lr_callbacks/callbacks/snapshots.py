"""A checkpoint at the end of each cycle, for an ensemble of what one run has found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lr_callbacks.callbacks.sgdr import SGDR
from lr_callbacks.core.arguments import flag, state_of
from lr_callbacks.core.lightning_names import LightningModule, MisconfigurationException, ModelCheckpoint, Trainer


class SnapshotCheckpoint(ModelCheckpoint):
    """Save the model at the end of each `SGDR` cycle, when its LR is lowest, before the restart.

    The file of cycle n is written after the cycle's last optimizer step, so its weights are those that the cycle has
    come to. A last cycle that the run cuts short is saved at the end of the training.

    Args:
        dirpath: Where to save; None for where ``ModelCheckpoint`` saves.
        filename: Name of the files; ``{step}`` and ``{epoch}`` are filled in.
        save_weights_only: Whether to save the weights alone.

    Attributes:
        paths: The files written so far, in order.

    Raises:
        MisconfigurationException: At the start of the fit, if the Trainer has no `SGDR` callback.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> trainer = Trainer(callbacks=[SGDR("2 epochs"), SnapshotCheckpoint("snapshots")], logger=False)

    References:
        Huang et al., Snapshot Ensembles, 2017, arXiv:1704.00109.
    """

    def __init__(
        self, dirpath: str | Path | None = None, filename: str = "snapshot-{step}", save_weights_only: bool = False
    ) -> None:
        if dirpath is not None and not isinstance(dirpath, str | Path):
            raise TypeError(f"dirpath must be a path, or None, got {dirpath!r}")
        if not isinstance(filename, str):
            raise TypeError(f"filename must be a str, e.g. 'snapshot-{{step}}', got {filename!r}")
        flag("save_weights_only", save_weights_only)
        super().__init__(
            dirpath, filename, save_top_k=-1, save_weights_only=save_weights_only, save_on_train_epoch_end=False
        )
        self.paths: list[str] = []
        self._given_dirpath = dirpath
        self._cycle = ""
        self._saved_at = -1

    @property
    def state_key(self) -> str:
        """One a Trainer."""
        return type(self).__qualname__

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Start with no files, unless the fit continues; a checkpoint, if there is one, is loaded after this."""
        if stage == "fit" and trainer.global_step == 0:
            self.paths, self._cycle, self._saved_at = [], "", -1
            if self._given_dirpath is None:
                self.dirpath = None
        super().setup(trainer, pl_module, stage)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look for the cycles."""
        self._cycles(trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the cycle that the run is in; save one that ended just when the checkpoint was written, before us."""
        super().on_train_start(trainer, pl_module)
        cycles = self._cycles(trainer)
        self._cycle = cycles.phase or ""
        for controller, term in cycles._driven()[:1]:
            before = term.phase_at(controller.step - 1)
            name = Path(self.format_checkpoint_name(self._monitor_candidates(trainer))).name
            known = name in {Path(path).name for path in self.paths}
            if controller.step > 0 and before.startswith("cycle") and before != self._cycle and not known:
                self._save(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save when the next step belongs to another cycle."""
        now = self._cycles(trainer).phase or ""
        if now != self._cycle and self._cycle.startswith("cycle"):
            self._save(trainer)
        self._cycle = now

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Nothing: it saves when cycles end."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Nothing: it saves when cycles end."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save what a last, shortened cycle has come to."""
        if trainer.global_step != self._saved_at:
            self._save(trainer)

    def state_dict(self) -> dict[str, Any]:
        """The files written so far, with the state of ``ModelCheckpoint``."""
        return {**super().state_dict(), "paths": list(self.paths)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue with the files of the resumed run.

        Raises:
            ValueError: If the state is not one of a `SnapshotCheckpoint`.
        """
        state_dict = state_of("SnapshotCheckpoint", state_dict)
        paths = state_dict.get("paths", [])
        if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
            raise ValueError(f"the state of SnapshotCheckpoint: paths must be a list of texts, got {paths!r}")
        self.paths = list(paths)
        super().load_state_dict({key: held for key, held in state_dict.items() if key != "paths"})

    def _save(self, trainer: Trainer) -> None:
        path = self.format_checkpoint_name(self._monitor_candidates(trainer))
        self.paths.append(path)
        self._saved_at = trainer.global_step
        self._save_checkpoint(trainer, path)

    @staticmethod
    def _cycles(trainer: Trainer) -> SGDR:
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, SGDR):
                return callback
        raise MisconfigurationException(
            "SnapshotCheckpoint saves at the end of each cycle of SGDR, and the Trainer has no SGDR; add"
            " SGDR('2 epochs') to its callbacks"
        )
