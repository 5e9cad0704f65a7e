# SPDX-License-Identifier: Apache-2.0
"""Tells rules about a name from uses of it: policies, Renovate's rules, mirrors, searches, and what sed replaces."""

from __future__ import annotations

import re
from functools import lru_cache

from harness.audit.owners import Lines, indent
from harness.audit.tested import is_case

_KEYS = re.compile(
    r"(?:match|exclude)(?:Package|Dep|Source)\w*|packageNames|packagePatterns|matchStrings|sourceUrl\w*"
    r"|allowed\w*|denied\w*|deny\w*|block\w*|forbidden\w*|disallowed\w*|ignore\w*|exempt\w*|dependency-name|mirrors"
    r"|transports|prefix|glob|imageReferences|registryScopes|patterns?|reject\w*|(?:deprecated|banned|obsolete|retired)\w*"
    r"|\w*(?:allow|white|block|deny|black)_?list\w*|(?:old|former)_?(?:image|name|registry)?s?|condition"
    r"|match(?:_phrase\w*)?|terms?|wildcard|query_string|regexp|error_?message|message_?On_?Failure",
    re.I,
)
_REGISTRIES_CONF = re.compile(r"^[ \t]*\[\[registry(?:\.mirror)?\]\]", re.M)
_SOURCE = re.compile(r"^[ \t]*(?:-\s+)?(?:mirrors|mirrorSourcePolicy)\s*:", re.M)
GROUPS = (
    "kyverno.io",
    "policies.kyverno.io",
    "constraints.gatekeeper.sh",
    "templates.gatekeeper.sh",
    "policy.sigstore.dev",
    "policies.kubewarden.io",
)
"""API groups whose objects are rules about images."""
KINDS = re.compile(
    r"ImageContentSourcePolicy|Image(?:Digest|Tag)MirrorSet|ImageContentPolicy|K8s\w*(?:Repos|Images?|Registr\w+)|(?:Validating|Mutating)AdmissionPolicy"
)
"""Kinds of other groups that are."""
_KINDS = re.compile(
    rf"^[ \t]*[\"']?apiVersion[\"']?\s*:\s*[\"']?(?:{'|'.join(map(re.escape, GROUPS))})/"
    rf"|(?:^[ \t]*(?:-[ ])?|[{{,][ \t]*)[\"']?kind[\"']?\s*:\s*[\"']?(?:{KINDS.pattern})\b",
    re.M,
)
_ON_THE_LINE = re.compile(
    r"\b(?:(?:\w*_?not_?)?contains|\w*not_?(?:equal|in|contain|match|be|have|include)\w*|starts_?with|ends_?with|has_?prefix|has_?suffix"
    r"|matches|replace(?:_?all)?|sub|test)\s*\(\(?[^()]*$"
    r"|\bnot(?:_to\b|\.)[\w.\s]*\(?\s*[\"'`]$"
    r"|\b(?:sed|perl)\b.*[\"'\s]s(?P<mark>[#|,/@!~{])(?:(?!(?P=mark)).)*$"
    r"|\baz\s+acr\s[^|;&]*\s(?:--image|-t|--repository)[= ][\"']?$"
    r"|\b(?:e?grep|rg|ag|ack|git\s+grep)\s[^|;&]*$"
    r"|\b(?:(?:failed|unable|could not) (?:to )?(?:pull|resolve|fetch|solve|find|load|inspect)"
    r"|back-?off pulling|manifest for|ErrImagePull|ImagePullBackOff|pull access denied)\b[^|;&]*$"
    r"|(?:!=|==|=~|!~|\|=|\|~|\bnot\s+in|\bcase)\s*[\\\"'(\[`]*$"
    # What a shell cuts off a value, or replaces in it.
    r"|\$\{\w+(?:\[[^\]]*\])?(?:##?|%%?|//?)[^{}]*$"
    # What is taken away from a node, as one text or as words of a list.
    r"|\b(?:docker|podman|nerdctl|crictl|ctr|minikube)\b(?:[^|;&]*\W)?"
    r"(?:rmi|(?:images?|i)\W+(?:rm|remove|delete|del))\b[^|;&]*$"
    # What is only looked for among what a node has.
    r"|\b(?:docker|podman|nerdctl|crictl|ctr)\b(?:\s+-\S+(?:\s+[\w.]+)?)*\s+"
    r"(?:(?:images(?!\s+\w+\s)|inspecti|history|ps|image\s+(?:inspect|history|exists))\b|(?:images?|i)\s+(?:ls|list|check)\b)[^|;&]*$"
    # Of Prometheus, and of databases.
    r"|\b(?-i:[a-z]+_\w+)\{[^{}]*\w=[\\]?[\"'`]$"
    r"|\bwhere\s[^;]*(?:=|<>|\blike|\bin\s*\([^()]*|\b(?:contains|has|startswith|endswith|matches|regexp?)\w*)\s*[\"']$",
    re.I,
)
_OF_CTR = r"[ \t]+(?:-\S+(?:[ \t]+k8s\.io)?|images?|i)"
_TO_TAG = rf"(?:docker|podman|nerdctl|buildah|ctr)(?:{_OF_CTR})*[ \t]+tag[ \t]+(?:-\S+[ \t]+)*"
_MADE = re.compile(
    r"\b(?:docker|podman|nerdctl|buildah)\s[^|;&]*\b(?:build|bud)\b[^|;&]*\s(?:-t|--tag)[= ][\"']?$"
    r"|\b(?:docker_build|docker_build_with_restart|custom_build)\(\s*(?:ref\s*=\s*)?[\"']$"
    r"|^\s*SAVE\s+IMAGE\b[^|;&]*$"
    rf"|\b{_TO_TAG}[^\s|;&-]\S*\s+[\"']?$"
    r"|\bskopeo\s+copy\s[^|;&]*?\b[a-z-]+:\S+\s+[\"']?(?:docker-daemon|containers-storage):$"
)
"""What names an image that is built, or gives one another name: of Docker and its like, of Tilt and of Earthly.
Skaffold's are below `artifacts`."""
_BUILT = re.compile(
    r"\b(?:docker|podman|nerdctl|buildah)(?:\s+[\w./=-]+){0,3}?\s+(?:build|bud)\b(?:[^|;&\n]|\\\n){0,200}?"
    r"\s(?:-t|--tag)[= ][\"']?(?P<name>[^\s\"']+)"
)
_TAGGED = re.compile(rf"\b{_TO_TAG}[\"']?[^\s\"'-][^\s\"']*[\"']?[ \t]+[\"']?(?P<name>[^\s\"';&|]+)")
_OF_BUILDS = re.compile(
    r"\btags[\"']?[ \t]*[:=][ \t]*(?![ \t]*[\w.]+\()"
    r"(?:\[|\|[-+]?[ \t]*\n[ \t]*)?(?P<names>[^\]\n]{0,500}/[^\]\n]{0,500})"
)
"""`tags` of Bake and of actions that build."""
_ABSENT = re.compile(
    r"(?:^|[\s,{])[\"']?(?:(?:(?:release_)?state[\"']?[ \t]*[:=]|ensure[ \t]*=>)[ \t]*[\"']?(?:absent|deleted)\b"
    r"|installed[\"']?[ \t]*:[ \t]*false\b)"
)
"""What Ansible, Puppet and helmfile take away; in Salt, the state is called so."""
_WORD = re.compile(r"[^\s\"',]+")
_VARIABLE = re.compile(r"\$[({]?(\w+)[)}]?")
_IMAGE_AFTER = re.compile(r"=[\w${}.-]+(?:[:/@][\w${}.-]+)+")
_ASKED = re.compile(r"[\"'][ \t]+(?:not[ \t]+)?in[ \t]")
_FAILED = re.compile(
    r"[\"'`]?:[ \t]*(?:not found|manifest unknown|pull access denied|denied|unauthorized)\b"
    r"|[\"'`]{0,2}[ \t]+(?:(?:always |now |then )?fail(?:s|ed)?\b|(?:was |is )?not found\b"
    r"|(?:does not|doesn[’']t|never|not) exist"
    r"|\(?v?\d+(?:\.[\dx]+)*[ \t]+(?:and|or)[ \t]+(?:older|earlier|below|before)\b"
    r"|(?:can(?:not|[’']t)|could not) be (?:pulled|found)|(?:is|was) not (?:there|available|published))",
    re.I,
)
# `{image="a/b"} |= "error"` of Loki, whose selectors have no name.
_SELECTED = re.compile(r"\{[^{}\n]{0,300}\w=[\"']$")
_SELECTS = re.compile(r"[\"'][^{}\n]{0,300}\}[ \t]*(?:\|[=~>]?[ \t]*[\"'`\w]|\[\d)")
# `tags = client.list("a/b")`: what a function gets is no value of the key.
_ARGUMENT = re.compile(r"\w\([ \t]*[\"'`]$")
_PYGREP = re.compile(r"^[ \t]*(?:-\s+)?language\s*:\s*[\"']?pygrep\b", re.M)
_ALERT = re.compile(r"\s*(?:-\s+)?alert:\s")
_IF = re.compile(r"\b(?:if|when|unless|in case|should)\b", re.I)
_FILES = re.compile(r"\.rego$|(?:^|/)\.(?:trivyignore|grype|snyk)[\w.]*$|vex(?:\.[\w-]+)*\.json$", re.I)
"""Policies, and what scanners leave out of what they have found."""
_CONTINUES = ("\\", " `")
"""How a line ends that goes on in the next one: of shells, and of PowerShell."""
_MOST_LINES = 20
_MOST_LETTERS = 500
_FARTHEST = 20_000


class Builds:
    """The images that a text builds or gives another name: by these names, or by the variables that have them."""

    def __init__(self, text: str) -> None:
        found = [it["name"] for it in _BUILT.finditer(text)] if "build" in text or "bud" in text else []
        found += [it["name"] for it in _TAGGED.finditer(text)] if " tag" in text else []
        found += [name for it in _OF_BUILDS.finditer(text) for name in _WORD.findall(it["names"])]
        self._names = frozenset(found)
        self._variables = frozenset(it[1] for name in found if (it := _VARIABLE.fullmatch(name)))

    def has(self, lines: Lines, start: int) -> bool:
        """Whether the name at an offset is one that is built there, and pulled from nowhere."""
        word = _WORD.match(lines.text, start)
        if word and word[0] in self._names:
            return True
        return bool(self._variables) and lines.owners(start)[:1] != [] and lines.owners(start)[0] in self._variables


def is_key_of_rules(key: str) -> bool:
    """Whether what is below a key is what a rule speaks of."""
    return bool(_KEYS.fullmatch(key))


def is_rule(lines: Lines, file: str, start: int, end: int) -> bool:
    """Whether the name between two offsets is what a rule speaks of."""
    text = lines.text
    if _is_of_rules(file) or text[max(0, start - 1) : start] in ("!", "^") or text[end : end + 1] in ("*", "?"):
        return True
    if (
        (_FAILED.match(text, end) and not _IF.search(lines.before(start)))
        or text[end : end + 2] == ":*"
        or _is_member(lines, start, end)
        or _is_left_of_equals(lines, start, end)
    ):
        return True
    if is_case(lines, file, start, end):
        return True
    if is_searched(lines, start) or (_SELECTED.search(lines.before(start)) and _SELECTS.match(text, end)):
        return True
    number, _ = lines.place(start)
    owners = lines.owners(start)
    if _MADE.search(_command_before(lines, start)) or (owners[:1] == ["image"] and "artifacts" in owners[1:4]):
        # What is built here is nobody's to pull.
        return True
    is_tags = owners[:1] == ["tags"] and not _ARGUMENT.search(lines.before(start))
    if is_tags or ("annotations" in owners[:3] and _is_alert(lines, number)):
        # What a build names its image, as Bake and actions take it; and what an alert says.
        return True
    if any(_KEYS.fullmatch(it) or it.endswith(".absent") for it in owners[:4]) or is_absent(lines, start):
        return True
    if owners[:1] == ["source"] and _SOURCE.search("\n".join(lines.all[max(0, number - 8) : number + 8])):
        return True
    if owners[:1] == ["entry"] and _PYGREP.search("\n".join(lines.all[max(0, number - 8) : number + 8])):
        return True
    if owners[:1] == ["location"] and _REGISTRIES_CONF.search("\n".join(lines.all[max(0, number - 8) : number])):
        return True
    return _in_policy(lines, start)


@lru_cache(maxsize=2)
def _is_of_rules(file: str) -> bool:
    return bool(_FILES.search(file))


def _is_member(lines: Lines, start: int, end: int) -> bool:
    """Whether a name is looked for in something: `"…" in images`, but not `let image = "…" in` of Nix and Dhall."""
    return bool(_ASKED.match(lines.text, end)) and not re.search(r"\blet\b", lines.before(start))


def is_searched(lines: Lines, start: int) -> bool:
    """Whether a command or an expression looks for what is at an offset, or replaces it."""
    return bool(_ON_THE_LINE.search(_command_before(lines, start)))


def _command_before(lines: Lines, offset: int) -> str:
    """What stands before an offset on its line, with the lines that it continues."""
    number, _ = lines.place(offset)
    first = number
    while first > max(1, number - _MOST_LINES) and lines.all[first - 2].rstrip().endswith(_CONTINUES):
        first -= 1
    return " ".join([*(line[:_MOST_LETTERS] for line in lines.all[first - 1 : number - 1]), lines.before(offset)])


def _is_alert(lines: Lines, number: int) -> bool:
    """Whether a line is of a rule of Prometheus or Loki."""
    return any(_ALERT.match(line) for line in lines.all[max(0, number - _MOST_LINES) : number + _MOST_LINES])


def is_absent(lines: Lines, offset: int) -> bool:
    """Whether the mapping that a place is in says that it is to be taken away."""
    number, _ = lines.place(offset)
    first = last = number
    line = lines.all[number - 1]
    if line.count("{") > line.count("}") and number < len(lines.all):
        # What Puppet names before its attributes.
        first = last = number + 1
    if lines.is_long(first):
        return False
    own = _depth(lines.all[first - 1])
    upper, lower = max(1, first - _MOST_LINES), min(len(lines.all), last + _MOST_LINES)
    while first > upper and not _is_item(lines.all[first - 1]) and _depth(lines.all[first - 2]) >= own:
        first -= 1
    while last < lower and _depth(lines.all[last]) >= own and not _is_item(lines.all[last]):
        last += 1
    return any(_ABSENT.search(line) and _depth(line) == own for line in lines.all[first - 1 : last])


def _depth(line: str) -> int:
    """The column of a line's first word, behind the marks of lists; -1 for an empty one."""
    return len(line) - len(line.lstrip(" -")) if line.strip() else -1


def _is_item(line: str) -> bool:
    return line.lstrip().startswith("- ")


def _is_left_of_equals(lines: Lines, start: int, end: int) -> bool:
    """`OLD=NEW` of Kustomize and its like: the old name is what is replaced. With a tag it is the source of a copy."""
    text = lines.text
    name = text[start:end].rpartition("/")[2]
    return bool(_IMAGE_AFTER.match(text, end)) and ":" not in name and "@" not in name


def _in_policy(lines: Lines, offset: int) -> bool:
    """Whether the document around an offset is a policy, or an item of a list that it is in."""
    text = lines.text
    policies = _policies(text)
    if not policies:
        return False
    first, last = text.rfind("\n---", 0, offset), text.find("\n---", offset)
    begin, end = max(first, offset - _FARTHEST, 0), min(last if last >= 0 else len(text), offset + _FARTHEST)
    return any(begin <= it < end and _is_around(lines, it, offset) for it in policies)


def _is_around(lines: Lines, kind: int, offset: int) -> bool:
    """Whether no other item begins between the kind of an object and an offset, where the object is one of several."""
    number, _ = lines.place(kind)
    line = lines.all[number - 1]
    own = indent(line) if _is_item(line) else _depth(line) - 2
    if own < 0:
        return True
    first, last = sorted((number, lines.place(offset)[0]))
    return all(indent(it) > own or not it.strip() for it in lines.all[first:last])


@lru_cache(maxsize=2)
def _policies(text: str) -> tuple[int, ...]:
    """Where a text says that an object is a policy."""
    return tuple(it.end() - 1 for it in _KINDS.finditer(text))
