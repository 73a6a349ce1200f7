"""Emails and their attachments."""
