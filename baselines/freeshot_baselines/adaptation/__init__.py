"""Test-time adaptation: methods that tune parameters on each support set, many episodes at once."""
