"""Commands for an instance's data: backup, restore and erase."""
