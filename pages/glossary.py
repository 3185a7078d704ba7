"""Glossary page, with the definition of every term that the screen uses."""

from dataclasses import dataclass

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

st.title("Glossary")

from kd_core.base.options import Options, text
from pages.ui.app.url_state import UrlState, show_link_errors
from pages.ui.widgets import keys
from pages.ui.widgets.text import glossary
from pages.ui.widgets.text.escape import escape_markdown

LONGEST_SEARCH = 60  # characters


@dataclass(frozen=True)
class GlossaryOptions(Options):
    """Choices of the Glossary page."""

    search: str = text("", LONGEST_SEARCH, "Words that an entry must contain.")


url = UrlState("glossary", GlossaryOptions)
url.restore()
options, errors = url.read()
show_link_errors(errors.values())
st.text_input(
    "Search", options.search, max_chars=LONGEST_SEARCH, type="search", key=keys.key("glossary search", options.search),
    on_change=lambda: url.update(search=keys.current_value("glossary search")),
    placeholder="A term, or a word of its definition", live=True, width=420,
)  # fmt: skip
entries = glossary.search(options.search)
if entries:
    st.markdown(f"{len(entries)} of {len(glossary.ENTRIES)} terms" if options.search else f"{len(entries)} terms")
    st.markdown(glossary.as_markdown(entries))
else:
    st.markdown(f"No term contains “{escape_markdown(options.search)}”.")
