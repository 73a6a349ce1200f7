"""The page of outcomes: a filter in the address, charts with their tables, the questions behind each figure, CSV."""
