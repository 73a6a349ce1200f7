"""What operators are told about plugins, such as the consequences of switching one off."""
