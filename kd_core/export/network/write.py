"""Continue texts with the language model in this folder.

    python write.py "The return value"
    python write.py "The " --characters 400 --temperature 0.7 --seed 1

It needs torch and safetensors: pip install torch safetensors.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

FOLDER = Path(__file__).resolve().parent
CHARACTERS = 200


def load_network() -> Any:
    """Return the network of model.py with its weights, in eval mode."""
    from safetensors.torch import load_file

    sys.path.insert(0, str(FOLDER))
    network: torch.nn.Module = importlib.import_module("model").build()
    network.load_state_dict(load_file(FOLDER / "model.safetensors"))
    return network.eval().requires_grad_(False)


def encode(text: str, alphabet: str) -> torch.Tensor:
    """Return a text as character numbers (1, L), float32. Raises ValueError with the characters that are not known."""
    if unknown := sorted(set(text) - set(alphabet)):
        raise ValueError(f"{' '.join(map(repr, unknown))}: the network knows only these characters: {alphabet!r}.")
    if not text:
        raise ValueError("The beginning is empty. Give one character at least.")
    return torch.tensor([[alphabet.index(character) for character in text]], dtype=torch.float32)


@torch.no_grad()
def write(network: Any, text: str, alphabet: str, *, characters: int, temperature: float, seed: int) -> str:
    """Return a text and as many characters after it, each drawn from softmax(logits / temperature).

    At temperature 0 it is the likeliest one.
    """
    numbers, generator = encode(text, alphabet), torch.Generator().manual_seed(seed)
    for _ in range(characters):
        logits = network.last_logits(numbers)
        if temperature > 0:
            drawn = torch.multinomial((logits.double() / temperature).softmax(1), 1, generator=generator)
        else:
            drawn = logits.argmax(1, keepdim=True)
        numbers = torch.cat([numbers, drawn.float()], 1)
    return "".join(alphabet[int(number)] for number in numbers[0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the beginning with its continuation."""
    parser = argparse.ArgumentParser(description="Continue a text.")
    parser.add_argument("beginning", help="the text to be continued")
    parser.add_argument("--characters", type=int, default=CHARACTERS, metavar="N", help="written ones; 200 by default")
    parser.add_argument("--temperature", type=float, default=1.0, metavar="T", help="0 for the likeliest; 1 by default")
    parser.add_argument("--seed", type=int, default=0, help="of the draws; 0 by default")
    chosen = parser.parse_args(arguments)
    alphabet = json.loads((FOLDER / "config.json").read_text(encoding="utf-8"))["inputs"]["alphabet"]
    options = {"characters": chosen.characters, "temperature": chosen.temperature, "seed": chosen.seed}
    try:
        print(write(load_network(), chosen.beginning, alphabet, **options))
    except (OSError, ValueError, ImportError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
