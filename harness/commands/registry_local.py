# SPDX-License-Identifier: Apache-2.0
"""`harness registry up|down|status|log|fault|mend|token`: local registries, started manually."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from harness import options as run_options
from harness.errors import HostError, UsageError
from harness.report.text import wide_console
from harness.settings import port

if TYPE_CHECKING:
    from harness.registries.front.access_log import Request
    from harness.registries.front.profile import Visibility
    from harness.registries.front.records import Record

_LOOK_SECONDS = 0.2


def declare(actions: Any, command: run_options.Command) -> None:
    """Add the actions about local registries."""
    up = command(actions, "up", _up, "start a local registry in the background and print how to reach it")
    up.add_argument(
        "--profile",
        default="ghcr.io",
        metavar="HOST",
        help="ghcr.io (default), docker.io, or one of registries.toml in catalogue_dirs",
    )
    up.add_argument("--name", default="", metavar="NAME", help="its name (default: the profile)")
    up.add_argument("--port", type=port, default=0, metavar="N", help="port on 127.0.0.1 (default: a free one)")
    up.add_argument(
        "--package",
        action="append",
        default=[],
        metavar="NAME=private|public",
        help="visibility of packages, by name or glob (may be repeated)",
    )
    up.add_argument(
        "--user",
        action="append",
        default=[],
        metavar="NAME=SCOPE,…",
        help="a user and its token's scopes, replacing the defaults reader, writer and owner (may be repeated)",
    )
    up.add_argument(
        "--limit", metavar="ANONYMOUS,USER,SECONDS", help="pull limits within a time window, as on Docker Hub"
    )

    down = command(actions, "down", _down, "stop a local registry and remove all of its files")
    _named(down)
    down.add_argument("--all", action="store_true", help="all of them")

    status = command(actions, "status", _status, "list the running local registries")
    status.add_argument("--json", action="store_true", help="print JSON")

    log = command(actions, "log", _log, "show the access log of a local registry")
    _named(log)
    log.add_argument("--json", action="store_true", help="print the raw log: one JSON object per line")
    log.add_argument("--follow", action="store_true", help="follow the log until Ctrl-C or until the registry stops")

    fault = command(
        actions, "fault", _fault, "inject a fault into a local registry; docs/registries.md lists the kinds"
    )
    fault.add_argument("kind", metavar="KIND", help="status, cut, truncated, wrong-digest, expired-certificate, …")
    _named(fault)
    for flag, kind, text in (
        ("--status", int, "for status: 401, 403, 404, 429, 500 or 503"),
        ("--retry-after", int, "for status: the Retry-After header, in seconds"),
        ("--seconds", float, "for latency and slow-first-byte: the delay"),
        ("--rate", int, "for bandwidth: bytes per second"),
        ("--after", int, "for cut and truncated: bytes of the body that are sent first (default: half)"),
        ("--count", int, "number of requests affected (default: all)"),
        ("--lasts", float, "seconds after which the fault is removed"),
    ):
        fault.add_argument(flag, type=kind, metavar="N", help=text)
    fault.add_argument("--repository", metavar="GLOB", help="only these repositories")
    fault.add_argument("--target", metavar="WHAT", help="only manifests, blobs, tags, uploads, token, base or any")

    _named(command(actions, "mend", _mend, "remove all faults of a local registry"))

    token = command(actions, "token", _token, "issue a new token for a user of a local registry, or revoke it")
    token.add_argument("user", metavar="USER", help="the owner of the token")
    _named(token)
    token.add_argument(
        "--scope", action="append", default=[], metavar="SCOPE", help="a scope, such as read:packages (may be repeated)"
    )
    token.add_argument("--expires", type=float, metavar="SECONDS", help="seconds until it expires (default: never)")
    token.add_argument(
        "--package",
        action="append",
        default=[],
        metavar="GLOB",
        help="only these packages are open to its owner (may be repeated; default: all)",
    )
    token.add_argument(
        "--no-create", action="store_true", help="on ghcr.io: it may push to packages that exist, and create none"
    )
    token.add_argument("--revoke", action="store_true", help="revoke the user's token")

    for parser in (up, down, status, log, fault, token):
        run_options.declare(parser.add_argument, run_options.CONFIG)
    run_options.declare(actions.choices["mend"].add_argument, run_options.CONFIG)


def _named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", nargs="?", default="", metavar="NAME", help="the registry's name, if several are running"
    )


def _up(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.bootstrap import tools
    from harness.registries import fronts

    wanted = run_options.settings_of(parsed)
    request = fronts.Request(
        profile=parsed.profile,
        catalogue_dirs=wanted.catalogue_dirs,
        name=parsed.name,
        port=parsed.port,
        packages=dict(_package(it) for it in parsed.package),
        users=dict(_user(it) for it in parsed.user),
        limits=_limits(parsed.limit),
    )
    fronts.check(request)
    found = tools.ensure(wanted, ["registry"], progress=print)["registry"]
    for line in _told(fronts.up(wanted, request, found.path)):
        print(line)
    return 0


def _told(record: Record) -> Iterator[str]:
    yield f"{record.name} is running: it behaves like {record.profile}, its images are at {record.address}/…"
    yield f"  CA       {record.ca}"
    for user, file in record.tokens.items():
        yield f"  token    {file} (user {user})"
    yield f"  log      {record.log}"
    user = "writer" if "writer" in record.tokens else next(iter(record.tokens))
    file = record.tokens[user]
    yield "with crane:"
    yield f"  export SSL_CERT_FILE={record.ca}"
    yield f"  crane auth login {record.address} --username {user} --password-stdin < {file}"
    yield "with docker, which needs no CA for 127.0.0.1:"
    yield f"  docker login {record.address} --username {user} --password-stdin < {file}"
    yield f"remove it: harness registry down {record.name}"


def _down(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.registries import fronts

    wanted = run_options.settings_of(parsed)
    if parsed.all and parsed.name:
        raise UsageError("--all cannot be combined with a name", "omit one of them")
    records = fronts.recorded(wanted) if parsed.all else [fronts.find(wanted, parsed.name)]
    left = []
    for record in records:
        of_this = fronts.down(wanted, record, print)
        print(f"{record.name} is removed" if not of_this else f"not removed of {record.name}: {'; '.join(of_this)}")
        left += of_this
    if not records:
        print("no local registry is running")
    return 3 if left else 0


def _status(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.registries import fronts
    from harness.registries.front import control

    found = fronts.recorded(run_options.settings_of(parsed))
    states: dict[str, dict[str, Any]] = {}
    for it in found:
        if it.alive:
            try:
                states[it.name] = control.ask(it.control, "GET", "/state")
            except HostError:
                states[it.name] = {"faults": [], "storage": False}
    if parsed.json:
        shown = [{**it.model_dump(mode="json"), "up": it.alive, **states.get(it.name, {})} for it in found]
        print(json.dumps(shown, indent=2))
    elif found:
        wide_console().print(fronts.table(found, states))
    else:
        print("no local registry is running")
    return 0


def _log(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.registries import fronts
    from harness.registries.front import access_log
    from harness.waiting import pause

    record = fronts.find(run_options.settings_of(parsed), parsed.name)
    shown = 0
    try:
        while True:
            going_on = parsed.follow and record.alive
            requests = access_log.read(record.log)
            for it in requests[shown:]:
                print(json.dumps(asdict(it)) if parsed.json else _line(it), flush=True)
            shown = len(requests)
            if not going_on:
                return 0
            pause(_LOOK_SECONDS, what="following the log")
    except KeyboardInterrupt:
        # That is how one stops to follow.
        return 0


def _line(it: Request) -> str:
    words = [it.time[11:23], str(it.status or "cut"), it.method, it.path + (f" ({it.scope})" if it.scope else "")]
    words += [f"{it.bytes} B", it.user or "anonymous", it.source]
    return "  ".join([*words, f"[{it.fault}]"] if it.fault else words)


def _fault(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    names = ("kind", "status", "retry_after", "seconds", "rate", "after", "count", "lasts", "repository", "target")
    details = {name: getattr(parsed, name) for name in names if getattr(parsed, name) is not None}
    record = _alive(parsed)
    print(f"fault set for {record.name}: {_ask(record, 'POST', '/faults', details)['fault']}")
    return 0


def _mend(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    record = _alive(parsed)
    _ask(record, "DELETE", "/faults")
    print(f"{record.name} has no faults")
    return 0


def _token(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    record = _alive(parsed)
    if parsed.revoke and (parsed.scope or parsed.package or parsed.no_create or parsed.expires is not None):
        raise UsageError("--revoke cannot be combined with options for a new token", "use --revoke alone")
    if parsed.revoke:
        _ask(record, "DELETE", "/tokens", {"user": parsed.user})
        print(f"the token of {parsed.user} is revoked")
        return 0
    scopes = parsed.scope or ["read:packages"]
    order = {
        "user": parsed.user,
        "scopes": scopes,
        "seconds": parsed.expires,
        "packages": parsed.package,
        "creates": not parsed.no_create,
    }
    print(f"{_ask(record, 'POST', '/tokens', order)['file']} ({', '.join(scopes)})")
    return 0


def _alive(parsed: argparse.Namespace) -> Record:
    from harness.registries import fronts

    record = fronts.find(run_options.settings_of(parsed), parsed.name)
    if not record.alive:
        raise HostError(
            f"the local registry {record.name} has stopped (process {record.pid})",
            f"remove it (harness registry down {record.name}) and start another",
        )
    return record


def _ask(record: Record, method: str, path: str, body: object = None) -> Any:
    from harness.registries.front import control

    return control.ask(record.control, method, path, body)


def _package(text: str) -> tuple[str, Visibility]:
    name, _, visibility = text.rpartition("=")
    if not name or visibility not in ("private", "public"):
        raise UsageError(
            f"--package {text!r} is not NAME=private or NAME=public", "for example --package kubeflow/app=private"
        )
    return name, cast("Visibility", visibility)


def _user(text: str) -> tuple[str, list[str]]:
    name, _, scopes = text.partition("=")
    if not name or not scopes:
        raise UsageError(
            f"--user {text!r} is not NAME=SCOPE,…", "for example --user robot=read:packages,write:packages"
        )
    return name, scopes.split(",")


def _limits(text: str | None) -> Any:
    from harness.registries.front.profile import Limits

    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 3 or not all(it.isdecimal() and len(it) < 10 for it in parts) or int(parts[2]) < 1:
        raise UsageError(
            f"--limit {text!r} is not three numbers", "for example --limit 100,200,21600, as on Docker Hub"
        )
    return Limits(anonymous=int(parts[0]), user=int(parts[1]), window=int(parts[2]))
