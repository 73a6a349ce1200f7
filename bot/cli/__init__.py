"""The command line, ``mentee``."""
