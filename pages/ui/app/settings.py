"""Settings of the run form, one flat dictionary of text per session, mirrored in the URL.

Widgets appear and disappear with pages and with the plug-ins they belong to; this dictionary stays. It holds what the
user entered, valid or not, so that an invalid value can be shown and corrected.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import streamlit as st

from kd_core.base.options import Options, option_label, options_of, parse_options, text
from kd_core.base.registry import find_key, find_plugin, plugins
from kd_core.config.run import (
    DEFAULTS,
    OPTION_GROUPS,
    PLUGIN_FIELDS,
    UNKNOWN,
    RunConfig,
    differences,
    option_names,
    read_flat,
)
from kd_core.datasets import Dataset, is_loaded, load
from kd_core.files.archive import format_bytes
from pages.ui.app import auth
from pages.ui.app.url_state import UrlState

CARDS = {
    "dataset": "Data",
    "teacher": "Teacher",
    "student": "Student",
    "scheme": "Distillation scheme",
    "method": "Method",
}
TEACHERS = "Teacher’s"
VIEWER_BYTES = 100_000_000  # of a data set that anybody may load


@dataclass(frozen=True)
class DistillOptions(Options):
    """Choices of the Distill page. The other parameters of its URL are settings of the run."""

    run: str = text("", 80, "Id of the run that is shown.")
    log: str = text("", 1, "1 for a logarithmic axis of the curves.")


url = UrlState("distill", DistillOptions, extra=None)


def read_url(initial: RunConfig | None) -> tuple[RunConfig, list[str]]:
    """Read the settings from a newly opened link, and return the run and messages about invalid settings.

    An invalid setting is replaced by its default. A link that names a run and no settings brings the settings of that
    run.

    Args:
        initial: the run that the page shows.
    """
    link = url.other_parameters()
    if not link and initial is not None:
        _replace(initial.flat())
    elif (link and url.is_new()) or "settings" not in st.session_state:
        _replace(link)
    url.remember()
    return current()


def current() -> tuple[RunConfig, list[str]]:
    """Return the run of the settings and messages about invalid ones, without reading the URL."""
    return read(st.session_state["settings"])


def read(texts: Mapping[str, str]) -> tuple[RunConfig, list[str]]:
    """Return a run of some settings and messages about invalid ones, as :func:`read_flat` does.

    A viewer's link must not load a large data set, which takes memory and time from all others.
    """
    if not (refusal := data_refusal(texts)):
        return read_flat(texts)
    return read_flat({name: text for name, text in texts.items() if name == "seed"})[0], [refusal]


def data_refusal(texts: Mapping[str, str]) -> str:
    """Return why this session may not load the data set of some settings, as a sentence; "" if it may.

    Whoever may start runs may load every data set; others those that are small, in memory already, or of a stored run.
    """
    if auth.may_act():
        return ""
    try:
        cls = find_plugin("datasets", texts.get("dataset", DEFAULTS["dataset"]))
        dataset = cls(**parse_options(cls, texts, "dataset_")[0])
    except ValueError:  # another data set takes its place
        return ""
    assert isinstance(dataset, Dataset)
    if dataset.loaded_bytes <= VIEWER_BYTES or is_loaded(dataset) or not dataset.is_available():
        return ""
    from kd_core.runs import manager  # slow to import, and needed for large data alone

    if manager.get_manager().store.has_run_on(dataset):
        return ""
    return (
        f"{dataset.title}: these settings need some {format_bytes(dataset.loaded_bytes)} of memory, which only a "
        "presenter may load. Choose fewer examples, or another data set."
    )


def link_errors() -> list[str]:
    """Return the messages about unknown settings of the link, until another setting is chosen."""
    refused: list[str] = st.session_state.get("refused_link", [])
    return refused


def write_url(started: str | None = None) -> None:
    """Write the settings to the URL, invalid ones as they were chosen, and the run that was started, if any."""
    url.update(differences(st.session_state["settings"]), **({"run": started} if started else {}))


def set_option(name: str, text: str) -> None:
    """Change one setting.

    A new data set or scheme brings its recommended settings. A new network or method removes the options of the
    previous one.
    """
    settings: dict[str, str] = st.session_state["settings"]
    if name == "dataset":
        set_dataset(text)
    elif name == "scheme":
        _set_scheme(text)
    elif name in CARDS:
        previous = option_names(name, settings[name])
        _replace({other: value for other, value in settings.items() if other not in previous} | {name: text})
    else:
        st.session_state["refused_link"] = []
        settings[name] = text


def reset(names: Collection[str]) -> None:
    """Give these settings the values that data set and scheme recommend."""
    _replace({name: text for name, text in st.session_state["settings"].items() if name not in names})


def show(config: RunConfig) -> None:
    """Replace all settings by those of a run."""
    _replace(config.flat())


def set_dataset(dataset: str, **options: str) -> None:
    """Change to a data set with its recommended settings; one that is not available is still named."""
    settings: dict[str, str] = st.session_state["settings"]
    texts = {"dataset": dataset, "seed": settings["seed"]}
    texts |= {f"dataset_{name}": text for name, text in options.items() if text}
    with_scheme = texts | {"scheme": settings["scheme"]}
    _replace(texts if read(with_scheme)[1] else with_scheme)


def set_teacher(texts: Mapping[str, str]) -> None:
    """Change to a teacher with these settings, such as an imported one."""
    settings: dict[str, str] = st.session_state["settings"]
    previous = option_names("teacher", settings["teacher"]) | {"teacher_weights"}
    _replace({name: text for name, text in settings.items() if name not in previous} | dict(texts))


def _set_scheme(scheme: str) -> None:
    """Change the scheme.

    The options and recommended settings of the old scheme are replaced by those of the new one; all others stay.
    """
    settings: dict[str, str] = st.session_state["settings"]
    old, new = find_plugin("schemes", settings["scheme"]), find_plugin("schemes", scheme)
    dataset = {name: text for name, text in settings.items() if name.startswith("dataset")}
    config = read(dataset | {"scheme": scheme})[0]
    recommended, data = config.flat(), load(config.dataset)
    replaced = {option for cls in (old, new) for option in (*options_of(cls), *cls.recommended_settings(data))}  # type: ignore[attr-defined]
    for member in replaced & CARDS.keys():
        if recommended[member] != settings[member]:
            replaced |= option_names(member, settings[member])
    _replace({name: text for name, text in settings.items() if name not in replaced} | {"scheme": scheme})


def _replace(texts: Mapping[str, str]) -> None:
    """Replace all settings by ``texts``, completed by recommended ones, and keep messages about unknown names."""
    config, errors = read(texts)
    settings, unknown, others = config.flat(), [], dict(texts)
    if errors:
        base = {name: text for name, text in texts.items() if name.startswith("dataset") or name == "scheme"}
        settings = read(base)[0].flat()
        for member, group, _ in PLUGIN_FIELDS:
            try:
                key = find_key(group, others.pop(member, settings[member]), member)
            except ValueError as error:
                unknown.append(str(error))
                continue
            if key != settings[member]:
                previous = option_names(member, settings[member])
                settings = {name: text for name, text in settings.items() if name not in previous} | {member: key}
        settings |= others
        for line in [line for line in read(settings)[1] if line.endswith(UNKNOWN)]:
            del settings[line.removesuffix(UNKNOWN)]
            unknown.append(line)
    st.session_state["settings"], st.session_state["refused_link"] = settings, unknown


def labels() -> dict[str, str]:
    """Return the labels of all settings on the screen, by name; the chosen plug-ins take precedence."""
    settings: dict[str, str] = st.session_state["settings"]
    by_name = dict(CARDS)
    for member, group, prefix in PLUGIN_FIELDS:
        members = sorted(plugins(group).items(), key=lambda item: item[0] != settings[member])
        for _, cls in members:
            for name, option in options_of(cls).items():
                by_name.setdefault(prefix + name, option_label(name, option))
    for _, kind, prefix in OPTION_GROUPS:
        owner = TEACHERS if prefix == "teacher_" else ""
        by_name |= {prefix + name: option_label(name, option, owner) for name, option in options_of(kind).items()}
    return by_name


def with_labels(line: str, names: Mapping[str, str] | None = None) -> str:
    """Return a message with the labels of the settings, as “Combine” = losses instead of combine = losses."""
    by_name = labels() if names is None else names
    pattern = r"\b(\w+)(?= =|:| is varied)"
    return re.sub(pattern, lambda name: f"“{by_name[name[1]]}”" if name[1] in by_name else name[1], line)
