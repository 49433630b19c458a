"""The page of revision: one sheet of all methods, predictions before evidence, and rooms for a class."""
