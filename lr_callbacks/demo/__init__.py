"""The sample task: handwritten digits, real data that needs no download. Needs the extra `cli`."""

from lr_callbacks.demo.data import DigitsDataModule
from lr_callbacks.demo.model import DigitsClassifier

__all__ = ["DigitsClassifier", "DigitsDataModule"]
