"""Progress never changes what it tracks."""

from hcnet.cli.console import ConsoleProgress
from hcnet.progress import SILENT


def test_items_pass_through(capsys):
    for progress in (SILENT, ConsoleProgress()):
        assert list(progress.track(range(5), "counting")) == [0, 1, 2, 3, 4]
        assert list(progress.track(iter("ab"), "letters", 2)) == ["a", "b"]
    assert capsys.readouterr().out == ""  # standard output is for results
