"""Named, independent random streams derived from one seed.

Every random choice has a name ("order", "weights", "labels"). Its stream depends on the seed and the name alone, never
on what was drawn before. A run can therefore be resumed at any step without saving generator states, and nothing that
happens in other threads can change it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_GLOBAL_GENERATOR = threading.Lock()


def derive_seed(seed: int, *names: str | int) -> int:
    """Return a 63-bit seed for the stream ``names``."""
    digest = hashlib.blake2b("/".join(map(str, (seed, *names))).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


def generator(seed: int, *names: str | int) -> torch.Generator:
    """Return a new CPU generator for the stream ``names``."""
    return torch.Generator().manual_seed(derive_seed(seed, *names))


@contextmanager
def use_seed(seed: int, *names: str | int) -> Iterator[None]:
    """Set torch's global generator to the stream ``names`` and restore it afterwards.

    For code that cannot take a generator. A lock keeps two threads from using the global generator at once.
    """
    # Without an accelerator torch.manual_seed notes a stack trace for each kind of them, which takes a millisecond.
    set_seed = torch.manual_seed if torch.accelerator.is_available() else torch.default_generator.manual_seed
    with _GLOBAL_GENERATOR, torch.random.fork_rng(devices=[]):
        set_seed(derive_seed(seed, *names))
        yield
