"""What the tests of the command line share."""

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lr_callbacks.cli import LRCallbacksCLI

QUIET = ("--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false", "--trainer.accelerator=cpu")


def run(subcommand, *flags):
    """Run the command line in this process and give it back."""
    return LRCallbacksCLI([subcommand, *QUIET, *flags])


def scalars(folder, tag):
    """The series of a tag in a run's event files, step -> value; a step that was written twice is an error."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    points = [(event.step, event.value) for event in events.Scalars(tag)]
    series = dict(points)
    assert len(series) == len(points), f"{tag} was written twice at a step: {points}"
    return series


def tags(folder):
    """Names of all series of a run."""
    events = EventAccumulator(str(folder))
    events.Reload()
    return set(events.Tags()["scalars"])
