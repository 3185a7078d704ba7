"""Texts as inputs of networks, and back."""

import torch

from kd_core.datasets import load
from kd_core.datasets.digits import Digits
from kd_core.datasets.python_docs import PythonDocs
from kd_core.files.text import from_code_points, to_code_points
from kd_core.tasks.text_classification import TextClassification


def test_a_text_of_any_script_survives_the_way_to_numbers_and_back() -> None:
    texts = ["héllo, 𝄞", "ein", "", "数据"]
    inputs = to_code_points(texts).float()
    assert inputs.shape == (4, 8)
    assert inputs[3, :3].tolist() == [ord("数"), ord("据"), 0]
    assert from_code_points(inputs) == texts


def test_texts_are_cut_off_at_a_given_length() -> None:
    assert from_code_points(to_code_points(["abcdef", "xy"], 3)) == ["abc", "xy"]
    assert to_code_points([""]).tolist() == [[0]]


def test_a_task_says_which_inputs_are_texts() -> None:
    docs, digits = load(PythonDocs()), load(Digits())
    (text,) = docs.task.text_of(docs.train.inputs[:1], docs)
    assert len(text) == 64
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyz ")
    assert digits.task.text_of(digits.train.inputs[:1], digits) == []
    assert TextClassification().text_of(torch.tensor([[72.0, 105.0, 0.0]]), digits) == ["Hi"]
