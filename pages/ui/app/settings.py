"""The chosen settings: one flat dictionary of text per session, written to the URL, from which every widget is drawn.

Widgets come and go with pages and with the families they belong to; this dictionary stays. It holds what was typed,
right or wrong, so that a refused value can be shown, named and mended.
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
    "scheme": "Who teaches whom",
    "method": "Method",
}
TEACHERS = "Teacher’s"
UNKNOWN = ": there is no such setting."
# Parameters of the URL that are no setting of a run.
RESERVED = ("run", "autoplay", "log", "embed", "embed_options")


def sync(shown: RunConfig | None) -> tuple[RunConfig, list[str]]:
    """The configuration as chosen so far; a setting that cannot be used is replaced by the usual one, with a sentence.

    A link to a run that names no settings brings those of the run that is ``shown``.
    """
    if not _link() and shown is not None:
        st.session_state["settings"], st.session_state["written_link"] = shown.flat(), {}
    if not _link() and "settings" in st.session_state:  # back from another page by the menu
        st.session_state["written_link"] = {}
    if _link() != st.session_state.get("written_link"):  # a link was opened, or the address edited
        st.session_state["settings"], st.session_state["refused_link"] = _asked(_link())
        st.session_state["written_link"] = _link()
    return current()


def current() -> tuple[RunConfig, list[str]]:
    """As :func:`sync`, of the settings as they are, whatever the address says."""
    return read_flat(st.session_state["settings"])


def _asked(link: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """What a link says, right or wrong, with the usual for the rest; and a sentence for each name that nothing has."""
    config, refused = read_flat(link)
    if not refused:
        return config.flat(), []
    named = {}
    for member, group, _ in PLUGIN_FIELDS:
        if member in link:
            with contextlib.suppress(ValueError):
                named[member] = find_key(group, link[member])
    strange = [line for line in refused if any(line.startswith(f'{name} = "') for name in CARDS)]
    wanted = _usual(link, named) | {name: text for name, text in link.items() if name not in CARDS} | named
    lost = [line.split(":")[0] for line in read_flat(wanted)[1] if line.endswith(UNKNOWN)]
    kept = {name: text for name, text in wanted.items() if name not in lost}
    return kept, [*strange, *(f"{name}{UNKNOWN}" for name in lost)]


def link_errors() -> list[str]:
    """What the link asked for and could not get, until something else is chosen."""
    refused: list[str] = st.session_state.get("refused_link", [])
    return refused


def set_option(name: str, text: str) -> None:
    """Changes one setting. A new data set or scheme brings what it suggests; a new family of networks or methods
    forgets the options of the old one."""
    settings: dict[str, str] = st.session_state["settings"]
    st.session_state["refused_link"] = []
    if name == "dataset":
        set_dataset(text)
        return
    if name == "scheme":
        st.session_state["settings"] = _rearranged(settings, text)
        return
    for member, group, prefix in PLUGIN_FIELDS:
        if name == member:
            for option in options_of(find_plugin(group, settings[name])):
                settings.pop(prefix + option, None)
            kept = {**settings, name: text}
            config, refused = read_flat(kept)
            st.session_state["settings"] = kept if refused else config.flat()
            return
    settings[name] = text


def set_dataset(dataset: str, **options: str) -> None:
    """Another data set, with ``options``, and what it suggests; one that is not here stays named."""
    settings: dict[str, str] = st.session_state["settings"]
    st.session_state["refused_link"] = []
    given = {f"dataset_{name}": text for name, text in options.items() if text}
    kept = {"dataset": dataset, "seed": settings["seed"], **given}
    config, refused = read_flat({**kept, "scheme": settings["scheme"]})
    if refused:
        config, refused = read_flat(kept)
    named = {} if config.dataset.name == dataset else kept
    st.session_state["settings"] = {
        k: v for k, v in config.flat().items() if not named or not k.startswith("dataset")
    } | named


def _rearranged(settings: dict[str, str], scheme: str) -> dict[str, str]:
    """The settings under another scheme: without what the old one had and suggested, with what the new one suggests.
    What else was chosen stays."""
    old, new = find_plugin("schemes", settings["scheme"]), find_plugin("schemes", scheme)
    data_alone = {name: text for name, text in settings.items() if name.startswith("dataset")}
    arranged = read_flat({**data_alone, "scheme": scheme})[0]
    usual, data = arranged.flat(), load(arranged.dataset)
    gone = {option for cls in (old, new) for option in (*options_of(cls), *cls.recommended_settings(data))}  # type: ignore[attr-defined]
    for member, group, prefix in PLUGIN_FIELDS:
        if member in gone and usual[member] != settings[member]:
            for name in (settings[member], usual[member]):
                gone |= {prefix + option for option in options_of(find_plugin(group, name))}
    kept = {name: text for name, text in settings.items() if name not in gone} | {"scheme": scheme}
    gone -= {option for option in options_of(old) if option not in options_of(new)}
    return kept | {name: text for name, text in usual.items() if name in gone}


def labels() -> dict[str, str]:
    """What the settings are called on the screen, by name; those of the chosen families come first."""
    settings: dict[str, str] = st.session_state["settings"]
    found = dict(CARDS)
    for member, group, prefix in PLUGIN_FIELDS:
        families = sorted(plugins(group).items(), key=lambda item: item[0] != settings[member])
        for _, cls in families:
            for name, option in options_of(cls).items():
                found.setdefault(prefix + name, option_label(name, option))
    for _, kind, prefix in OPTION_GROUPS:
        called = TEACHERS if prefix == "teacher_" else ""
        found |= {prefix + name: option_label(name, option, called) for name, option in options_of(kind).items()}
    return found


def with_labels(line: str) -> str:
    """A refusal with the settings called as on the screen: “Combine” = losses instead of combine = losses."""
    called = labels()
    return re.sub(r"\b(\w+)(?= =)", lambda found: f"“{called[found[1]]}”" if found[1] in called else found[1], line)


def write_url(config: RunConfig, run: str | None, refused: Collection[str] = ()) -> None:
    """Puts the settings, and the run that is shown, into the address; what is ``refused`` as it was chosen."""
    reserved = {name: text for name, text in st.query_params.items() if name in RESERVED and name != "run"}
    chosen = _short(st.session_state["settings"]) if refused else config.differences()
    wanted = chosen | reserved | ({"run": run} if run else {})
    if dict(st.query_params.items()) != wanted:
        st.query_params.from_dict(wanted)
    st.session_state["written_link"] = _link()


def _short(texts: dict[str, str]) -> dict[str, str]:
    """Of settings, right or wrong, those that are not as usual."""
    named = {name: texts[name] for name in CARDS}
    cls = find_plugin("datasets", named["dataset"])
    plain = {f"dataset_{name}": as_text(getattr(cls(), name)) for name in options_of(cls)}
    usual = _usual(texts, named) | plain
    always = {name: text for name, text in named.items() if name in ("dataset", "scheme")}
    return always | {name: text for name, text in texts.items() if usual.get(name) != text}


def _usual(texts: Mapping[str, str], named: Mapping[str, str]) -> dict[str, str]:
    """What data set and scheme of those ``named`` suggest, without the options of families that are not named."""
    data = {name: text for name, text in texts.items() if name.startswith("dataset")}
    usual = read_flat(data | {name: named[name] for name in ("dataset", "scheme") if name in named})[0].flat()
    for member, group, prefix in PLUGIN_FIELDS:
        if named.get(member, usual[member]) != usual[member]:
            for option in options_of(find_plugin(group, usual[member])):
                usual.pop(prefix + option, None)
    return usual


def _link() -> dict[str, str]:
    return {name: text for name, text in st.query_params.items() if name not in RESERVED}
