"""A count with what is counted, for whoever reads it: `1 row`, `2,048 rows`."""


def counted(count: int, one: str, many: str = "") -> str:
    """`many` is the plural where it is not the singular with an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
