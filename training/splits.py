"""Which part of the data a row belongs to: a function of its title's group alone."""

import hashlib


def position(group: str, *, salt: str = "") -> float:
    """A number in [0, 1) that is always the same for a group; uniform over groups."""
    digest = hashlib.blake2b(f"{salt}:{group}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def in_test(group: str, fraction: float) -> bool:
    """Whether a group belongs to the frozen test part. A smaller fraction is part of every larger one."""
    return position(group, salt="test") < fraction


def fold(group: str, folds: int, *, seed: int = 0) -> int:
    """The fold of a group, 0 to folds − 1. All rows of a group share it."""
    return int(position(group, salt=f"fold {seed}") * folds)
