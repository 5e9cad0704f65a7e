# SPDX-License-Identifier: Apache-2.0
"""`harness registry up|down|status|log|fault|mend|token`: local registries by hand."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from harness import options as run_options
from harness.errors import HostError, UsageError
from harness.report.text import wide_console

if TYPE_CHECKING:
    from harness.registries.front.access_log import Request
    from harness.registries.front.profile import Visibility
    from harness.registries.front.records import Record

_LOOK_SECONDS = 0.2


def declare(actions: Any, command: run_options.Command) -> None:
    """Add the actions about local registries."""
    up = command(actions, "up", _up, "start a local registry in the background, and say how to reach it")
    up.add_argument("--profile", default="ghcr.io", metavar="HOST", help="ghcr.io (default) or docker.io")
    up.add_argument("--name", default="", metavar="NAME", help="how to call it (default: as the profile)")
    up.add_argument("--port", type=int, default=0, metavar="N", help="on 127.0.0.1 (default: any that is free)")
    up.add_argument(
        "--package",
        action="append",
        default=[],
        metavar="NAME=private|public",
        help="how visible a package is, by name or glob (may be repeated)",
    )
    up.add_argument(
        "--user",
        action="append",
        default=[],
        metavar="NAME=SCOPE,…",
        help="a user and the scopes of its token, in the place of reader, writer and owner (may be repeated)",
    )
    up.add_argument("--limit", metavar="ANONYMOUS,USER,SECONDS", help="pulls in a window, as Docker Hub limits them")

    down = command(actions, "down", _down, "end a local registry and remove everything of it")
    _named(down)
    down.add_argument("--all", action="store_true", help="all of them")

    status = command(actions, "status", _status, "list the local registries that are up")
    status.add_argument("--json", action="store_true", help="print JSON")

    log = command(actions, "log", _log, "the requests that a local registry has answered")
    _named(log)
    log.add_argument("--json", action="store_true", help="as they are written: one JSON object a line")
    log.add_argument("--follow", action="store_true", help="go on until Ctrl-C, or until the registry ends")

    fault = command(actions, "fault", _fault, "let a local registry fail; docs/registries.md has the kinds")
    fault.add_argument("kind", metavar="KIND", help="status, cut, truncated, wrong-digest, expired-certificate, …")
    _named(fault)
    for flag, kind, text in (
        ("--status", int, "of kind status: 401, 403, 404, 429, 500 or 503"),
        ("--retry-after", int, "of kind status: seconds of this header"),
        ("--seconds", float, "of latency and slow-first-byte: how long"),
        ("--rate", int, "of bandwidth: bytes per second"),
        ("--after", int, "of cut and truncated: bytes that come before (default: half)"),
        ("--count", int, "how many requests it meets (default: all)"),
        ("--lasts", float, "seconds until it ends by itself"),
    ):
        fault.add_argument(flag, type=kind, metavar="N", help=text)
    fault.add_argument("--repository", metavar="GLOB", help="only these repositories")
    fault.add_argument("--target", metavar="WHAT", help="only manifests, blobs, tags, uploads, token, base or any")

    _named(command(actions, "mend", _mend, "remove all faults of a local registry"))

    token = command(actions, "token", _token, "give a user of a local registry a new token, or revoke it")
    token.add_argument("user", metavar="USER", help="whose token")
    _named(token)
    token.add_argument(
        "--scope", action="append", default=[], metavar="SCOPE", help="read:packages, … (may be repeated)"
    )
    token.add_argument("--expires", type=float, metavar="SECONDS", help="when it expires (default: never)")
    token.add_argument("--revoke", action="store_true", help="make it worthless at once")

    for parser in (up, down, status, log, fault, token):
        run_options.declare(parser.add_argument, run_options.CONFIG)
    run_options.declare(actions.choices["mend"].add_argument, run_options.CONFIG)


def _named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="which, when several are up")


def _up(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.bootstrap import tools
    from harness.registries import fronts

    request = fronts.Request(
        profile=parsed.profile,
        name=parsed.name,
        port=parsed.port,
        packages=dict(_package(it) for it in parsed.package),
        users=dict(_user(it) for it in parsed.user),
        limits=_limits(parsed.limit),
    )
    fronts.check(request)
    wanted = run_options.settings_of(parsed)
    found = tools.ensure(wanted, ["registry"], progress=print)["registry"]
    for line in _told(fronts.up(wanted, request, found.path)):
        print(line)
    return 0


def _told(record: Record) -> Iterator[str]:
    yield f"{record.name} is up: it behaves like {record.profile}, its images are at {record.address}/…"
    yield f"  CA       {record.ca}"
    for user, file in record.tokens.items():
        yield f"  token    {file} (user {user})"
    yield f"  log      {record.log}"
    user = "writer" if "writer" in record.tokens else next(iter(record.tokens))
    file = record.tokens[user]
    yield "with crane:"
    yield f"  export SSL_CERT_FILE={record.ca}"
    yield f"  crane auth login {record.address} --username {user} --password-stdin < {file}"
    yield "with docker, which asks for no CA on 127.0.0.1:"
    yield f"  docker login {record.address} --username {user} --password-stdin < {file}"
    yield f"away with it: harness registry down {record.name}"


def _down(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.registries import fronts

    wanted = run_options.settings_of(parsed)
    if parsed.all and parsed.name:
        raise UsageError("--all and a name contradict each other", "leave one of them out")
    records = fronts.recorded(wanted) if parsed.all else [fronts.find(wanted, parsed.name)]
    left = []
    for record in records:
        left += fronts.down(wanted, record, print)
        print(f"{record.name} is gone" if not left else f"left of {record.name}: {'; '.join(left)}")
    if not records:
        print("no local registry is up")
    return 3 if left else 0


def _status(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.registries import fronts
    from harness.registries.front import control

    found = fronts.recorded(run_options.settings_of(parsed))
    states = {it.name: control.ask(it.control, "GET", "/state") for it in found if it.alive}
    if parsed.json:
        shown = [{**it.model_dump(mode="json"), "up": it.alive, **states.get(it.name, {})} for it in found]
        print(json.dumps(shown, indent=2))
    elif found:
        wide_console().print(fronts.table(found, {name: it["faults"] for name, it in states.items()}))
    else:
        print("no local registry is up")
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
    words += [f"{it.bytes} B", it.user or "nobody", it.source]
    return "  ".join([*words, f"[{it.fault}]"] if it.fault else words)


def _fault(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    names = ("kind", "status", "retry_after", "seconds", "rate", "after", "count", "lasts", "repository", "target")
    details = {name: getattr(parsed, name) for name in names if getattr(parsed, name) is not None}
    record = _alive(parsed)
    print(f"{record.name} will fail: {_ask(record, 'POST', '/faults', details)['fault']}")
    return 0


def _mend(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    record = _alive(parsed)
    _ask(record, "DELETE", "/faults")
    print(f"{record.name} has no faults")
    return 0


def _token(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    record = _alive(parsed)
    if parsed.revoke and (parsed.scope or parsed.expires is not None):
        raise UsageError("--revoke and a new token contradict each other", "give --revoke alone")
    if parsed.revoke:
        _ask(record, "DELETE", "/tokens", {"user": parsed.user})
        print(f"the token of {parsed.user} is revoked")
        return 0
    scopes = parsed.scope or ["read:packages"]
    order = {"user": parsed.user, "scopes": scopes, "seconds": parsed.expires}
    print(f"{_ask(record, 'POST', '/tokens', order)['file']} ({', '.join(scopes)})")
    return 0


def _alive(parsed: argparse.Namespace) -> Record:
    from harness.registries import fronts

    record = fronts.find(run_options.settings_of(parsed), parsed.name)
    if not record.alive:
        raise HostError(
            f"the local registry {record.name} has ended (process {record.pid})",
            f"remove it (harness registry down {record.name}) and start another",
        )
    return record


def _ask(record: Record, method: str, path: str, body: object = None) -> Any:
    from harness.registries.front import control

    return control.ask(record.control, method, path, body)


def _package(text: str) -> tuple[str, Visibility]:
    name, _, visibility = text.rpartition("=")
    if not name or visibility not in ("private", "public"):
        raise UsageError(f"--package {text!r} is not NAME=private or NAME=public", "say --package kubeflow/app=private")
    return name, cast("Visibility", visibility)


def _user(text: str) -> tuple[str, list[str]]:
    name, _, scopes = text.partition("=")
    if not name or not scopes:
        raise UsageError(f"--user {text!r} is not NAME=SCOPE,…", "say --user robot=read:packages,write:packages")
    return name, scopes.split(",")


def _limits(text: str | None) -> Any:
    from harness.registries.front.profile import Limits

    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 3 or not all(it.isdecimal() for it in parts) or int(parts[2]) < 1:
        raise UsageError(f"--limit {text!r} is not three numbers", "say --limit 100,200,21600, as Docker Hub has it")
    return Limits(anonymous=int(parts[0]), user=int(parts[1]), window=int(parts[2]))
