"""The live model of this process."""


def preload() -> None:
    """Load the live model now; never raises."""
