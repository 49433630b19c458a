"""The app: run it with `streamlit run app.py`. What pages there are, and what they share, is in `sslviz/ui/`."""

import streamlit as st

if __name__ == "__main__":  # the script that every visit runs
    from sslviz import ui

    ui.start()
else:  # what the server starts, once
    from starlette.middleware import Middleware

    from sslviz import phones, serving

    middleware = [Middleware(phones.Phones), Middleware(serving.LoadAhead)]
    app = st.App(__file__, lifespan=serving.lifespan, middleware=middleware)
