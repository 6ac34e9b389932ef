"""One of several processes that meet: says what it found, as JSON. See test_ranks.py.

python -m tests.training.ranked CASE
"""

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from apps.categories.inference.errors import TrainingRefused
from training.backends import ranks

RANK = int(os.environ["RANK"])


def refuse() -> str:
    raise TrainingRefused("no such base")


def shared() -> object:
    return [ranks.shared(lambda: f"by {RANK}", tell=lambda made: f"told {made}"), ranks.everybody(RANK)]


def refused_by_the_first() -> object:
    return ranks.shared(lambda: refuse())


def refused_by_the_second() -> object:
    return ranks.together(lambda: refuse() if RANK else "fine")


def clocks() -> object:
    # The first one's deadline is not over, the second one's is; then the other way round.
    return [ranks.first_says(RANK == 1), ranks.first_says(RANK == 0)]


def gone() -> object:
    if RANK:
        os._exit(7)
    return ranks.everybody(RANK)


def parted() -> object:
    ranks.leave()
    # Alone, so that nobody is waited for; parting again does nothing.
    ranks.leave()
    return [ranks.shared(lambda: "alone"), ranks.everybody("alone"), ranks.first_says(True)]


CASES: dict[str, Callable[[], object]] = {
    case.__name__: case
    for case in (shared, refused_by_the_first, refused_by_the_second, clocks, gone, parted)
}

if __name__ == "__main__":
    ranks.meet("distilbert")
    try:
        said = CASES[sys.argv[1]]()
    except TrainingRefused as refusal:
        said = f"refused: {refusal}"
    except ranks.Finished:
        said = "finished"
    json.dump(said, sys.stdout)
    with suppress(ranks.Finished):
        ranks.leave()
