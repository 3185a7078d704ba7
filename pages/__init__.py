"""The screen: everything that knows Streamlit, app.py aside."""
