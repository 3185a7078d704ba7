"""Tasks page, with the pages of networks that answer otherwise than by one class for an example."""

import streamlit as st

from pages.ui.app import shell

shell.ensure_navigation()

st.title("Tasks", anchor=False)
st.markdown(
    "A teacher can pass on more than the class of an image. On each of these pages a teacher, its student and the same "
    "student without a teacher answer side by side, at a temperature that moves under the finger."
)
TASKS = {
    "language": "Which character comes next? Three networks write, and the teacher says how likely it finds every "
    "character of the others.",
    "segmentation": "Which class has each pixel? Three masks of the same scene, and where the networks are unsure.",
    "detection": "Where are the objects? Three networks draw boxes, and every side of a box is a distribution.",
}
for column, (name, question) in zip(st.columns(len(TASKS), gap="medium"), TASKS.items(), strict=True):
    with column.container(border=True, height="stretch"):
        st.header(shell.TITLES[name], anchor=False)
        st.markdown(question)
        st.page_link(shell.page(name), label=f"Open {shell.TITLES[name]}", icon=":material/arrow_forward:")
st.caption(
    "Regression and several labels for one example have no page of their own: choose Friedman’s function or several "
    "digits as data in Distill."
)
