"""Small tensor functions that methods share: prototypes, tokens, schedules, optimiser state."""
