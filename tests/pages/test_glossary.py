"""Tests of the glossary and its page."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.widgets.text import glossary
from pages.ui.widgets.text.glossary import ENTRIES, GROUPS, Term

Open = Callable[..., AppTest]
# What a learner meets on the screen, whatever else is explained.
NEEDED = """logit, softmax, temperature, soft target, hard label, one-hot, cross-entropy, KL divergence, nats, entropy,
calibration, calibration error, confidence, agreement, dark knowledge, alpha, teacher, student, baseline, control, seed,
confidence interval, epoch, step, batch, learning rate, embedding, feature map, adapter, distillation scheme, method,
label smoothing, early stopping, perplexity, bits per character, on-policy, mode covering, mode seeking, top-k, top-p,
test set, validation set, balanced accuracy, recall"""


def texts(parts: list[str | dict[str, str]]) -> list[str]:
    return [part if isinstance(part, str) else f"[{part['text']}]" for part in parts]


@pytest.mark.parametrize("name", NEEDED.replace("\n", " ").split(", "))
def test_every_needed_term_is_defined(name: str) -> None:
    assert glossary.term(name).definition


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_definition_is_one_sentence_without_its_own_term(entry: Term) -> None:
    assert entry.definition.endswith(".")
    assert ". " not in entry.definition
    assert entry.group in GROUPS
    assert not entry.definition.lower().startswith((entry.name.lower(), f"a {entry.name.lower()}"))


def test_terms_and_anchors_are_unique() -> None:
    forms = [form.lower() for entry in ENTRIES for form in (entry.name, *entry.forms)]
    assert len(set(forms)) == len(forms)
    assert len({entry.anchor for entry in ENTRIES}) == len(ENTRIES)


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("Logits are no logits.", ["[Logits]", " are no logits."]),
        ("The calibration error, not calibration.", ["The ", "[calibration error]", ", not ", "[calibration]", "."]),
        ("One-hot labels", ["[One-hot]", " ", "[labels]"]),
        ("the T² of biologists, stepwise, unbatched", ["the T² of biologists, stepwise, unbatched"]),
        ("KL", ["KL"]),
        ("", []),
    ],
)
def test_the_first_occurrence_of_each_term_is_marked(text: str, marked: list[str]) -> None:
    parts = glossary.segments(text)
    assert texts(parts) == marked
    assert "".join(part if isinstance(part, str) else part["text"] for part in parts) == text


def test_a_term_that_an_earlier_paragraph_marked_is_not_marked_again() -> None:
    marked: set[str] = set()
    glossary.segments("softmax of logits", marked)
    assert texts(glossary.segments("softmax and entropy", marked)) == ["softmax and ", "[entropy]"]


def test_an_unknown_term_is_an_error() -> None:
    with pytest.raises(KeyError):
        glossary.definition("phlogiston")


def test_all_terms_are_on_the_page_in_order_of_headings(open_page: Open) -> None:
    app = open_page("glossary")
    (text,) = (element.value for element in app.markdown if "## Networks" in element.value)
    assert text.count("\n### ") == len(ENTRIES)
    assert "$\\displaystyle p_i = " in text


def test_a_search_shows_what_contains_all_its_words_and_is_in_the_url(open_page: Open) -> None:
    app = open_page("glossary")
    app.text_input[0].set_value("teacher WEIGHT").run()
    assert app.query_params["search"] in ("teacher WEIGHT", ["teacher WEIGHT"])
    text = "\n".join(element.value for element in app.markdown)
    assert "### Alpha" in text
    assert "### Entropy" not in text


def test_a_search_without_a_result_repeats_the_words_as_text(open_page: Open) -> None:
    app = open_page("glossary", search="<b>phlogiston</b>")
    assert any("No term contains" in element.value and "\\<b" in element.value for element in app.markdown)
