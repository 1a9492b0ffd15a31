"""The callbacks that a user adds to a Trainer, one (or one close family) a file."""
