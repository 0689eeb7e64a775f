"""The Dagster instance: its home, its programs and processes, its history, and what it has marked as loaded."""
