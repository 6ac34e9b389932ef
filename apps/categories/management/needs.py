"""What a command lacks, as one sentence for the person at the terminal."""

from pathlib import Path

from django.core.management.base import CommandError

from .. import runtime
from ..inference.classifier import ProductionClassifier


def package(doing: str, error: ModuleNotFoundError) -> str:
    """Why `doing` cannot begin: the folder of training is missing, or a package of its requirements."""
    # transformers hides the name of what it lacks in a sentence of its own.
    name = error.name or str(error)
    if name.partition(".")[0] == "training":
        return (
            f"{doing} needs the folder training/ of this app's repository: copy it beside manage.py, then "
            "pip install -r requirements-ml.txt"
        )
    return f"{doing} needs the package {name}: pip install -r requirements-ml.txt"


def classifier(path: Path | None) -> ProductionClassifier:
    """The model of --artifact, or this site's own. Raises ClassifierError, and CommandError for no file."""
    if path is not None and not path.is_file():
        raise CommandError(f"there is no artifact at {path}: check the path given to --artifact")
    return ProductionClassifier.load(path or runtime.status().path)
