"""Self-supervised methods, their encoders, views and losses."""
