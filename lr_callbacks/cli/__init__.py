"""The command `lr-callbacks`."""
