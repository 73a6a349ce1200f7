"""``mentee documents`` and ``mentee search``."""
