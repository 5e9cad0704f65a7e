# SPDX-License-Identifier: Apache-2.0
"""Pulls images in a node while its control plane starts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from harness import process, waiting
from harness.errors import HarnessError

_PULL_SECONDS = 60.0
"""What a pull has at least, however long its image was on the way to this machine."""

_AWAY = "code = Unavailable"
"""What crictl says of a containerd that ended while it was asked, or that it did not reach (google.golang.org/grpc)."""


class Preload(threading.Thread):
    """Pulls images in a node, each once `await_image` has returned for it.

    A pull that fails is left to the kubelet, which reports it; one that containerd dropped is begun again, since kind
    restarts it when it has changed its configuration (pkg/cluster/internal/create/actions/config).
    """

    def __init__(
        self,
        node: str,
        images: Sequence[str],
        deadline: waiting.Deadline,
        log_file: Path,
        await_image: Callable[[str], None] = lambda image: None,
    ) -> None:
        super().__init__(name=f"preload-{node}", daemon=True)
        self._node = node
        self._images = images
        self._deadline = deadline
        self._log_file = log_file
        self._await_image = await_image
        self._stopped = threading.Event()

    def cancel(self) -> None:
        """Stop, and wait for the thread to end: later the folder of the log may no longer exist."""
        self._stopped.set()
        self.join()

    def run(self) -> None:
        """Wait for the node's containerd, then pull the images one by one."""
        if not self._images:
            return
        try:
            self._await_containerd()
            for image in self._images:
                self._await_image(image)
                if self._stopped.is_set():
                    return
                if _AWAY in self._pull(image).stdout:
                    self._await_containerd()
                    self._pull(image)
        except HarnessError as error:
            self._log_file.parent.mkdir(parents=True, exist_ok=True)
            with self._log_file.open("a") as sink:
                sink.write(f"not preloaded: {error.message}\n")

    def _await_containerd(self) -> None:
        waiting.until(
            self._answers, what=f"containerd in {self._node}", timeout=max(1.0, self._deadline.left), interval=0.3
        )

    def _pull(self, image: str) -> process.Completed:
        return self._exec("crictl", "pull", image, timeout=max(_PULL_SECONDS, self._deadline.left))

    def _answers(self) -> bool:
        return self._stopped.is_set() or self._exec("crictl", "info", "--quiet", timeout=30).returncode == 0

    def _exec(self, *words: str, timeout: float) -> process.Completed:
        argv = ["docker", "exec", self._node, *words]
        return process.call(argv, timeout=timeout, check=False, log_file=self._log_file, stop=self._stopped)
