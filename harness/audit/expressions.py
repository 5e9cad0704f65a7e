# SPDX-License-Identifier: Apache-2.0
"""Templates and variables in text: what they are, what their defaults are, and what the same file says of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from harness.images.references import DOCKER_HUB

EXPRESSION = (
    r"(?:\$\{\{.{0,120}?\}\}|\{\{.{0,120}?\}\}|\$\{[^{}\n]*\}|\$\([^()\n]*\)|#\{[^{}\n]*\}#|\{[A-Za-z_][\w.-]*(?:\([^(){}\n]*\))?\}"
    r"|\$[A-Za-z_]\w*|%[A-Za-z_]\w*%|\\\([A-Za-z_][\w.]*\)"
    r"|<[A-Za-z][\w .-]*>(?=[/:.@\s\"'`]|$)|__[A-Z][A-Z_]*?__|ENC\[[^\]\n]*\])"
)
"""One of them: of GitHub Actions, Helm, Jinja, shells, Make, Terraform, Tekton, Azure, Python, Windows, CUE, prose,
SOPS."""

_EXPRESSION = re.compile(EXPRESSION)
_MARKS = "\\${}()%#<>@ "
"""What stands around the name in an expression."""
_DEFAULTS = (
    re.compile(r"\$\{\w+:?[-=](?P<value>[^{}]*)\}"),
    re.compile(r"\|\s*default\s*\(?\s*[\"'](?P<value>[^\"']*)[\"']"),
    re.compile(r"\bdefault\s+[\"'](?P<value>[^\"']*)[\"']\s+\S"),
    re.compile(r"(?:\|\||\?\?)\s*[\"'](?P<value>[^\"']*)[\"']"),
    # Of Spring, of Terraform's conditions and functions, and of what reads the environment.
    re.compile(r"\$\{[A-Za-z_][\w.-]*:(?P<value>[A-Za-z][^{}]*)\}"),
    re.compile(r"\?[^?:]*:\s*[\"'](?P<value>[^\"']*)[\"']\s*\}"),
    re.compile(r"\b(?:coalesce|try|lookup|get|getenv|env)\([^()]*,\s*[\"'](?P<value>[^\"']*)[\"']\s*\)"),
)
_HUB_PROXY = re.compile(r"\$\{?CI_DEPENDENCY_PROXY_(?:DIRECT_)?GROUP_IMAGE_PREFIX\}?")
"""What GitLab has before images of Docker Hub, and of no other registry (docs.gitlab.com, Dependency proxy)."""
_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?:(?<=[a-z])\.[A-Za-z_]\w*(?:-\w+)+)?")
"""Only parameters and inputs have hyphens: `params.chart-version`."""
_ASSIGNED = re.compile(
    r"(?:^|[\s;{(,])[\"'$]?(?P<name>[A-Za-z_]\w*)[\"']?[ \t]*"
    r"(?::[ \t]*&?(?:'static[ \t]+)?[A-Za-z][\w.]*[ \t]+=(?=[ \t]*[\"'])|\?=|::?=|=|:|string[ \t]+=(?=[ \t]*[\"']))"
    rf"[ \t]*(?P<quote>\\?[\"']|)(?P<value>{EXPRESSION}|(?!default\b)[A-Za-z0-9][\w./:@-]*)(?P=quote)"
    r"(?=$|[\s;,)}\]]|\\n)"
    r"(?![ \t]*(?:\|\||\?\?|or[ \t]))",
    re.M,
)
# `registry = process.env.REGISTRY || "docker.io"`, `registry = os.getenv("REGISTRY", "docker.io")`, and Rust's
# `let registry = env::var("REGISTRY").unwrap_or_else(|_| "docker.io".to_string())`
_WITH_DEFAULT = re.compile(
    r"\b(?P<name>[A-Za-z_]\w*)[ \t]*:?=[ \t]*[\w.:]+(?:\[[^\]\n]*\]|\([^()\n]*\))?(?:\.\w+\([^()\n]*\)){0,3}"
    r"(?:[ \t]*(?:\|\||\?\?|\?:|\bor\b)[ \t]*"
    r"|\s*\.(?:unwrap_or\w*|or_?[eE]lse\w*|getOrElse)\(\s*(?:\|_?\w*\|\s*|(?:\(\)|\w+)\s*->\s*)?"
    r"|\([ \t]*[\"']\w+[\"'][ \t]*,[ \t]*)[\"'](?P<value>[\w./:@-]+)[\"']"
)
_TERRAFORM = re.compile(r"variable\s+\"(?P<name>\w+)\"\s*\{[^{}]*?\bdefault\s*=\s*\"(?P<value>[^\"]*)\"")
# `:operator-version: 2.5.2` of AsciiDoc, which `{operator-version}` stands for
_ATTRIBUTE = re.compile(r"^:(?P<name>[A-Za-z_][\w-]*):[ \t]+(?P<value>[\w./:@-]+)[ \t]*$", re.M)
# `Registry: {Type: String, Default: docker.io}` of parameters and inputs, in one line or several
_PARAMETER = re.compile(
    r"^(?P<indent>[ \t]*)(?P<name>[A-Za-z_][\w-]*):[ \t]*\n(?P<inner>(?P=indent)[ \t]+)(?=\S)"
    r"(?:(?![Dd]efault\b)[^\n]*\n(?P=inner)(?=\S)){0,8}[Dd]efault:[ \t]*[\"']?"
    r"(?P<value>[A-Za-z0-9][\w./:@-]*)[\"']?[ \t]*$",
    re.M,
)
_PARAMETER_INLINE = re.compile(
    r"(?:^|[\s,{])[\"']?(?P<name>[A-Za-z_]\w*)[\"']?:[ \t]*\{[^{}\n]*?[\"']?[Dd]efault(?:Value)?[\"']?:[ \t]*"
    r"[\"']?(?P<value>[A-Za-z0-9][\w./:@-]*)"
)
# `- name: version` with `default: 2.1.1` or `value: 2.1.1`: Tekton, Argo Workflows, OpenShift, Azure, containers
_LISTED = re.compile(
    r"^(?P<indent>[ \t]*)-[ \t]+name:[ \t]*(?P<name>[A-Za-z_][\w-]*)[ \t]*\n"
    r"(?:(?P=indent)[ \t]+(?!default:|value:)[\w-]+:[^\n]*\n){0,6}"
    r"(?P=indent)[ \t]+(?:default|value):[ \t]*[\"']?(?P<value>[A-Za-z0-9][\w./:@-]*)[\"']?[ \t]*$",
    re.M,
)
# `set -x REGISTRY docker.io`, `setenv REGISTRY docker.io`, `ENV REGISTRY docker.io`
_SET = re.compile(
    r"^[ \t]*(?:set(?:[ \t]+-\w+)+|setenv|ENV)[ \t]+(?P<name>[A-Za-z_]\w*)[ \t]+"
    r"[\"']?(?P<value>[\w./:@-]+)[\"']?[ \t]*$",
    re.M,
)
_TEMPLATE = re.compile(r"\$(?P<name>\w+)\s*:=[^{}\n]{0,120}?\bdefault\s+\"(?P<value>[^\"\n]*)\"")
_KNOWING = (_ASSIGNED, _WITH_DEFAULT, _TERRAFORM, _TEMPLATE, _ATTRIBUTE, _PARAMETER, _PARAMETER_INLINE, _LISTED, _SET)
_LITERAL = re.compile(r"[\w./:@-]+")
_SCOPES = ("", "var", "local", "env", "inputs", "params", "parameters")
_DEEPEST = 4
_FARTHEST = 300
_COMMENT = re.compile(r"(?<!\S)(?:#+|//+)\s")


def is_known(text: str) -> bool:
    """Whether a text has no template or variable in it."""
    return not _EXPRESSION.search(text)


def literal_in(text: str, values: Iterable[str]) -> tuple[int, int] | None:
    """Where one of some values is written in a template as its default, and nowhere else; None if it is not."""
    for pattern in _DEFAULTS:
        match = pattern.search(text)
        if match and match["value"] in values and text.count(match["value"]) == 1:
            return match.span("value")
    return None


def named_by(text: str) -> str:
    """The name of the variable that a text is, without what it is of; empty for any other text."""
    if not _EXPRESSION.fullmatch(text):
        return ""
    name = _NAME.fullmatch(text.strip(_MARKS).removeprefix("."))
    return name[0].rpartition(".")[2] if name else ""


class Variables:
    """What a file assigns to names. A name that gets two different values has none that is known."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._values: dict[str, set[str]] | None = None

    def filled(self, text: str) -> str:
        """A text with its templates and variables replaced by what is known of them; the others stay."""
        return _replaced(text, self._value, _DEEPEST)

    def anchored(self, name: str) -> str:
        """What an alias of YAML stands for; an expression that nobody can fill in where the text does not say it."""
        values = set(re.findall(rf"&{re.escape(name)}[ \t]+[\"']?([\w./:@-]+)", self._text))
        return values.pop() if len(values) == 1 else "${_}"

    def _value(self, expression: str) -> str | None:
        default = _default(expression)
        if default is not None:
            return default
        inner = expression.strip(_MARKS)
        is_attribute = expression.startswith("{") and not _NAME.fullmatch(inner.removeprefix("."))
        values = self._known().get(inner if is_attribute else _of_this_text(expression), set())
        return next(iter(values)) if len(values) == 1 else None

    def _known(self) -> dict[str, set[str]]:
        if self._values is None:
            self._values = {}
            in_comments: dict[str, set[str]] = {}
            for pattern in _KNOWING:
                for match in pattern.finditer(self._text):
                    name, value = match["name"], match["value"]
                    # What hands a parameter on under its own name says nothing of it.
                    if value not in (f"var.{name}", f"local.{name}") and _of_this_text(value) != name:
                        known = in_comments if self._is_in_comment(match.start("name")) else self._values
                        known.setdefault(name, set()).add(value)
            # A comment counts where nothing else does.
            self._values = in_comments | self._values
            for match in re.finditer(r"\bfor\s+(\w+)\s+in\b", self._text):
                self._values.setdefault(match[1], set()).update(("", "a loop's"))
        return self._values

    def _is_in_comment(self, offset: int) -> bool:
        first = max(self._text.rfind("\n", 0, offset) + 1, offset - _FARTHEST)
        return bool(_COMMENT.search(self._text, first, offset))


def _of_this_text(expression: str) -> str:
    """The name of the variable that an expression is, where the same text may say what that is; empty otherwise.

    One of another file, as in `.Values.image.tag`, may have a name of this one.
    """
    name = _NAME.fullmatch(expression.strip(_MARKS).removeprefix("."))
    if not name or expression.startswith(("<", "ENC[")) or expression == name[0]:
        return ""
    scope, _, last = name[0].rpartition(".")
    return last if scope.rpartition(".")[2] in _SCOPES else ""


def _replaced(text: str, value: Callable[[str], str | None], depth: int) -> str:
    def one(match: re.Match[str]) -> str:
        found = value(match[0])
        if found is None or (not _LITERAL.fullmatch(found) and is_known(found)):
            return match[0]
        return found if depth == 0 or is_known(found) else _replaced(found, value, depth - 1)

    return _EXPRESSION.sub(one, text)


def _default(expression: str) -> str | None:
    if _HUB_PROXY.fullmatch(expression):
        return DOCKER_HUB
    for pattern in _DEFAULTS:
        match = pattern.search(expression)
        if match:
            return match["value"]
    return None
