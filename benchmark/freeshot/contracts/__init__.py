"""Shared contracts: interfaces, options, data types passed between stages, tracks, records and events."""
