"""The pages of curated answers: list, history, and what agents change."""
