"""Long commands: their output is kept, their end is told, and one error ends all lanes."""

import threading

import pytest
from lab import steps
from lab.steps import LabError, ask, environment, in_parallel, run, step, tail

pytestmark = pytest.mark.usefixtures("home")


def fail(message: str):
    def make():
        raise LabError(message)

    return make


def test_all_lanes_are_walked_to_their_ends(capsys):
    made: list[str] = []
    lanes = ([(f"{lane}{i}", lambda at=f"{lane}{i}": made.append(at)) for i in range(3)]
             for lane in "ab")  # fmt: skip
    in_parallel(*lanes)
    assert sorted(made) == ["a0", "a1", "a2", "b0", "b1", "b2"]
    assert [one for one in made if one.startswith("a")] == ["a0", "a1", "a2"]
    assert capsys.readouterr().out.count("  ok  ") == 6


def test_lanes_run_side_by_side():
    meeting = threading.Barrier(2, timeout=10)
    in_parallel([("one", meeting.wait)], [("other", meeting.wait)])


def test_an_error_is_told_and_the_rest_of_its_lane_is_left(capsys):
    made: list[str] = []
    with pytest.raises(LabError, match="no disk"):
        in_parallel([("root", fail("no disk")), ("node", lambda: made.append("node"))])
    assert made == []
    assert "!!! root failed" in capsys.readouterr().out


class Breaking:
    """A step that breaks when another has begun; `over` waits until its lane stands still."""

    def __init__(self, message: str) -> None:
        self.message = message
        self.begun = threading.Event()
        self.thread: threading.Thread | None = None

    def __call__(self) -> None:
        self.thread = threading.current_thread()
        assert self.begun.wait(10)
        raise LabError(self.message)

    def over(self) -> None:
        self.begun.set()
        while self.thread is None:
            threading.Event().wait(0.01)
        self.thread.join(10)


def test_after_an_error_another_lane_ends_its_step_and_begins_no_other():
    breaks, made = Breaking("broken"), []

    def slow():
        breaks.over()
        made.append("slow")

    with pytest.raises(LabError, match="broken"):
        in_parallel([("breaks", breaks)], [("slow", slow), ("next", lambda: made.append("next"))])
    assert made == ["slow"]


def test_the_first_of_two_errors_is_raised():
    breaks = Breaking("first")

    def second():
        breaks.over()
        raise LabError("second")

    with pytest.raises(LabError, match="first"):
        in_parallel([("second", second)], [("first", breaks)])


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), ValueError("a bug")])
def test_no_kind_of_error_is_swallowed_by_a_thread(error):
    def make():
        raise error

    with pytest.raises(type(error)):
        in_parallel([("it", make)])


def test_nothing_to_do_is_done_at_once():
    in_parallel()
    in_parallel([], [])


def test_a_step_tells_its_begin_and_its_end(capsys):
    with step("image of the node"):
        pass
    assert capsys.readouterr().out == ("  ... image of the node\n  ok  image of the node (0 s)\n")


def test_the_output_of_a_command_goes_to_its_log(home):
    run("sh", "-c", "echo out; echo err >&2", log="both")
    assert (home / "logs" / "both.txt").read_text() == "$ sh -c echo out; echo err >&2\nout\nerr\n"


def test_a_log_is_added_to_never_overwritten(home):
    run("echo", "one", log="kept")
    run("echo", "two", log="kept")
    assert (home / "logs" / "kept.txt").read_text().splitlines()[1::2] == ["one", "two"]


def test_a_command_that_fails_shows_its_code_and_the_end_of_its_log(home):
    with pytest.raises(LabError) as told:
        run("sh", "-c", "seq 1 40; exit 7", log="failing")
    message = str(told.value)
    assert message.startswith("sh failed with 7; the end of ")
    assert str(home / "logs" / "failing.txt") in message
    assert message.splitlines()[1:] == [f"    {i}" for i in range(26, 41)]


def test_a_command_that_is_not_there_is_named():
    with pytest.raises(LabError, match=r"^no-such-program is not installed$"):
        run("no-such-program", "--version", log="missing")


def test_a_command_that_takes_too_long_is_ended_and_named():
    with pytest.raises(LabError, match="hanging took more than 0 s"):
        run("sleep", "60", log="hanging", limit=0.1)


def test_a_command_that_is_silent_for_long_is_spoken_for(monkeypatch, capsys):
    monkeypatch.setattr(steps, "HEARTBEAT", 0)
    run("sh", "-c", "echo compiling; exec sleep 1.2", log="long")
    assert "long: 1 s; compiling" in capsys.readouterr().out


def test_a_command_reads_what_it_is_given_and_else_nothing(home):
    told = home / "told"
    told.write_text("from a file\n")
    run("cat", log="given", stdin=told)
    run("cat", log="nothing")
    assert (home / "logs" / "given.txt").read_text() == "$ cat\nfrom a file\n"
    assert (home / "logs" / "nothing.txt").read_text() == "$ cat\n"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("echo", "yes"), "yes\n"),
        (("sh", "-c", "echo no; exit 1"), None),
        (("no-such-program",), None),
    ],
    ids=["it answers", "it fails", "it is not there"],
)
def test_what_is_asked_is_an_answer_or_none(command, told):
    assert ask(*command) == told


def test_an_answer_that_takes_too_long_is_none():
    assert ask("sleep", "60", limit=0.1) is None


def test_the_programs_of_the_lab_are_found_first(home):
    assert environment()["PATH"].split(":")[0] == str(home / "bin")
    (home / "bin").mkdir()
    ours = home / "bin" / "kubectl"
    ours.write_text("#!/bin/sh\necho ours\n")
    ours.chmod(0o755)
    assert ask("sh", "-c", "kubectl") == "ours\n"


def test_a_command_may_get_more_of_an_environment():
    assert ask("sh", "-c", "echo $GOFLAGS", env={"GOFLAGS": "-x"}) == "-x\n"


def test_the_end_of_a_log_is_cut_to_what_fits_and_survives_any_bytes(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"first\n" + b"\xff" * 300 + b"\nlast\n")
    long, last = tail(log, 2).splitlines()
    assert len(long) == 4 + 200
    assert last == "    last"
