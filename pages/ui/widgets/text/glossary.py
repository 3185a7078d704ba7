"""Glossary of the terms on the screen, and their first occurrences in a text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

NETWORKS, OUTPUTS, LOSSES = "Networks", "Outputs", "Losses"
TRAINING, EVALUATION = "Training", "Evaluation"
GROUPS: Final = (NETWORKS, OUTPUTS, LOSSES, TRAINING, EVALUATION)


@dataclass(frozen=True)
class Term:
    """One entry of the glossary.

    Args:
        name: The term as the field writes it.
        group: One of :data:`GROUPS`.
        definition: One sentence in everyday words.
        formula: LaTeX, where it helps.
        source: Paper and section, where there is one.
        forms: Other words for it in a text; a plural with "s" need not be listed.
    """

    name: str
    group: str
    definition: str
    formula: str = ""
    source: str = ""
    forms: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Return the name as a heading."""
        return self.name[0].upper() + self.name[1:]

    @property
    def anchor(self) -> str:
        """Return the part of the glossary's address after the ``#``."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


HINTON, GUO = "Hinton, Vinyals & Dean 2015", "Guo et al. 2017"
ENTRIES: Final = (
    Term(
        "teacher", NETWORKS, "The network that was trained first and whose outputs the student learns to match.",
        source=f"{HINTON}, section 1",
    ),
    Term("student", NETWORKS, "The network, mostly a smaller one, that learns from the teacher and from labels."),
    Term(
        "baseline", NETWORKS,
        "The same network as the student, trained on the same data with as many updates and without a teacher.",
        forms=("baseline student", "control"),
    ),
    Term(
        "distillation scheme", NETWORKS, "Who teaches whom and when, for example one teacher before one student.",
        forms=("scheme",),
    ),
    Term("method", NETWORKS, "The loss that says what of the teacher the student has to match."),
    Term(
        "embedding", NETWORKS,
        "The list of numbers with which a network describes one input, just before its last layer.",
    ),
    Term(
        "feature map", NETWORKS,
        "The output of a layer inside a convolutional network, a small picture for every pattern it looks for.",
    ),
    Term(
        "adapter", NETWORKS,
        "A small layer that gives features of the student the teacher’s shape and is thrown away after training.",
        source="Romero et al. 2015, section 2.2", forms=("regressor",),
    ),
    Term(
        "pruning", NETWORKS,
        "Removal of the weights or channels of a trained network that matter least, by their size.",
        source="Han et al. 2015, section 3", forms=("pruned", "unpruned"),
    ),
    Term(
        "int8", NETWORKS,
        "Weights and activations stored as whole numbers of eight bits with a common scale, instead of 32-bit floats.",
        source="Jacob et al. 2018, section 2", forms=("quantisation", "quantised"),
    ),
    Term(
        "logit", OUTPUTS,
        "The raw number that a network gives to a class, before softmax turns all of them into probabilities.",
        "z_i",
    ),
    Term(
        "softmax", OUTPUTS,
        "The function that turns the logits of all classes into probabilities, which are positive and add up to 1.",
        r"p_i = \frac{\exp(z_i / T)}{\sum_j \exp(z_j / T)}",
    ),
    Term(
        "temperature", OUTPUTS,
        "The number T that divides all logits before softmax; a higher one makes the probabilities more equal.",
        r"z_i \to z_i / T", f"{HINTON}, section 2",
    ),
    Term(
        "soft target", OUTPUTS,
        "Probabilities of all classes, mostly the teacher’s at temperature T, that the student has to match.",
        r"p = \mathrm{softmax}(z^{\text{teacher}} / T)", f"{HINTON}, section 2", ("softened output",),
    ),
    Term(
        "hard label", OUTPUTS, "The name of the one right class, without a word about the others.",
        forms=("label",),
    ),
    Term(
        "one-hot", OUTPUTS, "A label written as probabilities: 1 for the right class and 0 for every other.",
        r"y = (0, \dots, 0, 1, 0, \dots, 0)",
    ),
    Term(
        "dark knowledge", OUTPUTS,
        "What the teacher knows about the wrong classes, hidden in probabilities that are tiny at T = 1.",
        source="Hinton, Vinyals & Dean 2014, talk",
    ),
    Term(
        "confidence", OUTPUTS, "The probability that a network gives to its most probable class.",
        r"\max_i p_i", f"{GUO}, section 2",
    ),
    Term(
        "entropy", OUTPUTS,
        "How undecided a distribution is: 0 if one class has everything, ln K if all K classes are equally probable.",
        r"H(p) = -\sum_i p_i \ln p_i",
    ),
    Term(
        "top-k", OUTPUTS, "Drawing the next character from the k most likely ones alone.",
        source="Fan et al. 2018, section 5.2",
    ),
    Term(
        "top-p", OUTPUTS,
        "Drawing the next character from the fewest of the most likely ones that together reach the probability p.",
        source="Holtzman et al. 2020, section 3.1", forms=("nucleus sampling",),
    ),
    Term(
        "nats", OUTPUTS, "The unit of entropy and KL divergence with the natural logarithm; 1 nat is 1.44 bits.",
        forms=("nat",),
    ),
    Term(
        "cross-entropy", LOSSES,
        "The loss of training with labels: minus the logarithm of the probability that the right class gets.",
        r"\mathrm{CE} = -\sum_i y_i \ln q_i",
    ),
    Term(
        "KL divergence", LOSSES, "How far one distribution is from another, 0 only if both are equal.",
        r"\mathrm{KL}(p \,\|\, q) = \sum_i p_i \ln \frac{p_i}{q_i}", forms=("Kullback-Leibler divergence",),
    ),
    Term(
        "mode covering", LOSSES,
        "What forward KL rewards: finding likely all that the teacher finds likely, even if much else comes along.",
        source="Gu et al. 2024 (MiniLLM), section 2.1", forms=("mass covering",),
    ),
    Term(
        "mode seeking", LOSSES,
        "What reverse KL rewards: keeping to something that the teacher finds likely, even if much of it is left out.",
        source="Gu et al. 2024 (MiniLLM), section 2.1",
    ),
    Term(
        "alpha", LOSSES, "The teacher’s weight in the loss: 0 means labels only, 1 means teacher only.",
        r"\mathcal{L} = (1 - \alpha)\,\mathrm{CE} + \alpha\,T^2\,\mathrm{KL}(p \,\|\, q)",
        f"{HINTON}, section 2", ("α", "teacher weight"),
    ),
    Term(
        "label smoothing", LOSSES, "Labels that give a little of the right class’s probability to all classes evenly.",
        r"(1 - \varepsilon)\,y + \varepsilon / K", "Szegedy et al. 2016, section 7",
    ),
    Term(
        "gradient", LOSSES,
        "The direction and strength with which a loss pushes each number of a network, or each of its outputs.",
        r"\partial \mathcal{L} / \partial z_i",
    ),
    Term(
        "on-policy", TRAINING, "Training on text that the student writes itself, which the teacher then judges.",
        source="Agarwal et al. 2024, section 3",
    ),
    Term("epoch", TRAINING, "One pass over all training examples."),
    Term("step", TRAINING, "One update of the network’s weights, from one batch."),
    Term("batch", TRAINING, "The examples that are used together in one step.", forms=("batches",)),
    Term("learning rate", TRAINING, "How far one step moves the weights along the gradient."),
    Term(
        "seed", TRAINING,
        "The number from which all random choices of a run follow; another seed shows how much is luck.",
    ),
    Term(
        "early stopping", TRAINING,
        "Ending a training once the validation accuracy has not improved for some epochs.",
    ),
    Term(
        "validation set", TRAINING, "Examples that no network is trained on and that every choice is made with.",
        forms=("validation split", "validation data"),
    ),
    Term(
        "test set", TRAINING, "Examples that are used once, at the end, so that no choice can be fitted to them.",
        forms=("test split", "test data"),
    ),
    Term(
        "bits per character", EVALUATION,
        "How much each character of a text surprises a network: 1 bit for an even chance, 2 for one in four.",
        r"-\frac{1}{N} \sum_{n=1}^{N} \log_2 q(x_n \mid x_{<n})",
    ),
    Term(
        "perplexity", EVALUATION,
        "Among how many equally likely characters a network would have to guess to be as surprised as it is.",
        r"2^{\text{bits per character}}",
    ),
    Term(
        "calibration", EVALUATION, "Agreement between confidence and accuracy: of 100 answers at 80 %, 80 are right.",
        source=f"{GUO}, section 2", forms=("calibrated",),
    ),
    Term(
        "calibration error", EVALUATION,
        "The mean gap between confidence and accuracy over bins of confidence, weighted by the examples in each.",
        r"\mathrm{ECE} = \sum_b \frac{n_b}{N}\,\bigl|\mathrm{acc}_b - \mathrm{conf}_b\bigr|", f"{GUO}, section 2",
        ("ECE",),
    ),
    Term(
        "temperature scaling", EVALUATION,
        "Calibrating a trained network by one number: the T with the lowest loss on the validation set.",
        source=f"{GUO}, section 4.2",
    ),
    Term(
        "agreement", EVALUATION,
        "The fraction of examples on which student and teacher have the same top class, right or wrong.",
        source="Stanton et al. 2021, section 3",
    ),
    Term(
        "confidence interval", EVALUATION,
        "A range that contains the true value in 95 of 100 such experiments; a gain whose interval excludes zero "
        "is unlikely to be luck.",
    ),
    Term("recall", EVALUATION, "Of all examples of one class, the fraction that a network recognises."),
    Term(
        "balanced accuracy", EVALUATION,
        "The mean recall of all classes, so that a rare class counts as much as a frequent one.",
        r"\frac{1}{K} \sum_k \mathrm{recall}_k",
    ),
)  # fmt: skip


def _forms() -> dict[str, Term]:
    return {form.lower(): entry for entry in ENTRIES for form in (entry.name, *entry.forms)}


_BY_FORM: Final = _forms()
# The longest form first, so that "calibration error" is not taken for "calibration".
_PATTERN: Final = re.compile(
    rf"(?<![\w-])({'|'.join(re.escape(form) for form in sorted(_BY_FORM, key=len, reverse=True))})(?:s|es)?(?![\w-])",
    re.IGNORECASE,
)


def term(name: str) -> Term:
    """Return an entry by its name or another form of it. Raises KeyError."""
    return _BY_FORM[name.lower()]


def definition(name: str, text: str = "") -> dict[str, str]:
    """Return what the browser needs to show a term as ``text`` with its definition in place. Raises KeyError."""
    entry = term(name)
    return {"text": text or name, "name": entry.title, "definition": entry.definition, "anchor": entry.anchor}


def segments(text: str, marked: set[str] | None = None) -> list[str | dict[str, str]]:
    """Split a text into strings and, at the first occurrence of each term, its :func:`definition`.

    Terms in ``marked`` are left as they are; those of this text are added to it.
    """
    marked = set() if marked is None else marked
    parts: list[str | dict[str, str]] = []
    end = 0
    for match in _PATTERN.finditer(text):
        entry = _BY_FORM[match[1].lower()]
        if entry.name in marked:
            continue
        marked.add(entry.name)
        start, after = match.span()
        parts += [text[end:start], definition(entry.name, match[0])]
        end = after
    return [part for part in (*parts, text[end:]) if part]


def search(words: str) -> list[Term]:
    """Return the entries that contain every word of a query, in any case; all of them for an empty query."""
    wanted = words.lower().split()
    return [entry for entry in ENTRIES if all(word in _searchable(entry) for word in wanted)]


def _searchable(entry: Term) -> str:
    return " ".join((entry.name, *entry.forms, entry.definition, entry.group)).lower()


def as_markdown(entries: list[Term], level: int = 2) -> str:
    """Return entries as Markdown, a heading per group and per term below it."""
    lines: list[str] = []
    for group in GROUPS:
        members = [entry for entry in entries if entry.group == group]
        if not members:
            continue
        lines += [f"{'#' * level} {group}", ""]
        for entry in members:
            lines += [f"{'#' * (level + 1)} {entry.title}", "", entry.definition, ""]
            lines += [rf"$\displaystyle {entry.formula}$", ""] if entry.formula else []
            lines += [f"Source: {entry.source}.", ""] if entry.source else []
    return "\n".join(lines).rstrip()
