"""Contract of all plug-ins, built-in or from outside."""

import functools
import itertools
import math

import pytest
import torch
from torch import nn

from kd_core.base.events import Failed, Finished, Step
from kd_core.base.options import as_text, options_of
from kd_core.base.registry import GROUPS, Plugin, find_key, find_plugin, make, plugins, problems
from kd_core.config import presets
from kd_core.config.claims import LEAST_SEEDS, TOPICS, Claim, claims
from kd_core.config.run import OPTION_GROUPS, RunConfig, from_flat, read_flat
from kd_core.config.validation import all_options
from kd_core.datasets import Data, Dataset, NotAvailableError, load
from kd_core.models import Model
from kd_core.nn.cost import NetworkCost, measure
from kd_core.schemes import comparison_of, plan_of
from kd_core.store.records import family_of
from kd_core.training.loop import PhaseCache, Trainer

pytestmark = pytest.mark.usefixtures("tiny")  # downloaded data sets are small ones from this machine

EVERY = [(group, name, cls) for group in GROUPS for name, cls in plugins(group).items()]
CACHE: PhaseCache = {}  # one teacher for all runs of this file
QUICK = {"epochs": "1", "teacher_epochs": "1", "teacher_view": "student", "labelled": "80"}
DATASETS, MODELS, METHODS, SCHEMES = (list(plugins(group)) for group in ("datasets", "models", "methods", "schemes"))


@pytest.mark.parametrize(("group", "name", "cls"), EVERY, ids=[f"{g}/{n}" for g, n, _ in EVERY])
def test_a_plug_in_describes_itself_and_survives_json(group: str, name: str, cls: type[Plugin]) -> None:
    plugin = cls()
    assert plugin.name == name
    assert make(group, plugin.to_dict()) == plugin
    assert cls.title
    assert cls.family
    assert not cls.summary or cls.summary.endswith(".")
    assert all(find_key(group, text) == name for text in (name, *cls.aliases, cls.title))
    for option in options_of(cls).values():
        assert option.help.endswith(".")


@pytest.mark.parametrize(("group", "name", "cls"), EVERY, ids=[f"{g}/{n}" for g, n, _ in EVERY])
def test_every_default_is_within_its_own_range(group: str, name: str, cls: type[Plugin]) -> None:
    for key, option in options_of(cls).items():
        default = cls.__dataclass_fields__[key].default
        assert option.check(key, as_text(default)) == default


def test_no_plug_in_from_outside_is_broken() -> None:
    assert problems() == ()


@pytest.mark.parametrize("group", GROUPS)
def test_an_unknown_name_is_answered_with_the_allowed_ones(group: str) -> None:
    with pytest.raises(ValueError, match=r'= "nothing": choose one of .*' + next(iter(plugins(group)))):
        find_plugin(group, "nothing")


def test_no_two_settings_share_a_flat_name_and_differ_in_meaning() -> None:
    owners: dict[str, set[str]] = {}
    groups = {name for name, *_ in OPTION_GROUPS}
    for name, owner, _ in all_options():
        owners.setdefault(name, set()).add(owner if owner in groups else "plug-in")
    assert {name: several for name, several in owners.items() if len(several) > 1} == {}


def data_of(name: str) -> Data | None:
    """Return the data with default options; None where a file must be chosen first, which the error says."""
    dataset = find_plugin("datasets", name)()
    assert isinstance(dataset, Dataset)
    if dataset.is_available():
        return load(dataset)
    with pytest.raises(NotAvailableError, match=r"^[A-Za-z].*(set the|name|choose|upload|with:) .*\.$"):
        load(dataset)
    return None


@pytest.mark.parametrize("name", DATASETS)
def test_source_and_licence_of_a_data_set_are_no_sentences(name: str) -> None:
    dataset = find_plugin("datasets", name)()
    assert isinstance(dataset, Dataset)
    assert not (dataset.source + dataset.licence).endswith(".")
    assert dataset.download_size >= 0


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_has_three_disjoint_splits_with_every_class_and_never_changes(name: str) -> None:
    data = data_of(name)
    if data is None:
        return
    dataset = find_plugin("datasets", name)()
    assert isinstance(dataset, Dataset)
    assert dataset.task == data.task
    second = dataset.load()
    for part in ("train", "validation", "test"):
        split, same = getattr(data, part), getattr(second, part)
        assert torch.equal(split.inputs, same.inputs)
        assert torch.equal(split.labels, same.labels)
        assert split.inputs.dtype == torch.float32
        assert split.inputs.isfinite().all()
        if not data.task.has_class_rows:
            assert split.labels.shape[1:] == (len(data.classes),)
            assert split.labels.isfinite().all()
            continue
        present = sorted(set(data.task.row_labels(split.labels).unique().tolist()) - {-1})
        if data.task.has_class_per_example:
            assert present == list(range(len(data.classes)))
        assert set(present) <= set(range(len(data.classes)))
    inputs = [example.tobytes() for part in (data.train, data.validation, data.test) for example in part.inputs.numpy()]
    # A few scanned digits occur twice in the source itself; a leak would show as hundreds.
    assert len(inputs) - len(set(inputs)) <= 5


@functools.lru_cache(maxsize=16)  # many data sets have the same shape and number of classes
def built(family: Model, shape: tuple[int, ...], classes: int) -> tuple[nn.Module, NetworkCost]:
    return family.build(shape, classes).eval(), measure(lambda: family.build(shape, classes), shape)


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("model", MODELS)
def test_a_model_gives_finite_logits_for_every_data_set_or_says_why_it_cannot(dataset: str, model: str) -> None:
    data, family = data_of(dataset), find_plugin("models", model)()
    if data is None:
        return
    if refusal := family.data_refusal(data):
        with pytest.raises(ValueError, match=model):
            from_flat({"dataset": dataset, "student": model})
        assert refusal
        return
    network, cost = built(family, data.shape, len(data.classes))
    logits = network(data.validation.inputs[:3])
    rows = len(data.task.row_labels(data.validation.labels[:3]))
    assert data.task.rows(logits).shape == (rows, len(data.task.row_classes(data.classes)))
    assert logits.isfinite().all()
    assert cost.parameters == sum(p.numel() for p in network.parameters())
    assert cost.flops > cost.parameters


@functools.cache
def supported_config(**flat: str) -> RunConfig | None:
    """Return a configuration with the first families that the loss supports, fast ones first; None if none."""
    teachers = ({"teacher": "mlp"}, *({"teacher": name, "teacher_width": "8"} for name in ("cnn", "vit")))
    for teacher, student in itertools.product(teachers, ("mlp", *MODELS)):
        networks = {**teacher, "student": student}
        config, errors = read_flat({**QUICK, **networks, **flat})
        if not errors:
            return config
        assert all(line.startswith(("method = ", "student = ", "teacher = ")) for line in errors), errors
    return None


@pytest.mark.parametrize("method", METHODS)
def test_every_method_supports_the_digits_the_boxes_of_shapes_or_numbers(method: str) -> None:
    others = ({"dataset": "shapes", "method": method}, {"dataset": "friedman", "method": method})
    digits = supported_config(dataset="digits", method=method)
    assert digits or not all(read_flat(other)[1] for other in others)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dataset", ["digits", "moons", "friedman", "several_digits"])
def test_a_method_trains_from_end_to_end_or_says_why_it_cannot(dataset: str, method: str) -> None:
    config = supported_config(dataset=dataset, method=method)
    if config is None:
        reasons = (r"needs .*, and .*\d", "and (multi-label )?classification has", "and regression has", "a yes or no")
        with pytest.raises(ValueError, match=rf"method = {method}: .*({'|'.join(reasons)})"):
            from_flat({"dataset": dataset, "method": method})
        return
    events = list(Trainer(config, cache=CACHE))
    assert not [event for event in events if isinstance(event, Failed)]
    assert isinstance(events[-1], Finished)
    assert events[-1].outcome == "completed"
    for event in events:
        if isinstance(event, Step):
            for role, parts in event.parts.items():
                weighted = math.fsum(value for _, value in parts.values())
                assert event.loss[role] == pytest.approx(weighted, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_recommended_settings_of_a_data_set_are_valid(dataset: str) -> None:
    _, errors = read_flat({"dataset": dataset, **find_plugin("datasets", dataset).recommended})  # type: ignore[attr-defined]
    if data_of(dataset) is None:
        assert [error for error in errors if not error.startswith(f"dataset = {dataset}: ")] == []
        return
    assert errors == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_plan_of_a_scheme_trains_the_networks_that_its_verdict_compares(scheme: str) -> None:
    is_text = plugins("schemes")[scheme].writes_examples  # type: ignore[attr-defined]
    chosen = {"dataset": "python_docs"} if is_text else {"dataset": "digits", "omitted": "3"}
    config, errors = read_flat({"scheme": scheme, **chosen})
    assert errors == []
    roles = {network.role for phase in plan_of(config) for network in phase.networks}
    comparison = comparison_of(config)
    assert {comparison.role, comparison.control} <= roles


@pytest.mark.parametrize("preset", [preset.name for preset in presets.all_presets()])
def test_a_preset_is_a_valid_configuration(preset: str) -> None:
    for variant in presets.find(preset).variants or (presets.find(preset).variant(),):
        assert from_flat(presets.config(presets.find(preset), variant.name))


@pytest.mark.parametrize("claim", claims().values(), ids=list(claims()))
def test_a_claim_compares_tested_networks_on_embedded_data(claim: Claim) -> None:
    assert claim.topic in TOPICS
    assert LEAST_SEEDS <= claim.seeds <= 20
    assert len(claim.families) <= 4
    assert claim.title.endswith(".")
    assert claim.why.endswith(".")
    assert any(character.isdigit() for character in claim.source)
    configs = claim.configs()
    assert len({config.dataset for config in configs.values()}) == 1  # else its test examples cannot be paired
    assert all(not config.dataset.download_size for config in configs.values())
    for term in claim.contrast.terms:
        roles = {network.role for phase in plan_of(configs[term.family]) for network in phase.networks}
        assert term.role in roles
    assert {term.family for term in claim.contrast.terms} == set(claim.families)


@pytest.mark.parametrize("claim", claims().values(), ids=list(claims()))
def test_the_runs_of_a_claim_are_found_again_by_their_family(claim: Claim) -> None:
    for family, config in claim.configs().items():
        assert presets.family(claim.families[family]) == family_of(config)


@pytest.mark.parametrize("claim", claims().values(), ids=list(claims()))
def test_the_contrast_of_a_claim_is_zero_where_nothing_differs(claim: Claim) -> None:
    assert sum(term.weight for term in claim.contrast.terms) == pytest.approx(0)


@pytest.mark.parametrize("claim", claims().values(), ids=list(claims()))
def test_what_was_measured_agrees_with_its_terms(claim: Claim) -> None:
    then = claim.measured
    if then is None:
        pytest.skip("a claim from outside need not be measured")
    assert len(then.values) == len(claim.contrast.terms)
    weighted = zip(claim.contrast.terms, then.values, strict=True)
    assert then.estimate == pytest.approx(sum(term.weight * value for term, value in weighted), abs=0.03)
    assert then.interval[0] < then.estimate < then.interval[1]
    assert then.seeds == claim.seeds
    assert 0 < then.seconds < 400  # those about language take minutes
