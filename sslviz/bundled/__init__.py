"""How everything in assets/ is made."""
