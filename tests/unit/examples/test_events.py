import json
import re

import pytest
from skilltree.events import EventLog


def test_an_event_is_a_line_with_its_time_name_and_user(tmp_path) -> None:
    log = EventLog(tmp_path, "api-1", max_bytes=10**6)
    log.write("seen", "mia", skill="ratios")
    log.close()
    (line,) = (tmp_path / "api-1.jsonl").read_text().splitlines()
    event = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event.pop("timestamp"))
    assert event == {"event_name": "seen", "user_id": "mia", "skill": "ratios"}


def test_a_new_process_goes_on_in_the_file_of_its_pod(tmp_path) -> None:
    for _ in range(2):
        log = EventLog(tmp_path, "api-1", max_bytes=10**6)
        log.write("seen", "mia")
        log.close()
    assert len((tmp_path / "api-1.jsonl").read_text().splitlines()) == 2


def test_two_pods_have_two_files(tmp_path) -> None:
    for pod in ("api-1", "api-2"):
        EventLog(tmp_path, pod, max_bytes=10**6).close()
    assert {path.name for path in tmp_path.iterdir()} == {"api-1.jsonl", "api-2.jsonl"}


def test_the_files_of_a_pod_do_not_grow_without_end(tmp_path) -> None:
    log = EventLog(tmp_path, "api-1", max_bytes=2000)
    for n in range(500):
        log.write("seen", f"u-{n}")
    log.close()
    files = {path.name: path for path in tmp_path.iterdir()}
    assert set(files) == {"api-1.jsonl", "api-1.1.jsonl"}
    assert all(path.stat().st_size < 2200 for path in files.values())
    lines = files["api-1.1.jsonl"].read_text() + files["api-1.jsonl"].read_text()
    assert json.loads(lines.splitlines()[-1])["user_id"] == "u-499"


@pytest.mark.parametrize("there", [True, False])
def test_a_volume_that_is_not_there_is_told_once_and_tolerated(tmp_path, capsys, there) -> None:
    folder = tmp_path / "gone"
    if there:
        folder.write_text("a file, not a folder")
    log = EventLog(folder, "api-1", max_bytes=10**6)
    log.write("seen", "mia")
    log.write("seen", "mia")
    log.close()
    assert capsys.readouterr().err.count("events are no longer written") == 1


def test_without_a_folder_nothing_is_written_or_said(capsys) -> None:
    log = EventLog(None, "api-1", max_bytes=10**6)
    log.write("seen", "mia")
    log.close()
    assert capsys.readouterr().err == ""
