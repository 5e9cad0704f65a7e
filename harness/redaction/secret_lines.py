# SPDX-License-Identifier: Apache-2.0
"""Finds secrets in lines: those in one line, and those whose name and value are in lines next to each other."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.redaction import secret_below, secret_code, secret_commands, secret_tables
from harness.redaction.secret_blocks import leads
from harness.redaction.secret_mentions import worth_a_look
from harness.redaction.secret_names import MASK, is_harmless, is_secret
from harness.redaction.secret_prose import STATUS
from harness.redaction.secret_text import inline
from harness.redaction.secret_values import QUOTE, value_at

_FIELD = re.compile(
    r"""(?x)^(?P<lead>\s*(?:-\s+)*(?:\?\s+)?(?:(?:export|declare\s+-x|local|readonly|set|SET)\s+)?)
    (?P<quote>["']?)(?P<key>[A-Za-z_.$-](?:[\w./$-]*\w)?|\.\w+)(?P=quote)
    (?P<sep>(?P<blank>\s*)(?:=(?!=)|:=|::?(?=\s|$))[ \t]*)(?P<rest>.*)$"""
)
_FLAG_ALONE = re.compile(
    rf"""^(?:\s*(?:-\s+)?{QUOTE}?|(?=.*\\\s*$).*\s)--?(?P<key>[A-Za-z](?:[\w.-]*\w)?){QUOTE}?\s*+(?:[,\\]\s*+)?$"""
)
# `('password',` of Python, and the strings below it
_TUPLE_NAME = re.compile(r"""^.*\(['"](?P<key>[\w./-]+)['"],\s*$""")
_STRING = re.compile(
    r"""^(?P<head>\s*[bru]?(?P<quote>['"]))(?P<value>(?>(?:\\.|(?!(?P=quote)).)+))(?P=quote)(?P<tail>[,)\]}]*)\s*$"""
)
# One of several of a mapping
_PYTHON_STRING = re.compile(r"""[bru]{1,2}(["'])(?>(?:\\.|(?!\1).)*)\1\s*,\s*["']""")
# What pydantic says of a field
_NAME_ALONE = re.compile(r"^(?P<key>[A-Za-z_][\w.]*)$")
_INPUT = re.compile(r"\[type=\w+, input_value=")
_VARIABLE = re.compile(r"[A-Za-z_][\w.]*=")
# With blanks behind its colon, as `kubectl describe` aligns values: no sentence
_VARIABLE_NAME = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
# .netrc, whose entries may be in a line each
_OF_NETRC = re.compile(r"\s*(?:machine|login|account)\s+\S+\s*$|\s*default\s*$")
_PASSWORD_OF_NETRC = re.compile(r"^(?P<lead>password[ \t]+)(?P<value>\S+)(?P<tail>\s*)$")
_ITEM = re.compile(r"""^(?P<head>\s*(?:-\s+)?["']?)(?P<value>[^\s"'-][^"']*?)(?P<tail>["']?\s*[,\\]?\s*)$""")
_NAME_LINE = re.compile(
    r"""(?i)^\s*(?:-\s+)?["']?(?:name|key|property)["']?\s*[:=|│]\s*["']?(?P<key>[\w.-]+)["']?,?\s*$"""
)
_VALUE_LINE = re.compile(r"""(?i)^\s*(?:-\s+)?["']?value["']?\s*[:=|│]\s*(?P<rest>\S.*)$""")
_BLOCK = re.compile(r"(?:[!&]\S+\s+)*[|>][+-]?\d?[+-]?\s*(?:\#.*)?$")
_LOGFMT = re.compile(r"[\s&;][\w.-]+=|\s(?:&&|\|\||--?\w)")
_COMMAND = re.compile(r"\s(?:\./|/)?\w[\w./-]*\s")
_OTHER_FIELD = re.compile(r",\s[\w.-]+: ")
# Labels of a metric, such as `secret`, are names.
_METRIC = re.compile(r"""[a-zA-Z_:][\w:]*\{(?:\w+="(?:\\.|[^"\\])*",?)*\} \S+(?: \d+)?\s*$""")
_MEMBER = re.compile(r"""^\s*(?:-\s+)?["']?[\w./$-]+["']?\s*[:=](?:\s|$)""")
_LONG = re.compile(r"^(\s*)[\w+/=-]{20,}(?=\s*$)")
_KEY_OF = re.compile(r"(?i)\b(?:api|access|certificate|encryption|private|secret|shared|signing) key:\s*$")
# Text that ends with a line of this word: in HCL and in shells.
_HEREDOC = re.compile(r"""<<[-~]?\s*["']?(\w+)["']?\s*$""")
# What the structure of YAML has given away already: no rule changes it, nor what is near it.
_MASKED = re.compile(r"\s*(?:- +)*[\w.-]+: \"\*\*\*\"\r?\n?\Z")
_NEAR = 4
_MAX_QUOTED_LINES = 60


def redact(text: str) -> str:
    """The text without the secrets that a name gives away."""
    lines = text.splitlines(keepends=True)
    numbers = worth_a_look(lines)
    if not numbers:
        return text
    times = leads(lines)
    lines = [line[len(time) :] for time, line in zip(times, lines, strict=True)]
    # Nothing is worth a look in what is left of a line that was not worth one as a whole.
    telling = worth_a_look([lines[number] for number in numbers])
    for number in (numbers[at] for at in telling):
        if not _MASKED.match(lines[number]):
            secret_tables.redact(lines, number)
            secret_below.redact(lines, number)
            _Line(lines, number).redact()
    return "".join(time + line for time, line in zip(times, lines, strict=True) if line)


class _Line:
    """One line among others, which are changed with it."""

    def __init__(self, lines: list[str], number: int) -> None:
        self._lines = lines
        self._number = number
        self._body, self._end = _split(lines[number])

    def redact(self) -> None:
        """Mask what is in this line, and in the lines near it that it says something of."""
        if not self._body or _METRIC.match(self._body):
            return
        field = _FIELD.match(self._body)
        if field and is_secret(field["key"]) and (self._is_name(field["key"]) or self._field(field)):
            return
        self._neighbours()
        made = inline(self._body)
        self._lines[self._number] = made + self._end
        if made != self._body and made.endswith((f"{MASK}'", f'{MASK}"')):
            self._join(made)

    def _is_name(self, key: str) -> bool:
        """Whether this is `secretKey` of an ExternalSecret, which is the name of a key."""
        near = self._lines[max(self._number - 2 * _NEAR, 0) : self._number + 2]
        return key == "secretKey" and any("remoteRef:" in it for it in near)

    def _field(self, field: re.Match[str]) -> bool:
        """A field that is alone in its line; false when another rule is to look at it."""
        rest, key = field["rest"].strip(), field["key"]
        column = len(field["lead"])
        is_colon = ":" in field["sep"]
        if not rest:
            return is_colon and self._mask_nested(column)
        if _BLOCK.match(rest) and is_colon:
            self._drop_deeper(column)
            return self._write(field, '"', rest)
        heredoc = _HEREDOC.match(rest)
        if heredoc and not is_colon:
            return self._text_until(re.compile(rf"\s*{re.escape(heredoc[1])}\s*$"), field, rest)
        if rest[:3] in ('"""', "'''") and rest[:3] not in rest[3:]:
            return self._text_until(re.compile(rf".*{rest[:3]}"), field, rest)
        if rest[0] in "\"'":
            return self._quoted(field, rest)
        if rest[0] in "[{" or _PYTHON_STRING.match(rest) or secret_code.is_read(rest):
            return False
        bare = rest.partition(" #")[0].rstrip(",")
        if is_harmless(rest, key) or is_harmless(bare, key):
            return True
        if secret_code.is_name(self._body, key, field.start("rest"), field.start("rest") + len(bare)):
            return True
        is_aligned = "  " in field["sep"] and _VARIABLE_NAME.fullmatch(key)
        if is_colon and (_OTHER_FIELD.search(rest) or (STATUS.match(rest) and " " in rest and not is_aligned)):
            return False
        if not is_colon and not self._is_whole(field, rest) and not self._is_among_variables(field):
            return False
        if rest.endswith("\\"):
            self._drop_continued()
        elif is_colon:
            self._drop_deeper(column, only_text=True)
        return self._write(field, '"' if is_colon else "", rest)

    @staticmethod
    def _is_whole(field: re.Match[str], rest: str) -> bool:
        """Whether the rest of the line is the value: in a file of properties, and not in a command or a log."""
        if _LOGFMT.search(rest):
            return False
        # An item of a list, such as compose's variables, and what cmd.exe sets, go on to the end of the line, too.
        is_line = bool(field["blank"]) or field["lead"].strip() in ("set", "SET", "-")
        return " " not in rest or is_line or ("." in field["key"] and not _COMMAND.search(rest))

    def _is_among_variables(self, field: re.Match[str]) -> bool:
        """Whether the lines before and after are variables too: in what `env` prints, a value may have blanks."""
        before = self._lines[max(self._number - 2, 0) : self._number]
        after = self._lines[self._number + 1 : self._number + 3]
        # At an end of the text, two on the one side.
        beside = [*before[-1:], *after[:1]] if before and after else [*before, *after]
        return not field["lead"] and len(beside) == 2 and all(map(_VARIABLE.match, beside))

    def _write(self, field: re.Match[str], quote: str, rest: str) -> bool:
        comma = "," if rest.endswith(",") and field["quote"] else ""
        self._lines[self._number] = f"{self._body[: field.start('rest')]}{quote}{MASK}{quote}{comma}{self._end}"
        return True

    def _quoted(self, field: re.Match[str], rest: str) -> bool:
        """A quoted value over several lines."""
        value = value_at(self._body, field.start("rest"))
        if self._body[value.end : value.end + 1] == rest[0]:
            return False
        for at in range(self._number + 1, min(self._number + _MAX_QUOTED_LINES, len(self._lines))):
            line, _ = _split(self._lines[at])
            if _MEMBER.match(line):
                break
            closed = re.search(rf"(?<!\\){rest[0]}\s*,?\s*$", line)
            self._lines[at] = ""
            if closed:
                break
        return self._write(field, '"', rest)

    def _text_until(self, end: re.Pattern[str], field: re.Match[str], rest: str) -> bool:
        """A value of several lines, the last of which is known by its look."""
        for at in range(self._number + 1, min(self._number + _MAX_QUOTED_LINES, len(self._lines))):
            closed = end.match(_split(self._lines[at])[0])
            self._lines[at] = ""
            if closed:
                break
        return self._write(field, '"', rest)

    def _neighbours(self) -> None:
        flag = _FLAG_ALONE.match(self._body)
        if flag and is_secret(flag["key"]):
            self._mask_item()
        name = _TUPLE_NAME.match(self._body)
        if name and is_secret(name["key"]):
            self._mask_string()
        name = _NAME_ALONE.match(self._body)
        if name and is_secret(name["key"]):
            self._mask_input()
        if self._body.rstrip().endswith("key:"):
            self._mask_long()
        password = _PASSWORD_OF_NETRC.match(self._body)
        if password and any(map(_OF_NETRC.match, self._lines[max(self._number - 2, 0) : self._number])):
            self._body = f"{password['lead']}{MASK}{password['tail']}"
        if secret_commands.reads_secret(self._body):
            self._mask_answer()
        name = _NAME_LINE.match(self._body)
        if name and is_secret(name["key"]):
            self._mask_values(name["key"])

    def _mask_item(self) -> None:
        """The next line, when it is an argument: of `- --password` or `--password \\`."""
        after = self._number + 1
        if after >= len(self._lines):
            return
        line, end = _split(self._lines[after])
        item = _ITEM.match(line)
        if item and not is_harmless(item["value"]) and not _MEMBER.match(line):
            quote = '"' if line.lstrip().startswith("- ") and item["head"][-1] not in "\"'" else ""
            self._lines[after] = f"{item['head']}{quote}{MASK}{quote}{item['tail']}{end}"

    def _mask_string(self) -> None:
        """The string in the next line, and those which Python would join with it."""
        after = self._number + 1
        found = _STRING.match(_split(self._lines[after])[0]) if after < len(self._lines) else None
        if found and not is_harmless(found["value"]):
            end = _split(self._lines[after])[1]
            self._lines[after] = f"{found['head']}{MASK}{found['quote']}{found['tail']}{end}"
            if not found["tail"]:
                _Line(self._lines, after)._join(_split(self._lines[after])[0])

    def _join(self, made: str) -> None:
        """Drop the strings below one that was masked, which Python would join with it."""
        for at in range(self._number + 1, min(self._number + _MAX_QUOTED_LINES, len(self._lines))):
            found = _STRING.match(_split(self._lines[at])[0])
            if not found or not found["head"][0].isspace():
                break
            self._lines[at] = ""
            self._lines[self._number] = made + found["tail"] + self._end
            if found["tail"]:
                break

    def _mask_input(self) -> None:
        """What was given for the field whose name this line is."""
        after = self._number + 1
        found = _INPUT.search(self._lines[after]) if after < len(self._lines) else None
        if found:
            line = self._lines[after]
            value = value_at(line, found.end())
            self._lines[after] = line[: value.start] + MASK + line[value.end :]

    def _mask_answer(self) -> None:
        """What a command reads: from a text below it, or from the `echo` beside it, as `set -x` shows a pipe."""
        heredoc = _HEREDOC.search(self._body)
        if heredoc:
            end = re.compile(rf"\s*{re.escape(heredoc[1])}\s*$")
            for at in range(self._number + 1, min(self._number + _MAX_QUOTED_LINES, len(self._lines))):
                line, line_end = _split(self._lines[at])
                if end.match(line):
                    break
                if not is_harmless(line):
                    self._lines[at] = MASK + line_end
        if not self._body.lstrip().startswith("+"):
            return
        for at in (self._number - 1, self._number + 1):
            if 0 <= at < len(self._lines):
                line, line_end = _split(self._lines[at])
                self._lines[at] = secret_commands.masked(secret_commands.PRINTS, line) + line_end

    def _mask_long(self) -> None:
        """kubeadm's certificate key, which is in the line after its name."""
        after = self._number + 1
        if after < len(self._lines) and _LONG.match(self._lines[after]) and _KEY_OF.search(self._body):
            self._lines[after] = _LONG.sub(rf"\g<1>{MASK}", self._lines[after])

    def _mask_values(self, key: str) -> None:
        """`value:` in the lines next to `name:`, within the same item of a list."""
        begins = self._body.lstrip().startswith("- ")
        for step in (1, -1):
            for at in range(self._number + step, self._number + step * (_NEAR + 1), step):
                if not 0 <= at < len(self._lines) or (step < 0 and begins):
                    break
                line, end = _split(self._lines[at])
                item = line.lstrip().startswith("- ")
                value = _VALUE_LINE.match(line)
                if (item and step > 0) or line.strip() in ("}", "{", "},", "[[env]]"):
                    break
                if value:
                    self._lines[at] = self._value_line(line, value, key, at) + end
                    return
                if item:
                    break

    def _value_line(self, line: str, found: re.Match[str], key: str, at: int) -> str:
        rest = found["rest"]
        if _BLOCK.match(rest):
            _drop(self._lines, at, len(line) - len(line.lstrip(" -")), only_text=False)
            return f'{line[: found.start("rest")]}"{MASK}"'
        value = value_at(line, found.start("rest"))
        if is_harmless(value.text, key):
            return line
        if value.quoted:
            return line[: value.start] + MASK + line[value.end :]
        return f'{line[: found.start("rest")]}"{MASK}"{"," if rest.endswith(",") else ""}'

    def _mask_nested(self, column: int) -> bool:
        """A scalar, or a list of some, in the lines below its key."""
        for at in range(self._number + 1, len(self._lines)):
            line, end = _split(self._lines[at])
            if at == self._number + 1 and set(line.strip()) == {"-"}:
                # `kubectl describe configmap` underlines names.
                column = -1
                continue
            if column < 0:
                if not line.strip():
                    return True
                self._lines[at] = line.replace(line.strip(), f'"{MASK}"') + end
                continue
            item = _ITEM.match(line)
            deeper = len(line) - len(line.lstrip(" ")) > column or line.lstrip().startswith("- ")
            if not item or not deeper or _MEMBER.match(line) or is_harmless(item["value"]):
                return True
            quote = '"' if item["head"][-1:] not in "\"'" or not item["head"] else ""
            self._lines[at] = f"{item['head']}{quote}{MASK}{quote}{item['tail']}{end}"
        return True

    def _drop_deeper(self, column: int, *, only_text: bool = False) -> None:
        _drop(self._lines, self._number, column, only_text=only_text)

    def _drop_continued(self) -> None:
        for at in range(self._number + 1, len(self._lines)):
            more = self._lines[at].rstrip().endswith("\\")
            self._lines[at] = ""
            if not more:
                break


def _drop(lines: list[str], number: int, column: int, *, only_text: bool) -> None:
    """Remove the lines of a value: those further right than its key."""
    for at in _deeper(lines, number, column):
        if only_text and (not lines[at].strip() or _MEMBER.match(lines[at]) or lines[at].lstrip().startswith("- ")):
            break
        lines[at] = ""


def _deeper(lines: list[str], number: int, column: int) -> Iterator[int]:
    for at in range(number + 1, len(lines)):
        line = lines[at]
        if line.strip() and len(line) - len(line.lstrip(" \t")) <= column:
            break
        yield at


def _split(line: str) -> tuple[str, str]:
    body = line.rstrip("\r\n")
    return body, line[len(body) :]
