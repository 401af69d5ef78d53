"""Compiled code of the system models is never older than what it was compiled from."""

import os

from models.system import remove_old_code


def test_code_older_than_any_source_is_removed(tmp_path):
    times = {"a.py": 10, "b.py": 20, "old.nbi": 15, "new.nbi": 25, "old.nbc": 15}
    for name, time in times.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time, time))
    remove_old_code(tmp_path, tmp_path.glob("*.py"))
    left = {file.name for file in tmp_path.iterdir()}
    assert left == set(times) - {"old.nbi"}
