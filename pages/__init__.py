"""Pages of the Streamlit app, one file per entry of the menu."""
