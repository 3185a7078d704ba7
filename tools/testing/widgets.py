"""Widgets of a page by their name, which is the first part of their key (see pages/ui/widgets/keys.py)."""

from typing import Any

from streamlit.testing.v1 import AppTest


def named(app: AppTest, kind: str, name: str) -> Any:
    """Return the first widget of that name and of a ``kind`` of Streamlit's AppTest, such as "selectbox"."""
    return next(widget for widget in app.get(kind) if widget.key and widget.key.split(" ·")[0] == name)


def open_settings(app: AppTest, group: str) -> AppTest:
    """Open the dialog of all settings on the Distill page at a group, such as "Method"."""
    app.button(key="advanced").click().run()
    return app.button_group(key="settings group").set_value(group).run()


def open_tables(app: AppTest) -> AppTest:
    """Open the expanders whose tables are drawn while they are open."""
    for expander in app.expander:
        if (key := expander.proto.id.partition("-numbers ")[2]) != "":
            app.session_state[f"numbers {key}"] = True
    return app.run()
