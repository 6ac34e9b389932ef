import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real catalogues: BUNORAA_DATA, or ../shared/data beside the checkout."""
    folder = Path(os.environ.get("BUNORAA_DATA") or Path(__file__).parents[3] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(
            f"NOT TESTED: no real catalogues at {folder}; set BUNORAA_DATA to the folder that holds them"
        )
    return folder
