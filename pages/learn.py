"""Learn page, with lessons in which the outcome of real runs is predicted before it is seen."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

st.title("Learn")
# The engine takes seconds to load on a fresh server; the title is on the screen meanwhile.
from kd_core.base import registry
from kd_core.config.lessons import lessons
from pages.ui.learn import lesson_list, lesson_page
from pages.ui.learn.settings import url
from pages.ui.widgets.text.escape import escape_markdown

url.restore()
options, errors = url.read()
unfit = {}
if options.lesson and options.lesson not in lessons():
    unfit["lesson"] = f"There is no lesson called {options.lesson[:80]}. All lessons are listed below."
options = url.reset_unfit(options, errors, unfit)
for sentence in registry.problems():
    st.caption(escape_markdown(sentence))
lesson_list.turn_page(options)
if options.lesson:
    lesson_page.show(lessons()[options.lesson], options)
else:
    st.markdown(
        "Knowledge distillation in lessons of a few minutes. In each of them you predict, train real networks, look, "
        "and read why. Nothing is recorded in advance: the numbers are those of your own runs."
    )
    lesson_list.show()
