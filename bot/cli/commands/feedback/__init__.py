"""Commands about what people said of answers."""
