"""Files the commands write: whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from panther.cli.errors import UserError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary file beside ``path`` that replaces it when the block ends well.

    A symbolic link stays one; the file it leads to is replaced.

    Whether the place can be written shows before the block's work is done; if the block raises,
    what was at ``path`` is untouched.

    Raises
    ------
    UserError
        If ``path`` is a directory or a device, or its folder does not exist or cannot be written.
    """
    if path.is_symlink():
        path = path.resolve()
    if path.is_dir():
        raise UserError(f"Output must be a file, not the directory {path}")
    if path.exists() and not path.is_file():
        raise UserError(f"Output must be a regular file, which {path} is not")
    if not path.parent.is_dir():
        raise UserError(f"Output {path} must be in an existing directory: mkdir -p {path.parent}")
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise UserError(f"Output {path} cannot be written: {error.strerror}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes it private
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
