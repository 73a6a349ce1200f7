"""Departments, people and what they may do."""
