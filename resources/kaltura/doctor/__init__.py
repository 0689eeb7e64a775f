"""An account examined: does it behave as docs/kaltura-api.md says, and if not, what to change."""
