"""Makes a container image of one layer as an archive that `docker load` and `ctr import` take.

python -m lab.archive OUT NAME[,NAME] ENTRYPOINT_JSON SOURCE=TARGET ...
"""

import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

EPOCH = 1767225600  # one time for all files: the same content is the same image
CREATED = "2026-01-01T00:00:00Z"
SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def layer(files: Iterable[tuple[Path, PurePosixPath]]) -> bytes:
    """Return a tar of files and folders at their targets, with the folders above them."""
    made: set[PurePosixPath] = set()
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for source, target in files:
            inside = target.relative_to("/")
            for parent in reversed(inside.parents[:-1]):
                if parent not in made:
                    folder = tarfile.TarInfo(str(parent))
                    folder.type, folder.mode = tarfile.DIRTYPE, 0o755
                    tar.addfile(_plain(folder))
                    made.add(parent)
            tar.add(source.resolve(), arcname=str(inside), filter=_plain)
    return raw.getvalue()


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mtime = EPOCH
    return member


def image(names: list[str], entrypoint: list[str], content: bytes) -> dict[str, bytes]:
    """Return the files of an image archive by name."""
    of = hashlib.sha256(content).hexdigest()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": CREATED,
            "config": {"Entrypoint": entrypoint, "Env": [f"PATH={SEARCHED}"], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{of}"]},
            "history": [{"created": CREATED, "created_by": "rampguard lab"}],
        }
    ).encode()
    named = f"{hashlib.sha256(config).hexdigest()}.json"
    listed = [{"Config": named, "RepoTags": names, "Layers": [f"{of}/layer.tar"]}]
    manifest = json.dumps(listed).encode()
    return {named: config, f"{of}/layer.tar": content, "manifest.json": manifest}


def main(arguments: list[str]) -> None:
    """Write the archive that the arguments describe."""
    out, names, entrypoint, *pairs = arguments
    parts = (pair.split("=", 1) for pair in pairs)
    content = layer((Path(source), PurePosixPath(target)) for source, target in parts)
    files = image(names.split(","), json.loads(entrypoint), content)
    with tarfile.open(out, "w") as tar:
        for name, told in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(told)
            tar.addfile(_plain(member), io.BytesIO(told))


if __name__ == "__main__":
    main(sys.argv[1:])
