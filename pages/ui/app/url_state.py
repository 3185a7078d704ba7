"""Options of a page in its URL, remembered in the session for the way back from another page."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Generic, TypeVar

import streamlit as st

from kd_core.base.options import Options, as_text, default_of, options_of, shorten
from pages.ui.widgets.text.escape import escape_markdown

RESERVED = ("autoplay", "projector", "room")  # parameters of every page that select nothing; Streamlit hides its own
OUTDATED = 2.0  # seconds, without those of drawing the page, during which a browser may still send the previous URL
EARLIER = "earlier URLs"  # end of the keys in the session of the replaced URLs of a page, with the times
MAX_UNKNOWN = 5  # unknown parameters that an error message names

T = TypeVar("T", bound=Options)


class UrlState(Generic[T]):
    """Options of one page as query parameters of its URL.

    ``st.session_state`` keeps the parameters as text: a link in the menu opens the page without any of them.

    Args:
        page: Name of the page, the prefix of its keys in ``st.session_state``.
        options: Class of the options. Each option is a parameter of the same name.
        extra: Names of further parameters that belong to the page and are no options; None for any name.
        always: Options that are written even at their default, because a run may bring another default.
    """

    def __init__(
        self, page: str, options: type[T], extra: Collection[str] | None = (), always: Collection[str] = ()
    ) -> None:
        self._options, self._extra, self._always = options, extra, always
        self._last, self._earlier = f"{page} URL", f"{page} {EARLIER}"

    def is_new(self) -> bool:
        """Return whether a link was opened or the URL edited since the page wrote or remembered it.

        The URL is empty when the page is opened from the menu. It is outdated when the browser asks for a redraw
        before it has received the latest change: a URL that was replaced a moment ago is no wish to return to it.
        """
        parameters, since = page_parameters(), time.monotonic() - OUTDATED
        earlier = [(replaced, old) for replaced, old in st.session_state.get(self._earlier, []) if replaced > since]
        st.session_state[self._earlier] = earlier
        seen = ({}, st.session_state.get(self._last), *(old for _, old in earlier))
        return parameters not in seen

    def restore(self) -> None:
        """Correct an empty or outdated URL. Call before anything else reads it."""
        self._write(page_parameters() if self.is_new() else st.session_state.get(self._last, {}))

    def read(self, **defaults: Any) -> tuple[T, dict[str, str]]:
        """Return the options in the URL, and one sentence for every invalid or unknown parameter, by its name.

        An invalid option has its default, which ``defaults`` may replace.
        """
        declared, values, errors = options_of(self._options), dict(defaults), {}
        parameters = page_parameters()
        for name, text in parameters.items():
            if name in declared:
                try:
                    values[name] = declared[name].check(name, text)
                except ValueError as error:
                    errors[name] = str(error)
        unknown = [name for name in parameters if not self._is_allowed(name)]
        errors |= {name: f"There is no setting called {shorten(name)}." for name in unknown[:MAX_UNKNOWN]}
        return self._options(**values), errors

    def reset_unfit(self, options: T, errors: Mapping[str, str], unfit: Mapping[str, str]) -> T:
        """Return ``options`` with the defaults of the unfit ones, and show the errors of the link and of these."""
        show_link_errors([*errors.values(), *unfit.values()])
        return self.reset(options, unfit)

    def reset(self, options: T, names: Iterable[str]) -> T:
        """Return ``options`` with the defaults of these names."""
        return options.with_values(**{name: self.default(name) for name in names})

    def default(self, name: str) -> Any:
        """Return the declared default of an option."""
        return default_of(self._options, name)

    def update(self, others: Mapping[str, str] | None = None, /, **values: Any) -> None:
        """Write options into the URL, all at once. Defaults are left out.

        Args:
            others: What replaces :meth:`other_parameters`, if given.
            values: The options.
        """
        removed = {name for name in values if values[name] == self.default(name) and name not in self._always}
        removed |= set() if others is None else self.other_parameters().keys() - others.keys()
        changed = dict(others or {}) | {name: as_text(value) for name, value in values.items()}
        parameters = page_parameters() | changed
        self._write({name: text for name, text in parameters.items() if name not in removed})

    def other_parameters(self) -> dict[str, str]:
        """Return the parameters that are no options of this page."""
        declared = options_of(self._options)
        return {name: text for name, text in page_parameters().items() if name not in declared}

    def _is_allowed(self, name: str) -> bool:
        return self._extra is None or name in self._extra or name in options_of(self._options)

    def _write(self, parameters: dict[str, str]) -> None:
        before = page_parameters()
        if parameters != before:  # every write makes the browser go over all elements of the page
            st.session_state.setdefault(self._earlier, []).append((time.monotonic(), before))
            reserved = {name: text for name, text in st.query_params.items() if name in RESERVED}
            st.query_params.from_dict(reserved | parameters)
        self.remember()

    def remember(self) -> None:
        """Keep the parameters of the page in the session, as those that its URL is expected to have."""
        allowed = {name: text for name, text in page_parameters().items() if self._is_allowed(name)}
        st.session_state[self._last] = allowed


def discount(seconds: float) -> None:
    """Do not count the seconds of drawing the page for :data:`OUTDATED`, since requests wait meanwhile."""
    for key in list(st.session_state):
        if str(key).endswith(EARLIER):
            st.session_state[key] = [(replaced + seconds, old) for replaced, old in st.session_state[key]]


def page_parameters() -> dict[str, str]:
    """Return the parameters of the URL that select something on the page."""
    return {name: text for name, text in st.query_params.items() if name not in RESERVED}


def show_link_errors(errors: Iterable[str]) -> None:
    """List the invalid parameters of a link in one message, if there are any."""
    if lines := "".join(f"\n- {escape_markdown(error)}" for error in errors):
        st.error(f"Some settings in this link are invalid. Defaults are used instead.\n{lines}")
