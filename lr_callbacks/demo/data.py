"""Handwritten digits as a LightningDataModule."""

import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from lr_callbacks.core.lightning_names import LightningDataModule
from lr_callbacks.extras import require_extra


class DigitsDataModule(LightningDataModule):
    """Serve scikit-learn's 1797 handwritten digits: 8x8 grey images of ten classes, no download.

    The images are split into train, validation and test so that each part has the same share of every digit
    (stratified), always in the same way for one `split_seed`. Pixels are standardised with the mean and standard
    deviation of the training part: x -> (x - mean) / std. Images are float32 (N, 1, 8, 8), labels int64 (N,).
    `predict` gets the images of the test part, in order and without labels.

    Args:
        batch_size: Images per batch; 32 gives 40 training batches per epoch.
        val_fraction: Share of all images that is kept for validation, in (0, 1).
        test_fraction: Share of all images that is kept for the test, in (0, 1).
        split_seed: Seed of the split; independent of `seed_everything`.
        num_workers: Worker processes per loader; 0 is fastest, the data is in memory.

    Raises:
        ValueError: If `batch_size` is below 1, `num_workers` is negative, or a fraction is outside (0, 1), or if the
            fractions leave no image to train on.
        ModuleNotFoundError: If scikit-learn is not installed; the message names the extra.

    Example:
        >>> data = DigitsDataModule()
        >>> data.setup("fit")
        >>> images, labels = next(iter(data.val_dataloader()))
        >>> images.shape, len(data.train_dataloader())
        (torch.Size([32, 1, 8, 8]), 40)

    References: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998, doi:10.24432/C50P49.
    """

    def __init__(
        self,
        batch_size: int = 32,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        split_seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}; write for example 32")
        if num_workers < 0:
            raise ValueError(f"num_workers must not be negative, got {num_workers}; write 0 to load in this process")
        for name, fraction in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
            if not 0 < fraction < 1:
                raise ValueError(f"{name} must be in (0, 1), got {fraction}; write for example 0.15")
        if val_fraction + test_fraction >= 1:
            raise ValueError(
                f"val_fraction + test_fraction must be below 1, got {val_fraction} + {test_fraction}; "
                "make one smaller, so that images to train on are left"
            )
        self.batch_size = batch_size
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.split_seed = split_seed
        self.num_workers = num_workers

    def setup(self, stage: str) -> None:
        """Load, split and standardise; the same for every stage, a few milliseconds."""
        require_extra("cli", "sklearn", what="DigitsDataModule")
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        pixels, labels = load_digits(return_X_y=True)
        rest_x, test_x, rest_y, test_y = train_test_split(
            pixels, labels, test_size=self.test_fraction, stratify=labels, random_state=self.split_seed
        )
        train_x, val_x, train_y, val_y = train_test_split(
            rest_x,
            rest_y,
            test_size=self.val_fraction / (1 - self.test_fraction),
            stratify=rest_y,
            random_state=self.split_seed,
        )
        mean, std = train_x.mean(), train_x.std()

        def images(x: object) -> Tensor:
            grey = torch.as_tensor(x, dtype=torch.float32)
            return ((grey - float(mean)) / float(std)).reshape(-1, 1, 8, 8)

        self.train_set = TensorDataset(images(train_x), torch.as_tensor(train_y, dtype=torch.int64))
        self.val_set = TensorDataset(images(val_x), torch.as_tensor(val_y, dtype=torch.int64))
        self.test_set = TensorDataset(images(test_x), torch.as_tensor(test_y, dtype=torch.int64))

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """Training batches, shuffled anew in every epoch."""
        return self._loader(self.train_set, shuffle=True)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """Validation batches."""
        return self._loader(self.val_set)

    def test_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """Test batches."""
        return self._loader(self.test_set)

    def predict_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """The test images without their labels."""
        return self._loader(TensorDataset(self.test_set.tensors[0]))

    def _loader(self, dataset: TensorDataset, shuffle: bool = False) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(
            dataset,
            batch_size=self.batch_size,
            shuffle=shuffle,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
        )
