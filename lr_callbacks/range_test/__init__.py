"""The learning-rate (LR) range test."""
