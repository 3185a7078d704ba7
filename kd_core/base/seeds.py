"""Independent streams of random numbers from one seed.

Every use of chance has a name ("order", "weights", "labels"): its stream depends on the seed and the name alone, never
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
    """A 63-bit seed for the stream called ``names``."""
    digest = hashlib.blake2b("/".join(map(str, (seed, *names))).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


def generator(seed: int, *names: str | int) -> torch.Generator:
    """A private CPU generator for the stream called ``names``."""
    return torch.Generator().manual_seed(derive_seed(seed, *names))


@contextmanager
def use_seed(seed: int, *names: str | int) -> Iterator[None]:
    """Torch's global generator on the stream ``names``, restored afterwards: for code that cannot take a generator.

    The lock keeps two threads from initialising networks at once, since that generator belongs to the process.
    """
    with _GLOBAL_GENERATOR, torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, *names))
        yield
