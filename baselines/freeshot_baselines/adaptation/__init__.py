"""Adaptation at test: methods that tune something on each support set, many episodes at once."""
