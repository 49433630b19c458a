"""The views of the page of language models."""
