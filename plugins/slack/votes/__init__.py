"""Thumbs, emoji, reasons and corrections."""
