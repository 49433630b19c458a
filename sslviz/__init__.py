"""See what self-supervised models learn: data, methods, training and judging behind a Streamlit app."""

__version__ = "0.1.0"
