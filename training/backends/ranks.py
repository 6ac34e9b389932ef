"""Several processes that train one transformer, as torchrun starts them.

All walk the same way up to the end of the last fit; the first one alone writes, tells and delivers. When one
fails torchrun ends the others; also without it, who waits for a process that is gone gets an error.
"""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from apps.categories.inference.errors import TrainingRefused

if TYPE_CHECKING:
    from types import ModuleType

T = TypeVar("T")

LONGEST_WAIT = timedelta(hours=6)
"""Of one process for the others: the first one fits the linear family while they wait."""
_TORCHRUN = ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class Finished(Exception):
    """This process has done its part; the first one goes on alone."""


def count() -> int:
    """How many processes were started to train together; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE") or 1)


def first() -> bool:
    """Whether this process is the one that writes and tells."""
    return count() == 1 or int(os.environ.get("RANK") or 0) == 0


def meet(backend: str) -> None:
    """Begin together. Raises TrainingRefused where several processes cannot train `backend`."""
    if count() == 1:
        return
    if backend == "linear":
        raise TrainingRefused(
            "this was started as several processes (WORLD_SIZE is above 1, as torchrun sets it), but the "
            "linear family trains in one, which uses every processor by itself: start it without torchrun"
        )
    if lacking := [name for name in _TORCHRUN if not os.environ.get(name)]:
        raise TrainingRefused(
            f"WORLD_SIZE is {count()}, but {', '.join(lacking)} is not set: start several processes with "
            "torchrun --nproc-per-node N manage.py train_classifier, or one with WORLD_SIZE unset"
        )
    if os.environ["LOCAL_WORLD_SIZE"] != os.environ["WORLD_SIZE"]:
        raise TrainingRefused(
            "the processes are on several machines, but they share checkpoints in one folder: start them all "
            "on one machine"
        )
    try:
        import torch
    except ModuleNotFoundError as error:
        raise TrainingRefused(
            f"the transformer needs the package {error.name}: pip install -r requirements-ml.txt"
        ) from error
    on_gpu = torch.cuda.is_available()
    if on_gpu and torch.cuda.device_count() < count():
        raise TrainingRefused(
            f"{count()} processes for {torch.cuda.device_count()} GPUs: start one a GPU (--nproc-per-node)"
        )
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    # What is not a gradient goes over gloo, also beside GPUs.
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=LONGEST_WAIT)


def leave() -> None:
    """Part, once everybody is here: the first process goes on alone. Raises Finished in the others."""
    group = _group()
    if group is not None:
        wait()
        group.destroy_process_group()
    if not first():
        raise Finished


def wait() -> None:
    """Go on when everybody is here."""
    everybody(None)


def everybody(value: T) -> list[T]:
    """What each process says, in their order."""
    group = _group()
    if group is None:
        return [value]
    found: list[Any] = [None] * count()
    group.all_gather_object(found, value)
    return found


def first_says(yes: bool) -> bool:
    """What the first process says, in all: for decisions by its clock, as often as every step."""
    group = _group()
    if group is None:
        return yes
    import torch

    told = torch.tensor([int(yes)])
    group.broadcast(told, 0)
    return bool(told.item())


def shared(make: Callable[[], T], *, tell: Callable[[T], T] = lambda made: made) -> T:
    """What `make` gives in the first process alone; the others get what `tell` makes of it.

    Raises TrainingRefused everywhere when it refuses.
    """
    if _group() is None:
        return make()
    made: list[T] = []

    def mine() -> T | None:
        if first():
            made.append(make())
        return tell(made[0]) if made else None

    told = everybody(together(mine))[0]
    return made[0] if made else told  # type: ignore[return-value]  # the first one always tells some


def together(make: Callable[[], T]) -> T:
    """What `make` gives, in every process. Raises TrainingRefused everywhere when it refuses in one."""
    if _group() is None:
        return make()
    refusal = None
    try:
        made = make()
    except TrainingRefused as error:
        refusal = error
    refusals = [said for said in everybody(str(refusal or "")) if said]
    if refusals:
        raise TrainingRefused(refusals[0]) from refusal
    return made


def _group() -> "ModuleType | None":
    if count() == 1:
        return None
    import torch.distributed

    return torch.distributed if torch.distributed.is_initialized() else None
