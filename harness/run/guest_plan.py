# SPDX-License-Identifier: Apache-2.0
"""A run in an existing cluster: which one is meant, what the run will make there, and its user's leave to do it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from harness import stories
from harness.errors import UsageError
from harness.evidence.installation import installation_of
from harness.evidence.temporary import temporary
from harness.existing import look, plan, refusals, rights
from harness.existing.model import Intent, Target
from harness.images.credentials import write_secret
from harness.invocation import here
from harness.kube import login
from harness.options import RunOptions
from harness.providers.base import Guest
from harness.releases.asked import operator_image
from harness.releases.helm import Helm
from harness.releases.namespaces import CHECK_NAMESPACE, of_values
from harness.releases.values import at, merge
from harness.run.guest_proof import Proof
from harness.settings import Settings
from harness.wording import counted

if TYPE_CHECKING:
    from harness.run.setup import Request

_UNINSTALL_SECONDS = 60.0


def target(options: RunOptions, settings: Settings) -> Target:
    """The cluster of the options, else of harness.toml, else kubectl's. Raises UsageError and ClusterError."""
    kubeconfig = options.kubeconfig or settings.cluster.kubeconfig
    # A context of harness.toml belongs to its kubeconfig.
    context = options.context or ("" if options.kubeconfig else settings.cluster.context)
    # What a kubeconfig holds is written into files, for which only a ledger can answer.
    with temporary(settings):
        return look.target(login.access(kubeconfig, context))


def intent(asked: Request, source: str) -> Intent:
    """What the run will make. `source` is where images come from."""
    values = merge(*asked.values)
    listed = [*of_values(values), *(it for profile in asked.profiles.values() for it in of_values(profile))]
    spaces = [it for cell in asked.cells for it in stories.of(cell.scenario).job_namespaces(cell)]
    paths = {it.path.name: it.path for it in asked.cells}
    images = [
        *(operator_image(it, values) for it in asked.releases),
        *(it for cell in asked.cells for it in stories.of(cell.scenario).images(cell)),
    ]
    needed = (*spaces, CHECK_NAMESPACE)
    selector = any(at(it, "spark.jobNamespaceSelector") for it in (values, *asked.profiles.values()))
    return Intent(
        release=asked.home.name,
        namespace=asked.home.namespace,
        job_namespaces=tuple(dict.fromkeys((*needed, *filter(None, listed)))),
        from_values=tuple(it for it in dict.fromkeys(filter(None, listed)) if it not in needed),
        watches_all="" in listed or selector,
        cells=tuple(it.id for it in asked.cells),
        upgrades=tuple(name for name, it in paths.items() if it.moves),
        crd_changes=tuple(name for name, it in paths.items() if it.crds != "none"),
        crds=tuple(dict.fromkeys(crd for it in asked.releases for crd in it.crds)),
        images=tuple(dict.fromkeys(images)),
        pulled=_PULLED[source],
        beside=asked.options.beside,
        allow_upgrade=asked.options.allow_upgrade,
    )


_PULLED = {
    "upstream": "from their public registries",
    "mirror": "as their own configuration says (digests are compared with the mirrors of harness.toml)",
    "foundry": "as their own configuration says, or have (digests cannot be compared: nobody said with which registry)",
}


def agree(asked: Request, source: str, say: Callable[[str], None]) -> None:
    """Look at the cluster, refuse what must not be done, show the plan, and ask. Changes nothing.

    Raises UsageError and ClusterError; nothing for a run that makes its clusters itself.
    """
    found = asked.existing
    if found is None:
        return
    if any(at(merge(*asked.on(cell.path).values), "hook.upgradeCrd") for cell in asked.cells):
        raise UsageError(
            "the values have hook.upgradeCrd, whose CRDs do not say whose they are",
            "leave it out for an existing cluster, by a further --values file",
        )
    installation = installation_of(asked.settings.cache_dir).id
    context = found.access.context
    with temporary(asked.settings):
        wants = intent(asked, source)
        rights.require(found.access, wants.namespace, wants.job_namespaces)
        seen = look.look(found.access)
    refusals.refuse(seen, wants, installation=installation, context=context)
    told = plan.lines(found, seen, wants, installation=installation, clean=_clean(context))
    plan.agree(say, _with_count(told, wants), context=context, yes=asked.options.yes)


def _with_count(told: Iterable[str], wants: Intent) -> Iterator[str]:
    yield f"{counted(len(wants.cells), 'cell')} in an existing cluster"
    yield from told


def guest(asked: Request, found: Target, run_id: str, folder: Path, helm: Path) -> Guest:
    """The run as a guest in this cluster, with a kubeconfig in `folder`."""
    kubeconfig = write_secret(folder / "kubeconfig", yaml.safe_dump(dict(found.access.kubeconfig), sort_keys=False))
    program = Helm(helm, kubeconfig)

    def uninstall(name: str, namespace: str) -> None:
        program.uninstall(name, namespace, timeout=_UNINSTALL_SECONDS)

    return Guest(
        context=found.access.context,
        server=found.access.server,
        kubeconfig=kubeconfig,
        environment=found.environment,
        installation=installation_of(asked.settings.cache_dir).id,
        run_id=run_id,
        uninstall=uninstall,
        clean=_clean(found.access.context),
    )


def proof(asked: Request, as_guest: Guest, say: Callable[[str], None]) -> Proof:
    """A picture of the cluster, to be compared with one at the end. Raises ClusterError."""
    wants = intent(asked, "foundry")
    return Proof(as_guest, namespaces=wants.namespaces, release=wants.release, say=say)


def _clean(context: str) -> str:
    return here(f"harness clean --context {context}")
