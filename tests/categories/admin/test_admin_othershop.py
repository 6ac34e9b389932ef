"""The admin with another shop's product model, in a process of its own: the model is chosen at start-up."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[3]


def test_the_admin_works_with_the_shop_s_own_products(tmp_path: Path) -> None:
    server = os.environ.get("DATABASE_URL", "")
    # Its test database is another one: this process is at work on its own.
    database = {"DATABASE_URL": urlsplit(server)._replace(path="/othershop_admin").geturl()} if server else {}
    environment = {
        **os.environ,
        **database,
        "DJANGO_SETTINGS_MODULE": "tests.othershop.settings",
        "BUNORAA_ARTIFACT": str(tmp_path / "none.pt"),
        "OMP_NUM_THREADS": "1",
    }

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/othershop/admin_tests.py", "--create-db"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
