"""Dialog with every setting of the run, in groups, with a search; drawn only while it is open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import streamlit as st

from kd_core.base.options import Option, Options, as_text, default_of, option_label, options_of
from kd_core.config.augmentation import Augmentation
from kd_core.config.compute import Compute
from kd_core.config.label_subset import LabelSubset
from kd_core.config.recipe import STEPS, Recipe, RunOptions, TeacherRecipe
from kd_core.config.run import RunConfig, differences
from kd_core.datasets import load
from pages.ui.app import settings
from pages.ui.app.errors import catch_errors
from pages.ui.form import data_card, import_dialog, method_card, scheme_card, teacher_dialog, training_card
from pages.ui.widgets import options
from pages.ui.widgets.text import search
from pages.ui.widgets.text.escape import escape_markdown
from pages.ui.widgets.text.summaries import affects_loss

OPEN = "settings dialog"  # key of the session
CHANGED = "Changed"
# Settings that the page itself shows beside the start button, with their labels there.
BESIDE_START: tuple[tuple[type[Options], str, str], ...] = (
    (LabelSubset, "labelled", "Labels"),
    (Recipe, "epochs", "Epochs"),
    (RunOptions, "seed", "Seed"),
)


@dataclass(frozen=True)
class Section:
    """Options of one class in a group of the dialog."""

    cls: type[Options]
    prefix: str = ""
    owner: str = ""  # for their labels, such as "Teacher’s"
    without: tuple[str, ...] = ()

    def items(self) -> Iterator[tuple[str, str, Option]]:
        """Yield flat name, name and declaration of each option that has an effect."""
        texts = st.session_state["settings"]
        for name, option in options_of(self.cls).items():
            is_unused = name in ("milestones", "lowered_to") and texts.get(f"{self.prefix}schedule") != STEPS
            if name not in self.without and not is_unused:
                yield self.prefix + name, name, option


def button(config: RunConfig) -> None:
    """Draw the button that opens the dialog, with the number of changed settings, and the dialog while it is open.

    The dialog that imports data is drawn in its place, since only one can be open.
    """
    count = len(changed(config))
    label = f"Advanced ({count} changed)" if count else "Advanced"
    if st.button(label, icon=":material/tune:", key="advanced", width="stretch", help="All settings, with a search."):
        st.session_state[OPEN] = True
    if import_dialog.is_open():
        _close()
        import_dialog.show()
    elif teacher_dialog.is_open():  # one dialog can be open
        _close()
        teacher_dialog.show(config)
    elif st.session_state.get(OPEN):
        _dialog()


def changed(config: RunConfig) -> list[str]:
    """Return the settings that differ from the recommended ones and are not shown on the page itself."""
    on_page = {*settings.CARDS, *(name for _, name, _ in BESIDE_START)}
    on_page |= {*method_card.main_options(method_card.selected_method())}
    in_dialog = {flat for sections in _groups(config).values() for section in sections for flat, *_ in section.items()}
    return [name for name in differences(st.session_state["settings"]) if name not in on_page and name in in_dialog]


def _close() -> None:
    st.session_state[OPEN] = False


@st.dialog("Settings", width="large", on_dismiss=_close)
@catch_errors
def _dialog() -> None:
    config, refused = settings.current()
    groups = _groups(config)
    wanted = st.text_input("Search", placeholder="Search all settings, such as learning rate", key="settings search",
                           label_visibility="collapsed")  # fmt: skip
    for line in refused:
        st.error(escape_markdown(settings.with_labels(line)))
    if wanted:
        matching = [item for item in _all_items(groups) if _matches(wanted, *item)]
        _draw(config, matching)
        if not matching:
            st.caption("No setting has this word in its name or description.")
    else:
        _group(config, groups)
    settings.write_url()


def _group(config: RunConfig, groups: dict[str, list[Section]]) -> None:
    """Draw the choice of a group, and its settings with what else belongs to it."""
    differing = changed(config)
    group = st.segmented_control(
        "Group", [CHANGED, *groups], default=CHANGED if differing else next(iter(groups)), required=True,
        label_visibility="collapsed", key="settings group",
        format_func=lambda name: f"{name} ({len(differing)})" if name == CHANGED else name,
    )  # fmt: skip
    if group != CHANGED:
        _draw(config, [(section, *item) for section in groups[str(group)] for item in section.items()])
        if extra := _EXTRAS.get(str(group)):
            extra(config)
    elif differing:
        _draw(config, [item for item in _all_items(groups) if item[1] in differing])
        st.button("Reset these", icon=":material/restart_alt:", on_click=settings.reset, args=(differing,))
    else:
        st.caption("No setting differs from what is recommended for the data set and the scheme.")


def _groups(config: RunConfig) -> dict[str, list[Section]]:
    """Return the sections of every group; those of chosen plug-ins depend on the settings."""
    dataset = type(data_card.selected_dataset())
    data = [Section(LabelSubset), Section(dataset, "dataset_", without=("id",))]
    data += [Section(Augmentation)] if load(config.dataset).has_images else []
    teacher, student = options.selected("teacher"), options.selected("student")
    recipe = Section(TeacherRecipe, "teacher_", settings.TEACHERS, without=("weights",))
    return {
        "Data": data,
        "Teacher": [Section(teacher, "teacher_", without=("id",)), recipe],
        "Student": [Section(student, "student_"), Section(RunOptions), Section(Recipe)],
        "Method": [Section(type(method_card.selected_method()))],
        "Scheme": [Section(scheme_card.selected_scheme())],
        "Device": [Section(Compute, without=("device",))],
    }


def _all_items(groups: dict[str, list[Section]]) -> list[tuple[Section, str, str, Option]]:
    return [(section, *item) for sections in groups.values() for section in sections for item in section.items()]


def _matches(wanted: str, section: Section, flat: str, name: str, option: Option) -> bool:
    texts = (option_label(name, option, section.owner), flat, option.help)
    return search.matches(wanted.replace("_", " "), *texts)


def _draw(config: RunConfig, items: list[tuple[Section, str, str, Option]]) -> None:
    """Draw the widgets of options in two columns, switches last."""
    items = sorted(items, key=lambda item: item[3].kind == "switch")
    method, classes = method_card.selected_method(), load(config.dataset).classes
    for first in range(0, len(items), 2):
        for column, (section, flat, name, option) in zip(
            st.columns(2, gap="medium", vertical_alignment="bottom"), items[first : first + 2], strict=False
        ):
            of_method = section.cls is type(method)
            matters = affects_loss(method, name, option) if of_method else True
            default = as_text(getattr(method, name) if of_method else default_of(section.cls, name))
            with column:
                options.setting(
                    flat, name, option, default, classes=classes, owner=section.owner, matters=matters, place="all"
                )


_EXTRAS: dict[str, Callable[[RunConfig], None]] = {
    "Data": data_card.facts,
    "Teacher": training_card.teacher,
    "Method": method_card.details,
    "Scheme": scheme_card.details,
    "Device": training_card.device,
}
