"""What flows through Mentee: frozen values, the protocols of its parts, and the errors people see."""
