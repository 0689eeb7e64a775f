"""Where in the checkout an asset is written: what Dagster's UI shows as its code.

Dagster calls all of this beta. Its release is pinned, and tests would tell of a change: the warning is for others.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from resources.settings import CHECKOUT


def written_in(file: str, line: int = 1) -> dict[str, dg.CodeReferencesMetadataValue]:
    """Metadata of an asset that a file declares. `file` is its path from the checkout's top."""
    with _without_warning():
        reference = dg.LocalFileCodeReference(file_path=str(CHECKOUT / file), line_number=line, label=file)
        return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference])}


def with_functions(assets: Sequence[dg.AssetsDefinition]) -> Sequence[dg.AssetsDefinition]:
    """The assets, each with the place of the function that makes it beside what it says itself."""
    with _without_warning():
        found = dg.with_source_code_references(assets)
        return [each for each in found if isinstance(each, dg.AssetsDefinition)]


@contextmanager
def _without_warning() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        yield
