"""Masked language models: text, tokens, models, and what they predict."""
