# SPDX-License-Identifier: Apache-2.0
"""Finds names of the operator's images that are written as one, in any text, with templates in them or not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.audit.expressions import EXPRESSION, Variables, is_known, named_by
from harness.audit.homes import Homes
from harness.audit.owners import Lines
from harness.images.references import DOCKER_HUB, names_host
from harness.releases.charts import CHART_NAME

HUB_HOSTS = frozenset(
    {DOCKER_HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "hub.docker.com"}
)
"""Hosts that people write for Docker Hub."""

_PIECE = rf"(?:{EXPRESSION}|[\w.:-])+"
_SCHEME = r"[a-z][a-z0-9+.-]*://|(?:docker-daemon|docker-archive|containers-storage|oci-archive|oci-layout):"
# JSON may have a backslash before each slash.
_LEFT = re.compile(rf"(?P<scheme>{_SCHEME})?(?P<left>(?:{_PIECE}\\?/)*)$")
_SUB = r"(?P<sub>(?:\\?/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*)"
_TAG = rf"(?::(?P<tag>(?:{EXPRESSION}|[A-Za-z0-9_.-])+))?"
_DIGEST = r"(?P<digest>@sha256:(?:[0-9a-f]{64}))?"
_WIKI_MARK = re.compile(r"\{(?:code|noformat|quote|panel|color|tip|note|info|warning|expand)\}$")
_GLUED = re.compile(r"^[\w.-]*[A-Za-z][\w.-]*:-?(?!\d+/)")
_EXPRESSION = re.compile(EXPRESSION)
_IN_VARIABLE = re.compile(rf"/{EXPRESSION}")
_API_TAG = re.compile(r"v1(?:alpha|beta)\d-")
_DEFAULT_OF = re.compile(r"\$\{\w+:?-$")
_LONGEST_VARIABLE = 80
_FILLED_IN = re.compile(r":[\"'`$%{#(]")
"""What follows a name whose tag a program or a template has; `<version>` is for a reader to write."""
# `"docker.io/" + "a/b"`, `registry + "/a/b"`, `sprintf("%s/%s:%s", "docker.io", "a/b", tag)`
_OTHER = r"(?:(?P<quote>[\"'`])(?P<literal>[\w.:-]+/?)(?P=quote)|(?P<name>(?:this\.|self\.)?[A-Za-z_]\w*))"
_ADDED = re.compile(rf"{_OTHER}\s*(?:\+|~|\.\.|<>)\s*[\"'`](?P<slash>/?)$")
_PRINTED = re.compile(r"\bprintf\s+\"%s(?P<slash>/)%s[^\"\n]*\"\s+\((?P<inner>[^()\n]*)\)\s+\"$")
# `sprintf("%s/a/b:%s", "docker.io", tag)`
_FORMAT = re.compile(r"[\"'](?:%s|\{0?\})/$")
_FIRST = re.compile(rf"[^\"'\n]*[\"'](?:\.format\(\s*|\s*[,%]\s*\(?\s*|[ \t]+)(?:{_OTHER}|\((?P<inner>[^()\n]*)\))")
_FORMATTED = re.compile(
    rf"[\"'](?:%s|\{{\d?\}})(?P<slash>/)(?:%s|\{{\d?\}})[^\"'\n]*[\"'](?:\.format\(|\s*[,%]\s*\(?)\s*{_OTHER}\s*,\s*[\"']$"
)
_FARTHEST = 300
# Words after which a name is an image: what Docker, its like, and tools for clusters, registries and scans take.
_COMMAND = re.compile(
    r"(?:\b(?:docker|podman|nerdctl|buildah|crane|skopeo|crictl|ctr|regctl|oras|dive)\s+"
    r"(?:(?:-\S+(?:\s+[\w.-]+\.[\w.-]+)?|images?|manifest|buildx|imagetools|container)\s+)*"
    r"(?:pull|push|run|tag|save|inspect|copy|cp|digest|manifest|config|rmi|ls|export|create|from|import)\b"
    r"|\b(?:kind\s+load\s+docker-image|minikube\s+(?:image\s+load|cache\s+add)|k3d\s+images?\s+import)\b"
    r"|\b(?:trivy\s+image|grype|syft|cosign\s+\w+|docker\s+scout\s+\w+|kubectl\s+(?:set\s+image|run))\s"
    r"|(?:\bdocker::|\bdocker_)image\s*\{?\s*[\"']$|\bdatasource=docker\s|\bDockerImageName\.parse\(\s*[\"']$"
    r"|(?-i:^\s*FROM\s|\bCOPY\s+--from=)|--image[= ]|\bimage\s+[\"']$)[^|;&]*$",
    re.I,
)
_STAGE = re.compile(r"^\s*(?:from\s+(?:--platform=\S+\s+)?|copy\s+--from=)$", re.I)
_PULLED = re.compile(
    r"\b(?:docker|podman|nerdctl|buildah|crane|crictl)\s+(?:images?\s+)?pull\s+(?:-\S+\s+)*[\"']?$|^\s*FROM\s+(?:--platform=\S+\s+)?$"
)
_MAY_BE_PULLED = re.compile(r"pull|FROM")
_IMAGE_KEY = re.compile(r"ima?ge?s?(?![a-z])|image|newName|container", re.I)
_MODULE = re.compile(r"(?:[\w.]+\.)?(?:docker|podman)_image\b")
"""What pulls images in Ansible and Salt."""
_ELEMENT = re.compile(r"<[\w.:-]*image\w*>\s*$", re.I)
_COMMENT = re.compile(r"\s*\S.*\s(?:#|//)\s")
# The two ends of a copy: regsync, dregsy.
_FROM = re.compile(r"(?:\bsource|\bfrom)[\"']?[ \t]*:[ \t]*[\"']?$")
_TO = re.compile(rf"[\"']?[,\s]+[\"']?(?:target|to)[\"']?[ \t]*:[ \t]*[\"']?(?:{_PIECE}/)*{_PIECE}")
# Where Renovate looks up versions: `depNameTemplate: "a/b", datasourceTemplate: "docker"`, in either order.
_DATASOURCE = re.compile(r"[\"']?datasource(?:Template)?[\"']?\s*:\s*[\"']docker[\"']")
_LOOKED_UP = ("depNameTemplate", "packageNameTemplate")
_REPOSITORY_KEY = re.compile(r"repo(?:sitory)?$", re.I)
_IS_KEY = re.compile(r"[\"']?[ \t]*(?::|=>?)\s")
_JOINED = re.compile(rf"(?:{EXPRESSION}|{'|'.join(map(re.escape, HUB_HOSTS))})/(?:{EXPRESSION}|\$[\{{1-9@*])")
_NOT_IMAGE_KEY = re.compile(r"(?:pull_?policy|pull_?secrets?)$", re.I)


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A name in a text, between two offsets, which a replacement takes the place of.

    The path begins at `at`. `host` is empty for a short name, None for one that cannot be known. `tag` is empty where
    there is none, or none that can be known. `scheme` is what stands before it, as in `docker://`. `plain` says that no
    template is in what stands from `start` to `end`; a template for the tag stands behind `end`. `is_open` says that
    the tag is filled in from elsewhere, with whatever version; `last` is the variable that has the name's last part.
    """

    host: str | None
    path: str
    tag: str
    digest: str
    scheme: str
    start: int
    at: int
    end: int
    text: str
    plain: bool
    is_open: bool = False
    last: str = ""

    @property
    def name(self) -> str:
        """Host and repository."""
        return f"{self.host or DOCKER_HUB}/{self.path}"


class References:
    """Finds them by the names in the rows of releases and of their history."""

    def __init__(self, homes: Homes) -> None:
        self._homes = homes
        former = {it.repository for it in homes.history.homes}
        names = sorted({*homes.repositories, *former}, key=len, reverse=True)
        # A package below upstream's own is found by the name that stands before it.
        anchors = "|".join(re.escape(it).replace("/", r"\\?/") for it in names)
        self._anchor = re.compile(rf"(?:{anchors})(?![\w-])")
        self._owners = tuple(sorted({f"{it.rpartition('/')[0]}/" for it in names}))
        self._paths = frozenset(names)
        tails = sorted(homes.tails - homes.repositories, key=len, reverse=True)
        self._tail = re.compile(rf"/(?P<tail>{'|'.join(map(re.escape, tails))})(?![\w-])")
        self._value = re.compile(rf"[:= \t\"']\"?(?:{'|'.join(map(re.escape, tails))})(?=[\s;,\"')}}\]]|$)")
        self._rest = re.compile(f"{_SUB}{_TAG}{_DIGEST}")
        self._ends = re.compile(f"{_TAG}{_DIGEST}")
        self._hosts = {
            it.repository: it.registry for it in homes.history.homes if it.repository not in homes.repositories
        }

    def among(self, text: str, variables: Variables) -> Iterator[Reference]:
        """Every name in a text that may be an image's, whether it is one or not."""
        end = 0
        for match in self._anchor.finditer(text):
            before = text[match.start() - 1 : match.start()] if match.start() else ""
            if match.start() < end or before.isalnum() or before == "_" or self._is_longer(text, match.start()):
                continue
            found = self._at(text, match, variables)
            if found:
                end = found.end
                yield found
        for match in self._tail.finditer(text):
            found = self._behind_owner(text, match, match["tail"], variables)
            if found:
                yield found
        for match in _IN_VARIABLE.finditer(text) if self._value.search(text) else ():
            tail = variables.filled(match[0][1:])
            found = self._behind_owner(text, match, tail, variables) if self._tail.fullmatch(f"/{tail}") else None
            if found:
                yield found

    def _behind_owner(self, text: str, match: re.Match[str], tail: str, variables: Variables) -> Reference | None:
        """A name whose owner or last part is in a variable, as in `$REPO/spark-operator` or `docker.io/$ORG/$NAME`, if
        the text says which one it is.
        """
        first = max(text.rfind("\n", 0, match.start()) + 1, match.start() - _FARTHEST)
        before = _LEFT.search(text[first : match.start() + 1])
        rest = self._rest.match(text, match.end())
        if before is None or rest is None:
            return None
        if is_known(match[0]) and (is_known(before["left"]) or before["left"].endswith(self._owners)):
            return None
        if re.match(r"[/-]|\.\w", text[rest.end() : rest.end() + 2]):
            return None
        left = _GLUED.sub("", before["left"])
        filled = f"{variables.filled(left)}{tail}{rest['sub']}"
        host, _, path = filled.partition("/") if names_host(filled) else ("", "", filled)
        if not is_known(filled) or path not in self._paths:
            return None
        start, tag = match.start() + 1 - len(left), variables.filled(rest["tag"] or "")
        end = rest.end() if is_known(text[start : rest.end()]) or not rest["tag"] else match.end() + len(rest["sub"])
        return Reference(
            host=DOCKER_HUB if host in HUB_HOSTS else host,
            path=path,
            tag=tag.rstrip(".-") if is_known(tag) else "",
            digest=rest["digest"] or "",
            scheme=before["scheme"] or "",
            start=start,
            at=start,
            end=end,
            text=text[start:end],
            plain=False,
            is_open=bool(rest["tag"]) and not is_known(tag),
            last=named_by(match[0][1:]),
        )

    @staticmethod
    def _is_longer(text: str, start: int) -> bool:
        """Whether a hyphen is a part of the name, and not of `${IMAGE:-NAME}`."""
        return text[start - 1 : start] == "-" and not _DEFAULT_OF.search(text, max(0, start - _LONGEST_VARIABLE), start)

    def _at(self, text: str, match: re.Match[str], variables: Variables) -> Reference | None:
        first = max(text.rfind("\n", 0, match.start()) + 1, match.start() - _FARTHEST)
        before = _LEFT.search(text[first : match.start()])
        rest = self._rest.match(text, match.end())
        if before is None or rest is None:
            return None
        left, scheme = before["left"], before["scheme"] or ""
        beside = text[match.start() - len(left) - 1 : match.start() - len(left)]
        if left == "s/" and beside == "%":
            # `%s/` is no part of the name.
            left, beside = "", "/"
        around = self._around(text, first, match.start(), rest.end())
        if around and not (scheme or left) and text[around.start() - 1 : around.start()] == "/":
            return self._default(text, first, around, match, rest, variables)
        joined = None if scheme or left else self._joined(text, match.start(), rest.end())
        if not scheme and joined is None and beside in ("/", "@", "."):
            return None
        # `image:docker.io/…`, in flow style without a blank, and `${IMAGES:-docker.io/…`.
        left = left if scheme else _GLUED.sub("", left)
        host = self._host((left if joined is None else joined).replace("\\/", "/"), variables)
        named = match[0].replace("\\", "")
        path = named + rest["sub"].replace("\\", "")
        if re.match(r"[/-]|\.\w", text[rest.end() : rest.end() + 2]) and not scheme.startswith("http"):
            return None
        if host == "" and named in self._hosts:
            # A name that only means this with its host, or with a tag that nobody else has.
            if not _API_TAG.match(rest["tag"] or ""):
                return None
            host = self._hosts[named]
        tag, digest, end = rest["tag"] or "", rest["digest"] or "", rest.end()
        after = self._ends.match(text, around.end()) if around and not (tag or digest) else None
        mark = _WIKI_MARK.search(tag)
        if mark:
            end, tag = end - len(mark[0]), tag[: mark.start()]
        if tag and not digest:
            shorter = tag.rstrip(".-")
            end, tag = end - (len(tag) - len(shorter)), shorter
        filled = variables.filled(tag or (after["tag"] or "" if after else ""))
        digest = digest or (after["digest"] or "" if after else "")
        known = bool(filled) and is_known(filled)
        if tag and not is_known(tag) and not digest:
            end -= len(tag) + 1
        # What a template makes a longer tag of is some version's.
        is_part = not is_known(tag) and bool(re.search(r"\d", re.sub(EXPRESSION, "", tag)))
        start = match.start() - len(left)
        ends = [end, *([around.end()] if around else [])]
        return Reference(
            host=host,
            path=path,
            tag=filled if known else "",
            digest=digest,
            scheme=scheme,
            start=start,
            at=match.start(),
            end=end,
            text=text[start:end],
            plain=joined is None and not is_part and "\\" not in text[start:end] and is_known(text[start:end]),
            is_open=is_part or (not known and any(_FILLED_IN.match(text, it) for it in ends)),
        )

    @staticmethod
    def _around(text: str, first: int, start: int, end: int) -> re.Match[str] | None:
        """The expression that a name is the default of: `${NAME:-a/b}`."""
        found = (it for it in _EXPRESSION.finditer(text, first, end + _LONGEST_VARIABLE) if it.end() > start)
        match = next(found, None)
        return match if match and match.start() < start and end < match.end() else None

    def _default(
        self,
        text: str,
        first: int,
        around: re.Match[str],
        match: re.Match[str],
        rest: re.Match[str],
        variables: Variables,
    ) -> Reference:
        before, after = _LEFT.search(text[first : around.start()]), self._ends.match(text, around.end())
        left = before["left"] if before else ""
        tag = variables.filled(after["tag"] or "") if after else ""
        start, end = around.start() - len(left), match.end() + len(rest["sub"])
        return Reference(
            host=self._host(left, variables) or None,
            path=match[0] + rest["sub"],
            tag=tag if is_known(tag) else "",
            digest=(after["digest"] or "") if after else "",
            scheme=(before["scheme"] or "") if before else "",
            start=start,
            at=match.start(),
            end=end,
            text=text[start:end],
            plain=False,
            is_open=not is_known(tag),
        )

    @staticmethod
    def _joined(text: str, start: int, end: int) -> str | None:
        """What a program puts before a text that begins where another one ends, or into it; None if it puts nothing
        there.
        """
        before = text[max(0, start - _FARTHEST) : start]
        match = _ADDED.search(before) or _FORMATTED.search(before) or _PRINTED.search(before)
        if match is None and _FORMAT.search(before):
            match = _FIRST.match(text, end)
        if match is None:
            return None
        found = match.groupdict()
        literal = found.get("literal") or ""
        if literal and found.get("slash") == "" and not literal.endswith("/"):
            return None
        inner = found.get("inner")
        other = f"{{{{ {inner} }}}}" if inner else f"${{{(found.get('name') or '').rpartition('.')[2]}}}"
        return (literal or other).rstrip("/") + "/"

    @staticmethod
    def _host(left: str, variables: Variables) -> str | None:
        if not left:
            return ""
        filled = variables.filled(left)
        if not is_known(filled):
            return None
        host = filled.rstrip("/")
        if host.startswith(("http:", "https:")):
            return None
        if "/" not in host and host in HUB_HOSTS:
            return DOCKER_HUB
        return host


def is_put_together(reference: Reference, lines: Lines) -> bool:
    """Whether a program may put a registry before a short name: one that a list or a loop holds, in a text that has
    `$registry/$image`; one that is a repository by its key; and one that is a key itself.
    """
    owners = lines.owners(reference.start)
    if any(_REPOSITORY_KEY.search(it) for it in owners[:3]):
        return True
    if _IS_KEY.match(lines.text, reference.end):
        return True
    is_whole = _COMMAND.search(lines.before(reference.start)) or (owners and owners[0].lower().endswith("image"))
    return not is_whole and bool(_JOINED.search(lines.text))


def stands_for_image(reference: Reference, lines: Lines, *, templated: bool) -> bool:
    """Whether a short name is an image's and not the project's: by its tag, its key, or the command that takes it."""
    if reference.scheme or reference.digest or templated or reference.tag:
        return True
    before = lines.before(reference.start)
    if _COMMAND.search(before) or _ELEMENT.search(before):
        return True
    if _COMMENT.match(before):
        return False
    if _FROM.search(before) and (to := _TO.match(lines.text, reference.end)) and CHART_NAME in to[0]:
        return True
    owners = lines.owners(reference.start)
    if owners[:1] and owners[0] in _LOOKED_UP:
        text = lines.text
        first, last = text.rfind("{", 0, reference.start), text.find("}", reference.end)
        return bool(_DATASOURCE.search(text, max(first, 0), last if last >= 0 else len(text)))
    around = [*dict.fromkeys(owners)] if owners[:1] == ["name"] else owners
    if in_image_key(around[:2]) or any(map(_MODULE.match, owners[:4])):
        return True
    return bool(owners) and _is_taken_by_command(lines, owners[0])


def is_stage(reference: Reference, lines: Lines, file: str) -> bool:
    """Whether a name is what a stage of a Dockerfile begins with, whose instructions have letters of any case."""
    name = file.rpartition("/")[2].lower()
    is_recipe = any(it in name for it in ("dockerfile", "containerfile"))
    return is_recipe and bool(_STAGE.search(lines.before(reference.start)))


def _is_taken_by_command(lines: Lines, variable: str) -> bool:
    """Whether a command takes an image by a variable that is all of the name: `docker pull $SRC:$TAG`."""
    if not re.fullmatch(r"[A-Za-z_]\w*", variable) or not _MAY_BE_PULLED.search(lines.text):
        return False
    uses = re.finditer(rf"\$\{{?{variable}\b|\{{\{{[ \t]*{variable}\b", lines.text)
    return any(_PULLED.search(lines.before(it.start())) for it in uses)


def in_image_key(owners: list[str]) -> bool:
    """Whether one of these keys is one of images."""
    return any(_IMAGE_KEY.search(it) and not _NOT_IMAGE_KEY.search(it) for it in owners)


def is_host(host: str) -> bool:
    """Whether what stands before a name is the host of a registry, alone."""
    return "/" not in host and names_host(f"{host}/x")
