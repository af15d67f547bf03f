"""What everyone agrees on: interfaces, options, the data that flows, tracks, records and events."""
