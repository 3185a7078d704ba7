"""Settings of the run form, one flat dictionary of text per session, mirrored in the URL.

Widgets appear and disappear with pages and with the plug-ins they belong to; this dictionary stays. It holds what the
user entered, valid or not, so that an invalid value can be shown and corrected.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Mapping

import streamlit as st

from kd_core.base.options import as_text, option_label, options_of
from kd_core.base.registry import find_key, find_plugin, plugins
from kd_core.config.run import OPTION_GROUPS, PLUGIN_FIELDS, RunConfig, read_flat
from kd_core.datasets import load

CARDS = {
    "dataset": "Data",
    "teacher": "Teacher",
    "student": "Student",
    "scheme": "Distillation scheme",
    "method": "Method",
}
TEACHERS = "Teacher’s"
UNKNOWN = ": there is no such setting."
# Parameters of the URL that are not settings of a run.
RESERVED = ("run", "autoplay", "log", "embed", "embed_options")


def sync(initial: RunConfig | None) -> tuple[RunConfig, list[str]]:
    """Read the settings from a newly opened link, and return the run and messages about invalid settings.

    An invalid setting is replaced by its default. A link that names a run and no settings brings the settings of that
    run.

    Args:
        initial: the run that the page shows.
    """
    if not _link() and initial is not None:
        st.session_state["settings"], st.session_state["written_link"] = initial.flat(), {}
    if not _link() and "settings" in st.session_state:  # the user came back from another page by the menu
        st.session_state["written_link"] = {}
    if _link() != st.session_state.get("written_link"):  # a link was opened, or the URL edited
        st.session_state["settings"], st.session_state["refused_link"] = _read_link(_link())
        st.session_state["written_link"] = _link()
    return current()


def current() -> tuple[RunConfig, list[str]]:
    """Return the run of the settings and messages about invalid ones, without reading the URL."""
    return read_flat(st.session_state["settings"])


def _read_link(link: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the settings of a link, valid or not, completed by defaults, and messages about unknown names."""
    config, refused = read_flat(link)
    if not refused:
        return config.flat(), []
    chosen = {}
    for member, group, _ in PLUGIN_FIELDS:
        if member in link:
            with contextlib.suppress(ValueError):  # the refusal names it
                chosen[member] = find_key(group, link[member])
    unknown_plugins = [line for line in refused if any(line.startswith(f'{name} = "') for name in CARDS)]
    texts = _defaults(link, chosen) | {name: text for name, text in link.items() if name not in CARDS} | chosen
    unknown = [line.split(":")[0] for line in read_flat(texts)[1] if line.endswith(UNKNOWN)]
    settings = {name: text for name, text in texts.items() if name not in unknown}
    return settings, [*unknown_plugins, *(f"{name}{UNKNOWN}" for name in unknown)]


def link_errors() -> list[str]:
    """Return the messages about unknown settings of the link, until another setting is chosen."""
    refused: list[str] = st.session_state.get("refused_link", [])
    return refused


def set_option(name: str, text: str) -> None:
    """Change one setting.

    A new data set or scheme brings its recommended settings. A new network or method removes the options of the
    previous one.
    """
    settings: dict[str, str] = st.session_state["settings"]
    st.session_state["refused_link"] = []
    if name == "dataset":
        set_dataset(text)
        return
    if name == "scheme":
        st.session_state["settings"] = _change_scheme(settings, text)
        return
    for member, group, prefix in PLUGIN_FIELDS:
        if name == member:
            for option in options_of(find_plugin(group, settings[name])):
                settings.pop(prefix + option, None)
            changed = {**settings, name: text}
            config, refused = read_flat(changed)
            st.session_state["settings"] = changed if refused else config.flat()
            return
    settings[name] = text


def set_dataset(dataset: str, **options: str) -> None:
    """Change to a data set with its recommended settings; one that is not available is still named."""
    settings: dict[str, str] = st.session_state["settings"]
    st.session_state["refused_link"] = []
    texts = {f"dataset_{name}": text for name, text in options.items() if text}
    texts = {"dataset": dataset, "seed": settings["seed"], **texts}
    config, refused = read_flat({**texts, "scheme": settings["scheme"]})
    if refused:
        config, refused = read_flat(texts)
    flat = config.flat()
    if config.dataset.name != dataset:
        flat = {name: text for name, text in flat.items() if not name.startswith("dataset")} | texts
    st.session_state["settings"] = flat


def _change_scheme(settings: dict[str, str], scheme: str) -> dict[str, str]:
    """Return the settings with another scheme.

    The options and recommended settings of the old scheme are replaced by those of the new one; all others stay.
    """
    old, new = find_plugin("schemes", settings["scheme"]), find_plugin("schemes", scheme)
    dataset = {name: text for name, text in settings.items() if name.startswith("dataset")}
    config = read_flat({**dataset, "scheme": scheme})[0]
    defaults, data = config.flat(), load(config.dataset)
    replaced = {option for cls in (old, new) for option in (*options_of(cls), *cls.recommended_settings(data))}  # type: ignore[attr-defined]
    for member, group, prefix in PLUGIN_FIELDS:
        if member in replaced and defaults[member] != settings[member]:
            for name in (settings[member], defaults[member]):
                replaced |= {prefix + option for option in options_of(find_plugin(group, name))}
    others = {name: text for name, text in settings.items() if name not in replaced} | {"scheme": scheme}
    replaced -= {option for option in options_of(old) if option not in options_of(new)}
    return others | {name: text for name, text in defaults.items() if name in replaced}


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


def with_labels(line: str) -> str:
    """Return a message with the labels of the settings, as “Combine” = losses instead of combine = losses."""
    by_name = labels()
    return re.sub(r"\b(\w+)(?= =)", lambda name: f"“{by_name[name[1]]}”" if name[1] in by_name else name[1], line)


def write_url(config: RunConfig, run: str | None, refused: Collection[str] = ()) -> None:
    """Write the settings and the shown run to the URL, invalid settings as they were chosen."""
    reserved = {name: text for name, text in st.query_params.items() if name in RESERVED and name != "run"}
    changed = _differences(st.session_state["settings"]) if refused else config.differences()
    parameters = changed | reserved | ({"run": run} if run else {})
    if dict(st.query_params.items()) != parameters:
        st.query_params.from_dict(parameters)
    st.session_state["written_link"] = _link()


def _differences(texts: dict[str, str]) -> dict[str, str]:
    """Return the settings, valid or not, that differ from their defaults, and always the data set and scheme."""
    chosen = {name: texts[name] for name in CARDS}
    cls = find_plugin("datasets", chosen["dataset"])
    dataset_options = {f"dataset_{name}": as_text(getattr(cls(), name)) for name in options_of(cls)}
    defaults = _defaults(texts, chosen) | dataset_options
    always = {name: text for name, text in chosen.items() if name in ("dataset", "scheme")}
    return always | {name: text for name, text in texts.items() if defaults.get(name) != text}


def _defaults(texts: Mapping[str, str], chosen: Mapping[str, str]) -> dict[str, str]:
    """Return the recommended settings of the chosen data set and scheme.

    Options of a plug-in are left out where another one is chosen.
    """
    dataset = {name: text for name, text in texts.items() if name.startswith("dataset")}
    choice = {name: chosen[name] for name in ("dataset", "scheme") if name in chosen}
    defaults = read_flat(dataset | choice)[0].flat()
    for member, group, prefix in PLUGIN_FIELDS:
        if chosen.get(member, defaults[member]) != defaults[member]:
            for option in options_of(find_plugin(group, defaults[member])):
                defaults.pop(prefix + option, None)
    return defaults


def _link() -> dict[str, str]:
    return {name: text for name, text in st.query_params.items() if name not in RESERVED}
