"""One script a method, each run as it stands: `python -m sslviz.bundled.review.scripts.vae`."""
