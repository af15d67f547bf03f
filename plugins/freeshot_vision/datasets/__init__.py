"""Data sets as their publishers ship them: read from the user's data folder, never downloaded."""
