"""What operators are told about plugins: what follows when one is switched off."""
