"""Multi-layer perceptron over hashed character n-grams of a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.options import integer
from kd_core.models import Model
from kd_core.tasks import CHARACTERS, EXAMPLE

BEGIN = 2  # character before a text; after it stands 0, as between its end and that of the longest one
FACTOR, PRIME = 1_000_003, 2**31 - 1  # of the hash of an n-gram, a polynomial in its characters


class HashedNgrams(nn.Module):
    """How often each hashed n-gram occurs in a text, divided by the Euclidean norm (Weinberger et al. 2009).

    From code points (B, L), whole numbers in float32 with 0 after the last one, to (B, buckets). A mark before the
    text and one after it count as characters, so that beginnings and ends of texts are n-grams of their own.
    """

    max_examples = 512  # per forward pass without gradient

    def __init__(self, n: int, buckets: int) -> None:
        super().__init__()
        self.n, self.buckets = n, buckets

    def forward(self, characters: Tensor) -> Tensor:
        numbers = F.pad(F.pad(characters.long(), (1, 0), value=BEGIN), (0, self.n - 1))
        windows = numbers.unfold(1, self.n, 1)  # (B, L + 1, n)
        hashed = windows[..., 0]
        for position in range(1, self.n):
            hashed = (hashed * FACTOR + windows[..., position]) % PRIME
        is_ngram = windows[..., : self.n - 1].ne(0).all(-1)  # all but its last character are in the text
        counts = characters.new_zeros(characters.shape[0], self.buckets)
        counts = counts.scatter_add(1, hashed % self.buckets, is_ngram.to(counts.dtype))
        return F.normalize(counts, dim=1)


@dataclass(frozen=True)
class NgramMlp(Model):
    title: ClassVar[str] = "N-gram MLP"
    summary: ClassVar[str] = "Counts runs of n characters of a text, and classifies the counts by one hidden layer."
    family: ClassVar[str] = "text"
    inputs: ClassVar[str] = CHARACTERS
    outputs: ClassVar[str] = EXAMPLE

    n: int = integer(3, 2, 8, "Characters in a row that are counted as one n-gram.", label="Length of an n-gram")
    buckets: int = integer(512, 16, 65_536, "Counts; n-grams of the same hash share one.")
    hidden: int = integer(12, 1, 4096, "Units of the hidden layer.", label="Hidden units")

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:  # noqa: ARG002
        return nn.Sequential(
            HashedNgrams(self.n, self.buckets), nn.Linear(self.buckets, self.hidden), nn.ReLU(),
            nn.Linear(self.hidden, classes),
        )  # fmt: skip

    def feature_layers(self) -> dict[str, str]:
        return {"embedding": "2"}

    def scaled(self, factor: float) -> Self:
        return self.with_values(hidden=max(1, round(self.hidden * factor)))

    def label(self) -> str:
        return f"{self.n}-gram MLP {self.buckets}-{self.hidden}"
