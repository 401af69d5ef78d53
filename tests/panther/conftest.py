"""What tests of the command line share."""

import pytest

from panther.cli import main


@pytest.fixture
def panther(capsys):
    """Call the command line; return its status, stdout and stderr."""

    def call(*arguments):
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        return end.value.code, *capsys.readouterr()

    return call


@pytest.fixture
def rejected(panther):
    """Call the command line wrongly; return the one line it says."""

    def call(*arguments):
        status, out, err = panther(*arguments)
        assert (status, out) == (2, "")
        assert err.endswith("\n")
        assert len(err.splitlines()) == 1
        return err.rstrip("\n")

    return call
