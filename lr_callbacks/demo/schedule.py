"""Functions of the epoch, for the configurations that name one."""


def halved_every_three(epoch: int) -> float:
    """A half after every three epochs.

    Example:
        >>> [halved_every_three(epoch) for epoch in (0, 2, 3, 6)]
        [1.0, 1.0, 0.5, 0.25]
    """
    return float(0.5 ** (epoch // 3))


def nine_tenths(epoch: int) -> float:
    """Nine tenths, whatever the epoch."""
    return 0.9
