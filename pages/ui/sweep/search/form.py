"""Form of a new search, with the options to search over, their ranges, and how many trials."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from kd_core.base import devices
from kd_core.base.options import Option
from kd_core.config.sweep import sweepable_options, titles
from kd_core.config.sweep.search import BATCH, MAX_DIMENSIONS, MAX_SEEDS, MAX_TRIALS, Search, default_range, plan_search
from kd_core.runs.sweeps import proposals
from pages.ui.app.actions import action_button, actions
from pages.ui.app.settings import with_labels
from pages.ui.sweep.settings import FIRST, SEARCH, SweepForm, open_sweep, read_space, space_text, url
from pages.ui.widgets import keys
from pages.ui.widgets.text.escape import escape_markdown

DEFAULT_COUNT = 3  # options that a first visit searches over


def form(content: SweepForm) -> None:
    """Draw all widgets and what would be trained; start the search when the button is pressed."""
    base = content.base
    names, options = titles(base), sweepable_options(base)
    space = {name: text for name, text in read_space(content.options.space).items() if name in options}
    if not space:
        space = {
            name: default_range(base, name) for name in [name for name in FIRST if name in options][:DEFAULT_COUNT]
        }
    chosen = [*space]
    st.multiselect(
        "Options to search over", list(names), chosen, key=keys.key("search options", ",".join(chosen)),
        on_change=_write_options, args=(dict(space), base.to_json()), format_func=names.__getitem__,
        max_selections=MAX_DIMENSIONS, placeholder="Choose at least one",
    )  # fmt: skip
    columns = st.columns(min(3, max(1, len(space))), gap="medium")
    for number, (name, text) in enumerate(space.items()):
        with columns[number % len(columns)]:
            st.text_input(
                f"{names[name]}: {_what(options[name])}", text, key=keys.key(f"search {name}", text),
                on_change=_write_range, args=(name, dict(space)), help=_help(options[name]),
            )  # fmt: skip
    left, middle, right = st.columns(3, gap="medium")
    with left:
        _number("Trials", "trials", content.options.trials, (1, MAX_TRIALS), "How many settings are tried at most.")
    with middle:
        _number(
            "Seeds per trial", "seeds", min(MAX_SEEDS, content.options.seeds), (1, MAX_SEEDS),
            "Every trial is trained with the same seeds, and judged by its mean.",
        )  # fmt: skip
    with right:
        _number(
            "Patience, trials", "trial_patience", content.options.trial_patience, (0, MAX_TRIALS),
            "The search ends after so many trials without a better one; 0 for none.",
        )  # fmt: skip
    _start(content, space, names)


def _start(content: SweepForm, space: dict[str, str], names: Mapping[str, str]) -> None:
    base, search, left_out = content.base, None, list[str]()
    try:
        search, left_out = _plan(content, space)
        proposals.check_optuna()
    except ValueError as error:
        st.error(escape_markdown(with_labels(str(error).splitlines()[0], names)))
        search = None
    is_pressed = action_button(
        "Start the search", type="primary", icon=":material/play_arrow:", key="start search", shortcut="Ctrl+Enter",
        disabled=search is None or bool(devices.device_error(base.compute.device)),
    )  # fmt: skip
    if search is None:
        return
    if is_pressed:
        open_sweep(actions().start_search(search), base, mode=SEARCH)
        st.rerun()
    confirmed = len(search.confirmation_seeds)
    st.markdown(
        f"**At most {search.trials} trials × {len(search.seeds)} seeds, and {confirmed} runs to confirm the best = "
        f"{search.count:,} runs.** Optuna proposes {BATCH} trials at a time from the results so far, by validation "
        f"alone. Trials below the median of earlier ones are ended early. The best is trained again with {confirmed} "
        "new seeds, and these are tested."
    )
    if left_out:
        with st.expander(f"Left out, because they do not apply ({len(left_out)})", icon=":material/info:"):
            st.markdown("\n".join(f"- {escape_markdown(sentence)}" for sentence in left_out))


def _plan(content: SweepForm, space: dict[str, str]) -> tuple[Search, list[str]]:
    first, options = content.base.seed, content.options
    seeds = range(first, first + min(MAX_SEEDS, options.seeds))
    return plan_search(content.base, space, {}, seeds, trials=options.trials, patience=options.trial_patience)


def _what(option: Option) -> str:
    return "range" if option.kind in ("number", "whole") else "choices"


def _help(option: Option) -> str:
    if option.kind in ("number", "whole"):
        return (
            f"Two numbers from {option.low:g} to {option.high:g} with two points between them, such as 1..20. “:log” "
            "or “:linear” behind it sets the scale. Values separated by commas are choices."
        )
    return "Separated by commas. For data, networks, method and scheme, “all” stands for all that apply."


def _number(label: str, name: str, value: int, limits: tuple[int, int], text: str) -> None:
    st.number_input(
        label, *limits, value, key=keys.key(f"search number {name}", value), help=text,
        on_change=lambda: url.update(**{name: int(keys.current_value(f"search number {name}"))}),
    )  # fmt: skip


def _write_options(space: dict[str, str], base_json: str) -> None:
    from kd_core.config.run import RunConfig

    base = RunConfig.from_json(base_json)
    chosen = keys.current_value("search options")
    url.update(space=space_text({name: space.get(name) or default_range(base, name) for name in chosen}))


def _write_range(name: str, space: dict[str, str]) -> None:
    url.update(space=space_text(space | {name: keys.current_value(f"search {name}").replace(";", ",")}))
