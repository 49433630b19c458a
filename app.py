"""The app: run it with `streamlit run app.py`. What pages there are, and what they share, is in `sslviz/ui/`."""

from sslviz import ui

ui.start()
