"""The image archive: what `docker load` expects, and the same bytes for the same content."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path, PurePosixPath

import pytest
from lab import archive

ENTRYPOINT = ["/pause"]
NAMES = ["registry.k8s.io/pause:3.10.1", "pause:lab"]


@pytest.fixture
def program(tmp_path):
    made = tmp_path / "pause"
    made.write_bytes(b"\x7fELF of a kind")
    made.chmod(0o755)
    return made


def members(content: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {member.name: member for member in tar.getmembers()}


def layer(source: Path, target: str) -> bytes:
    return archive.layer([(source, PurePosixPath(target))])


def written(folder: Path, program: Path) -> bytes:
    out = folder / "image.tar"
    pair = f"{program}=/usr/local/bin/pause"
    archive.main([str(out), ",".join(NAMES), json.dumps(ENTRYPOINT), pair])
    return out.read_bytes()


def test_a_file_stands_at_its_target_below_its_folders(program):
    found = members(layer(program, "/usr/local/bin/pause"))
    assert list(found) == ["usr", "usr/local", "usr/local/bin", "usr/local/bin/pause"]
    assert [one.isdir() for one in found.values()] == [True, True, True, False]


def test_a_folder_above_two_files_is_made_once(program):
    targets = [(program, PurePosixPath(f"/bin/{name}")) for name in "ab"]
    assert list(members(archive.layer(targets))) == ["bin", "bin/a", "bin/b"]


def test_a_link_becomes_what_it_leads_to(program, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(program)
    assert members(layer(link, "/pause"))["pause"].isreg()


def test_everything_belongs_to_root_and_stays_executable(program):
    found = members(layer(program, "/bin/pause"))
    assert {(one.uid, one.gid, one.uname, one.gname) for one in found.values()} == {
        (0, 0, "root", "root")
    }
    assert found["bin/pause"].mode & 0o777 == 0o755


def test_the_time_of_a_file_does_not_count(program):
    before = layer(program, "/bin/pause")
    os.utime(program, (1, 1))
    assert layer(program, "/bin/pause") == before


def test_a_target_that_is_not_absolute_is_refused(program):
    with pytest.raises(ValueError, match="bin/pause"):
        layer(program, "bin/pause")


def test_the_manifest_leads_to_the_config_and_the_layer_under_all_names(program):
    content = layer(program, "/pause")
    files = archive.image(NAMES, ENTRYPOINT, content)
    (listed,) = json.loads(files["manifest.json"])
    assert listed["RepoTags"] == NAMES
    assert files[listed["Config"]]
    assert [files[name] for name in listed["Layers"]] == [content]


def test_the_digests_are_those_of_the_content(program):
    content = layer(program, "/pause")
    files = archive.image(NAMES, ENTRYPOINT, content)
    (listed,) = json.loads(files["manifest.json"])
    config = files[listed["Config"]]
    told = json.loads(config)
    assert told["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(content).hexdigest()}"]
    assert told["config"]["Entrypoint"] == ENTRYPOINT
    assert listed["Config"] == f"{hashlib.sha256(config).hexdigest()}.json"


def test_the_same_content_is_the_same_archive(program, tmp_path):
    first = written(tmp_path, program)
    os.utime(program, (1, 1))
    assert written(tmp_path, program) == first


def test_other_content_is_another_archive(program, tmp_path):
    first = written(tmp_path, program)
    program.write_bytes(b"another")
    assert written(tmp_path, program) != first


def test_it_runs_as_a_program_with_an_equals_sign_in_a_target(program, tmp_path):
    out = tmp_path / "image.tar"
    command = [sys.executable, "-m", "lab.archive", out, "a:b", '["/p"]', f"{program}=/p=q"]
    subprocess.run(command, check=True, cwd=Path(archive.__file__).parents[1])
    with tarfile.open(out) as tar:
        names = tar.getnames()
        inner = tar.extractfile(next(n for n in names if n.endswith("layer.tar")))
        assert inner is not None
        assert list(members(inner.read())) == ["p=q"]
    assert "manifest.json" in names
