"""The fake's Web API, by what its methods are about."""
