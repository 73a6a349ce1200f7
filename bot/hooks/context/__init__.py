"""What Mentee hands to a plugin's hooks as ``context``."""
