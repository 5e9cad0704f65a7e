# SPDX-License-Identifier: Apache-2.0
"""Node images in the container engine: committed with images in their containerd, noted, measured and removed."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from harness import process, waiting
from harness.errors import BuildError, CommandError
from harness.evidence.installation import build_container, image_labels, label_instructions, label_words
from harness.foundry.store import Artifact
from harness.images import media_types

ENGINE_SECONDS = 600.0
"""How long the container engine may take for an image."""

_ENGINE_NOTE = "image.txt"

# kind gives every node a volume for /var, into which the engine copies what the image has there. Unpacked layers lie
# outside it and are linked to: an overlay's lower folders may lie on the node's own overlay, and nothing is copied.
_MOVE_SNAPSHOTS = """
mkdir -p /opt/images
for snapshot in /work/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/*; do
  if [ -L "$snapshot" ]; then continue; fi
  target=/opt/images/${snapshot##*/}
  cp -a "$snapshot" "$target"
  rm -rf "$snapshot"
  ln -s "$target" "$snapshot"
done
"""

# containerd collects what nobody refers to any more when an image is removed.
_COLLECT_GARBAGE = """
name=$(ctr -n k8s.io images list --quiet | head -n 1)
ctr -n k8s.io images tag "$name" none.invalid/none:none
ctr -n k8s.io images rm --sync none.invalid/none:none
"""

SCRIPTS = _COLLECT_GARBAGE + _MOVE_SNAPSHOTS
"""What is run in a node while it is committed: its content depends on them."""


def image_size(reference: str) -> int:
    """The size of an image in the container engine, in bytes; 0 if it does not exist, or without an engine."""
    if shutil.which("docker") is None:
        return 0
    argv = ["docker", "image", "inspect", "--format", "{{.Size}}", reference]
    found = process.call(argv, timeout=60, check=False)
    return int(found.stdout) if found.returncode == 0 else 0


def note_image(folder: Path, reference: str) -> None:
    """Note in an artefact's folder which image of the container engine it is: reference, id and size."""
    found = process.call(["docker", "image", "inspect", "--format", "{{.Id}} {{.Size}}", reference], timeout=60)
    (folder / _ENGINE_NOTE).write_text(f"{reference} {found.stdout}")


def remove_image_of(artifact: Artifact) -> None:
    """Remove the image of a node's artefact from the container engine; other artefacts have none.

    Only this cache's own images: another cache on this host may use others. Raises CommandError when one is in use.
    """
    note = artifact.folder / _ENGINE_NOTE
    reference = note.read_text().split()[0] if note.is_file() else ""
    if reference and image_size(reference):
        process.call(["docker", "image", "rm", reference], timeout=120)


def write_import(target: Path, layouts: Mapping[str, Path]) -> None:
    """Images (reference → OCI layout) as one OCI archive, named as containerd's import reads them.

    Each is named by its tag and by its digest, as after a pull: from the latter the kubelet knows the imageID.
    """
    index = []
    with tarfile.open(target, "w") as archive:
        seen: set[str] = set()
        for reference, layout in layouts.items():
            repository = reference.rpartition(":")[0]
            for entry in json.loads((layout / "index.json").read_text())["manifests"]:
                for name in (reference, f"{repository}@{entry['digest']}"):
                    index.append({**entry, "annotations": {"io.containerd.image.name": name}})
            for blob in sorted((layout / "blobs" / "sha256").iterdir()):
                if blob.name not in seen:
                    archive.add(blob, f"blobs/sha256/{blob.name}")
                    seen.add(blob.name)
        texts = {
            "oci-layout": media_types.LAYOUT,
            "index.json": {
                "schemaVersion": 2,
                "mediaType": media_types.INDEX,
                "manifests": index,
            },
        }
        with tempfile.TemporaryDirectory(prefix="soh-import-") as scratch:
            for name, document in texts.items():
                file = Path(scratch) / name
                file.write_text(json.dumps(document))
                archive.add(file, name)


def commit_with_images(
    base: str,
    target: str,
    images: Path,
    *,
    log_file: Path,
    overlay: Path | None = None,
    labels: Mapping[str, str] | None = None,
) -> None:
    """Commit `base` with the images of an OCI archive in its containerd, unpacked, as `target`.

    `images` and `overlay` (a layer that is put on first) must lie in one folder, which is also worked in. Layers are
    unpacked here, once, instead of at every start of a node. An overlay cannot lie on the container's own overlay, so
    containerd works in a folder of the host and its finished store is copied. Raises BuildError.
    """

    def docker(*words: str | Path, check: bool = True) -> process.Completed:
        return process.call(["docker", *words], timeout=ENGINE_SECONDS, log_file=log_file, check=check)

    def inspected(field: str, image: str) -> str:
        return docker("image", "inspect", "--format", field, image, check=False).stdout.strip()

    def shell(script: str) -> None:
        docker("exec", container, "sh", "-ec", script)

    container = build_container(target.rpartition("-")[2])
    work = images.parent / "work"
    work.mkdir()
    docker("rm", "--force", "--volumes", container, check=False)
    try:
        docker(
            *("run", "--detach", "--name", container, "--privileged", "--network", "none", "--entrypoint", "sleep"),
            # systemd's own signal for a shutdown; the image inherits it.
            *("--stop-signal", "SIGRTMIN+3", *label_words(os.environ.get(process.RUN_VARIABLE, "foundry"))),
            *("--volume", f"{images.parent}:/input:ro", "--volume", f"{work}:/work"),
            *(base, "3600"),
        )
        if overlay:
            docker("exec", container, "tar", "-xzf", f"/input/{overlay.name}", "-C", "/")
        shell("mkdir -p /var/lib/containerd && cp -a /var/lib/containerd /work/containerd")
        docker("exec", "--detach", container, "/usr/local/bin/containerd", "--root", "/work/containerd")
        waiting.until(
            lambda: docker("exec", container, "ctr", "version", check=False).returncode,
            lambda status: status == 0,
            what="containerd in the node under construction",
            timeout=60,
            next_step=f"see {log_file}",
        )
        # What is unpacked is not needed packed.
        argv = (
            "ctr",
            "-n",
            "k8s.io",
            "images",
            "import",
            "--local",
            "--discard-unpacked-layers",
            f"/input/{images.name}",
        )
        docker("exec", container, *argv)
        shell(_COLLECT_GARBAGE)
        shell("kill $(pidof containerd); while pidof containerd > /dev/null; do sleep 0.1; done")
        shell("rm -rf /work/containerd/tmpmounts/* /run/containerd /var/lib/containerd")
        shell(_MOVE_SNAPSHOTS)
        shell("cp -a /work/containerd /var/lib/containerd && rm -rf /work/containerd")
        changes = [
            'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]',
            "CMD []",
            "ENV container=docker",
            *label_instructions({**(labels or {}), **image_labels()}),
        ]
        replaced = inspected("{{.Id}}", target)
        docker("commit", *[word for change in changes for word in ("--change", change)], container, target)
        if replaced and inspected("{{len .RepoTags}}", replaced) == "0":
            # It has lost its only name to the new one, and no artefact knows it. One that something uses stays.
            docker("rmi", replaced, check=False)
    except CommandError as error:
        raise BuildError(f"the node image {target}: {error.message}", f"see {log_file}") from error
    finally:
        docker("rm", "--force", "--volumes", container, check=False)
