"""Every choice of every group keeps the same promises; a new file is held to them without an edit here."""

import math

import pytest
import torch

from kd_core.base.events import Failed, Finished, Step
from kd_core.base.options import as_text, options_of
from kd_core.base.registry import GROUPS, Plugin, find_plugin, make, plugins
from kd_core.config.run import OPTION_GROUPS, RunConfig, all_options, from_flat, read_flat
from kd_core.datasets import Data, Dataset, NotAvailableError, load
from kd_core.nn.cost import measure
from kd_core.training.loop import Trainer

pytestmark = pytest.mark.usefixtures("tiny")  # data sets that are fetched are here, and small

EVERY = [(group, name, cls) for group in GROUPS for name, cls in plugins(group).items()]
DATASETS, MODELS, METHODS, SCHEMES = (list(plugins(group)) for group in GROUPS)


@pytest.mark.parametrize(("group", "name", "cls"), EVERY, ids=[f"{g}/{n}" for g, n, _ in EVERY])
def test_a_choice_describes_itself_and_survives_json(group: str, name: str, cls: type[Plugin]) -> None:
    member = cls()
    assert member.name == name
    assert make(group, member.to_dict()) == member
    assert cls.title
    assert cls.summary.endswith(".")
    assert cls.family
    for option in options_of(cls).values():
        assert option.help.endswith(".")


@pytest.mark.parametrize(("group", "name", "cls"), EVERY, ids=[f"{g}/{n}" for g, n, _ in EVERY])
def test_every_default_is_within_its_own_range(group: str, name: str, cls: type[Plugin]) -> None:
    for key, option in options_of(cls).items():
        default = cls.__dataclass_fields__[key].default
        assert option.check(key, as_text(default)) == default


@pytest.mark.parametrize("group", GROUPS)
def test_an_unknown_name_is_answered_with_the_known_ones(group: str) -> None:
    with pytest.raises(ValueError, match=r'= "nothing": choose one of .*' + next(iter(plugins(group)))):
        find_plugin(group, "nothing")


def test_no_two_settings_share_a_flat_name_and_differ_in_meaning() -> None:
    owners: dict[str, set[str]] = {}
    groups = {name for name, *_ in OPTION_GROUPS}
    for name, owner, _ in all_options():
        owners.setdefault(name, set()).add(owner if owner in groups else "choice")
    assert {name: found for name, found in owners.items() if len(found) > 1} == {}


def here(name: str) -> Data | None:
    """The data as they are by default; None where there are none before somebody chose some, and it says what to do."""
    dataset = find_plugin("datasets", name)()
    assert isinstance(dataset, Dataset)
    if dataset.is_available():
        return load(dataset)
    with pytest.raises(NotAvailableError, match=r"^[A-Za-z].*(set the|name|choose|upload|with:) .*\.$"):
        load(dataset)
    return None


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_says_where_it_comes_from_and_under_what_terms(name: str) -> None:
    dataset = find_plugin("datasets", name)()
    assert isinstance(dataset, Dataset)
    assert dataset.source
    assert dataset.licence
    assert not (dataset.source + dataset.licence).endswith(".")
    assert dataset.download_size >= 0


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_has_three_disjoint_splits_with_every_class_and_never_changes(name: str) -> None:
    data = here(name)
    if data is None:
        return
    again = find_plugin("datasets", name)().load()  # type: ignore[attr-defined]
    for part in ("train", "validation", "test"):
        split, same = getattr(data, part), getattr(again, part)
        assert torch.equal(split.inputs, same.inputs)
        assert torch.equal(split.labels, same.labels)
        assert split.inputs.dtype == torch.float32
        assert split.inputs.isfinite().all()
        assert sorted(split.labels.unique().tolist()) == list(range(len(data.classes)))
    everything = torch.cat([split.inputs.flatten(1) for split in (data.train, data.validation, data.test)])
    # A few scanned digits occur twice in the source itself; a leak would show as hundreds.
    assert len(everything) - len(everything.unique(dim=0)) <= 5


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("model", MODELS)
def test_a_model_gives_finite_logits_for_every_data_set_or_says_why_not(dataset: str, model: str) -> None:
    data, family = here(dataset), find_plugin("models", model)()
    if data is None:
        return
    if refusal := family.unsupported_reason(data.shape):
        with pytest.raises(ValueError, match=model):
            from_flat({"dataset": dataset, "student": model})
        assert refusal
        return
    network = family.build(data.shape, len(data.classes)).eval()
    logits = network(data.validation.inputs[:3])
    assert logits.shape == (3, len(data.classes))
    assert logits.isfinite().all()
    cost = measure(lambda: family.build(data.shape, len(data.classes)), data.shape)
    assert cost.parameters == sum(p.numel() for p in network.parameters())
    assert cost.flops > cost.parameters


def fitting(**flat: str) -> RunConfig | None:
    """The configuration with the first family of students that the method can teach; None if there is none."""
    for student in MODELS:
        config, errors = read_flat({"student": student, "epochs": "3", "teacher_epochs": "1", **flat})
        if not errors:
            return config
        assert all(line.startswith(("method = ", "student = ")) for line in errors), errors
    return None


@pytest.mark.parametrize("method", METHODS)
def test_digits_can_be_learned_by_every_method(method: str) -> None:
    assert fitting(dataset="digits", method=method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dataset", ["digits", "moons"])
def test_a_method_trains_from_end_to_end_or_says_why_not(dataset: str, method: str) -> None:
    config = fitting(dataset=dataset, method=method)
    if config is None:
        with pytest.raises(ValueError, match=rf"method = {method}: .* needs .*, and .*\d"):
            from_flat({"dataset": dataset, "method": method})
        return
    said = list(Trainer(config))
    assert not [event for event in said if isinstance(event, Failed)]
    assert isinstance(said[-1], Finished)
    assert said[-1].outcome == "completed"
    for event in said:
        if isinstance(event, Step):
            for role, parts in event.parts.items():
                weighted = math.fsum(value for _, value in parts.values())
                assert event.loss[role] == pytest.approx(weighted, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("dataset", DATASETS)
def test_what_a_data_set_suggests_is_valid_and_known(dataset: str) -> None:
    _, errors = read_flat({"dataset": dataset, **find_plugin("datasets", dataset).recommended})  # type: ignore[attr-defined]
    if here(dataset) is None:
        assert [error for error in errors if not error.startswith(f"dataset = {dataset}: ")] == []
        return
    assert errors == []
