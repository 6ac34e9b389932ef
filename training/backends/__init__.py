"""The model families. Each takes labelled rows and gives a `Fitted`."""

from collections.abc import Callable

from training.backends import ranks
from training.backends.fitted import Fitted
from training.config import TrainingConfig
from training.data import TrainingData


def train(data: TrainingData, config: TrainingConfig, progress: Callable[[str], None]) -> Fitted:
    """Train `config.backend` on these rows. Raises TrainingRefused.

    Of several processes (torchrun) all but the first raise ranks.Finished when their part is done.
    """
    from training.backends import both, encoder_family, linear_family

    families = {
        "linear": linear_family.train,
        "distilbert": encoder_family.train,
        "cascade": both.train,
        "mean": both.train,
        "auto": both.train,
    }
    ranks.meet(config.backend)
    return families[config.backend](data, config, progress)
