"""Pages and files that `docs` writes from what the code declares and the database's catalog says."""
