"""Spreadsheets: Excel workbooks and delimited text."""
