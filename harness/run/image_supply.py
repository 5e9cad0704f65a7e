# SPDX-License-Identifier: Apache-2.0
"""A run's images of public registries and mirrors: fetched into the image cache once, and served to all of its nodes.

What a run costs is told before it fetches anything, and what it could not fetch to the end is not begun.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from harness.errors import HarnessError, RegistryError
from harness.image_cache.cache import CachedImage, ImageCache
from harness.image_cache.filling import Asked, Filling
from harness.image_cache.unforeseen import Unforeseen, lacked
from harness.image_cache.view import View, host_part
from harness.images.references import ImageReference
from harness.kube.pull_messages import PullsLeft
from harness.matrix.model import Cell, Environment
from harness.registries import limits
from harness.registries.local import NodeRegistries
from harness.registries.platform_choice import listed_platforms
from harness.registries.sources import Mirrored, Upstream, is_trouble
from harness.verdicts import Finding, errored, unavailable
from harness.waiting import Cancelled
from harness.wording import counted

REACH_CHECK = "images-reachable"
PULLS_CHECK = "pulls-left"
FETCHED_CHECK = "images-fetched"

SERVER = "image-cache"
"""The name of the cache's registry among the run's own."""

_ENGINE_PULLS = 2
"""What the engine asks for to pull a node image: its index, and the manifest of a platform."""
_FETCH_SECONDS = 1800.0


class ImageSupply:
    """The images of a run's cells. `close` it; `start` gives the addresses for nodes.

    `images` are those of a cell's pods, and `engine_images` what the engine is to pull for an environment.
    """

    def __init__(
        self,
        cache: ImageCache,
        source: Upstream | Mirrored,
        server: NodeRegistries,
        view: View,
        *,
        most_bytes: float,
        platform: str,
        images: Callable[[Cell], Iterable[str]],
        engine_images: Callable[[Environment], Iterable[str]],
        say: Callable[[str], None],
    ) -> None:
        self.cache = cache
        self._source = source
        self._server = server
        self._view = view
        self._most_bytes = most_bytes
        self._images = images
        self._engine_images = engine_images
        self._say = say
        self._address = ""
        self._known: dict[str, Asked] = {}
        self._wrong: dict[str, HarnessError] = {}
        self._held = ExitStack()
        self._unforeseen = Unforeseen(cache.root)
        self._environments: dict[str, None] = {}
        self._filling = Filling(
            cache,
            source.for_image,
            platform=platform,
            # What a mirror's login gives, its nodes get without a secret of their pods, since hosts.toml has it. From a
            # public registry they get nothing that their pods may not have.
            anonymous=(lambda image: source.anonymous(image.registry)) if isinstance(source, Upstream) else None,
            arrived=self._arrived,
        )

    def start(self, run_id: str, network: str) -> None:
        """Start the server. Raises HarnessError; `close` is needed then, too."""
        self._prune()
        self._held.enter_context(self.cache.in_use())
        self.cache.blobs.mkdir(parents=True, exist_ok=True)
        self._address = self._server.start(run_id, network, hosts=[SERVER]).mirrors[SERVER].url

    def addresses(self, hosts: Iterable[str]) -> dict[str, str]:
        """What nodes ask first, by registry host: those of all images so far, and `hosts`."""
        known = [it.image.registry for it in self._known.values()]
        return {host: f"{self._address}/v2/{host_part(host)}" for host in dict.fromkeys((*known, *hosts))}

    def gather(self, cells: Sequence[Cell]) -> dict[str, Finding]:
        """Ask the registries for the cells' images, say what they cost and begin to fetch what is not here.

        Returns cell id → why it cannot be run.
        """
        wanted = {cell.id: [str(ImageReference.parse(it)) for it in self._images(cell)] for cell in cells}
        new = [it for it in dict.fromkeys(it for images in wanted.values() for it in images) if it not in self._known]
        asked = self._filling.ask(new)
        asked += self._ask_for_unforeseen(cells)
        self._known.update({it.image.canonical: it for it in asked})
        self._wrong.update({it.image.canonical: it.error for it in asked if it.error and is_trouble(it.error)})
        for it in asked:
            self._tell_left_alone(it)
        spent = self._over_limit(asked, cells)
        self._wrong.update(self._filling.fetch([it for it in asked if it.image.canonical not in spent]))
        return {cell.id: finding for cell in cells if (finding := self._finding(wanted[cell.id], spent)) is not None}

    def wait(self, image: str) -> None:
        """Wait until an image is here, or will not come. Raises Cancelled."""
        try:
            self._filling.wait(image, _FETCH_SECONDS)
        except Cancelled:
            raise
        except (HarnessError, TimeoutError):
            # Whoever prepares the cluster asks for it with `missing`.
            return

    def missing(self, cell: Cell) -> Finding | None:
        """Wait for all images of a cell; the finding says which did not come, and why. Raises Cancelled."""
        problems: list[str] = []
        for image in self._images(cell):
            try:
                self._filling.wait(image, _FETCH_SECONDS)
            except Cancelled:
                raise
            except HarnessError as error:
                problems.append(str(error))
            except TimeoutError:
                problems.append(f"{image} has not been fetched within {_FETCH_SECONDS:.0f} s")
        return errored(FETCHED_CHECK, "; ".join(dict.fromkeys(problems))) if problems else None

    def log(self) -> str:
        """What nodes have asked the cache for."""
        return self._server.access_log(SERVER)

    def stop(self) -> None:
        """Stop the server, since nothing pulls any more; note what it lacked. Raises EngineError."""
        hosts = {host_part(it.image.registry): it.image.registry for it in self._known.values()}
        self._unforeseen.learn(self._environments, [it for it in lacked(self.log(), hosts) if it not in self._known])
        self._server.stop()

    def close(self) -> None:
        """End what is being fetched, and have the cache as small as it is to be. Raises HarnessError."""
        self._filling.close()
        self._held.close()
        self._prune()

    def _arrived(self, image: CachedImage) -> None:
        self._view.show(image)
        top = self.cache.manifest(image.digest)
        others = [it.plain for it in listed_platforms(top.content) if it.plain != image.platform] if top else []
        self._source.learn(image.reference, image.digests, others)

    def _ask_for_unforeseen(self, cells: Sequence[Cell]) -> list[Asked]:
        """Ask for what nodes of these environments asked for in earlier runs. It makes no cell wait, and none fail."""
        self._environments |= dict.fromkeys(cell.environment.name for cell in cells)
        asked = self._filling.ask(it for it in self._unforeseen.of(self._environments) if it not in self._known)
        self._unforeseen.forget(it.image.canonical for it in asked if it.error and not is_trouble(it.error))
        return [it for it in asked if it.error is None]

    def _tell_left_alone(self, asked: Asked) -> None:
        if asked.private:
            self._say(f"{asked.image} needs a login: nodes pull it themselves, with the secrets of its pods")
        elif asked.error is not None and not is_trouble(asked.error):
            self._say(f"{asked.image} is left to the nodes: {asked.error.message}")

    def _over_limit(self, asked: Sequence[Asked], cells: Sequence[Cell]) -> dict[str, str]:
        """Say what fetching costs; image → why it is not begun, where its registry does not let all of them through."""
        fetched: dict[str, list[Asked]] = defaultdict(list)
        for it in asked:
            if it.to_fetch:
                fetched[it.image.registry].append(it)
        here = [it for it in asked if it.cached is not None]
        if here:
            self._say(f"{len(here)} of {counted(len(asked), 'image')} of these cells are on this machine")
        spent: dict[str, str] = {}
        for host, images in fetched.items():
            engine = [it for it in self._for_engine(cells) if ImageReference.parse(it).registry == host]
            pulls = sum(it.pulls for it in images) + _ENGINE_PULLS * len(engine)
            left = self._left(images[0])
            self._say(f"{counted(len(images), 'image')} to fetch, {counted(pulls, 'counted pull')} of {host}, "
                      f"{left or 'which tells of no limit'}")  # fmt: skip
            if left is not None and left.remaining < pulls:
                spent |= dict.fromkeys((it.image.canonical for it in images), _refusal(host, pulls, left))
        return spent

    def _for_engine(self, cells: Sequence[Cell]) -> Iterator[str]:
        if self._source.kind == "upstream":
            environments = {cell.environment.name: cell.environment for cell in cells}
            yield from dict.fromkeys(it for one in environments.values() for it in self._engine_images(one))

    def _left(self, asked: Asked) -> PullsLeft | None:
        try:
            return limits.pulls_left_of(self._source.for_image(asked.image), asked.image)
        except RegistryError:
            # What it says of its images has just been heard.
            return None

    def _finding(self, images: Sequence[str], spent: Mapping[str, str]) -> Finding | None:
        refused = dict.fromkeys(spent[it] for it in images if it in spent)
        if refused:
            return errored(PULLS_CHECK, "; ".join(refused))
        wrong = [self._wrong[it] for it in dict.fromkeys(images) if it in self._wrong]
        if not wrong:
            return None
        told = "; ".join(it.message for it in wrong)
        steps = "; ".join(dict.fromkeys(it.next_step for it in wrong if it.next_step))
        judge = errored if any(map(is_trouble, wrong)) else unavailable
        return judge(REACH_CHECK, f"{told}\n  next: {steps}" if steps else told)

    def _prune(self) -> None:
        for image in self.cache.prune_unless_in_use(self._most_bytes):
            self._say(f"the image cache has no room for {image.reference}, which has not been used for longest")


def serving(
    cache: ImageCache, folder: Path, binary: Path, announce: Callable[[str], None]
) -> tuple[NodeRegistries, View]:
    """The registry for the nodes of a run, which shows of the cache what is in the view below `folder`."""
    view = View(folder / SERVER)
    return NodeRegistries(binary=binary, storage=folder, announce=announce, blobs=cache.blobs), view


def _refusal(host: str, pulls: int, left: PullsLeft) -> str:
    return (
        f"{host} has {left}, and these cells take {pulls}: none was begun\n  next: wait until the window ends, log in "
        f"(docker login {host}), run fewer cells, or use a mirror"
    )
