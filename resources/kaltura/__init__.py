"""Kaltura's report API: whole reports, in typed errors or in rows."""
