# SPDX-License-Identifier: Apache-2.0
"""Passwords of any characters, as the writers of each notation quote them: nothing of them gets through."""

from __future__ import annotations

import base64
import html
import json
import shlex
from collections.abc import Callable
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

import pytest
import yaml

from harness.redaction.redactor import Redactor

# Each has 77 in its parts that would say something.
_PASSWORDS = (
    *("x9yz!Kq77", 'p@ss"wrd77', "it's77secret", "a$bb&cc77", "xx;yy77;zz", "100%#!ab77", "abcd77=="),
    *("back\\slash77", "zürich77öl", "{brace77}", "[brak77]x", "a,b77,c", "#hash77x", "tick`77`x", "pipe|77|x"),
    *("<lt77>x", "colon:77:x", "eq=77=xx", "~tilde77", "!bang77x", "*star77x", "&amp77x", "@at77xx", "a/b/c77"),
    *("q?77?x", "x'\"both77", "(paren77)", "%41bc77", 'ends77"', "ends77'", "http://x77y", 'back\\"q77z', "$Ecret77"),
)


def _in_go(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _command(*words: str) -> str:
    return shlex.join(["helm", *words, "kept"])


_WRITTEN: dict[str, Callable[[str], str]] = {
    "JSON": lambda it: json.dumps({"password": it, "z": "kept"}),
    "JSON of Go": lambda it: f'{{"password":{_in_go(it)},"z":"kept"}}',
    "JSON in a line": lambda it: "log " + json.dumps({"password": it, "z": "kept"}) + " end",
    "JSON in JSON": lambda it: "log " + json.dumps({"m": json.dumps({"password": it, "z": "kept"})}),
    "JSON cut off": lambda it: '{"a":[{"password":' + json.dumps(it) + ',"z":"kept"',
    "YAML": lambda it: yaml.safe_dump({"a": {"password": it, "z": "kept"}}),
    "YAML in one line": lambda it: yaml.safe_dump({"a": {"password": it, "z": "kept"}}, default_flow_style=True),
    "YAML in YAML": lambda it: yaml.safe_dump({"data": {"x": yaml.safe_dump({"password": it, "z": "kept"})}}),
    "variable": lambda it: yaml.safe_dump([{"name": "DB_PASSWORD", "value": it}, {"name": "A", "value": "kept"}]),
    "argument": lambda it: json.dumps({"args": ["--password=" + it, "kept"]}),
    "arguments": lambda it: yaml.safe_dump({"args": ["--password", it, "--z", "kept"]}),
    "property as an argument": lambda it: "x\t" + json.dumps({"a": ["--conf", "fs.s3a.secret.key=" + it, "kept"]}),
    "option": lambda it: _command("--password", it),
    "option with its value": lambda it: _command("--password=" + it),
    "--set": lambda it: _command("--set-string", "db.password=" + it),
    "--from-literal": lambda it: shlex.join(
        ["kubectl", "create", "secret", "generic", "kept", "--from-literal=a=" + it]
    ),
    "login": lambda it: shlex.join(["docker", "login", "-u", "kept", "-p", it, "ghcr.io"]),
    "curl": lambda it: shlex.join(["curl", "-u", "kept:" + it, "https://kept"]),
    "variable of a shell": lambda it: f"export DB_PASSWORD={shlex.quote(it)}\nkept",
    "list of Python": lambda it: "+ " + repr(["helm", "--password", it, "--token=" + it, "kept"]),
    "pairs of Python": lambda it: "conf " + repr([("fs.s3a.secret.key", it), ("spark.app.name", "kept")]),
    "properties": lambda it: f"a kept\nspark.hadoop.fs.s3a.secret.key {it}\nz kept".replace("\\", "\\\\"),
    "environment": lambda it: f"HOME=/root\nDB_PASSWORD={it}\nPATH=/kept",
    "ConfigMap described": lambda it: f"Data\n====\npassword:\n----\n{it}\n\nzz:\n----\nkept\n",
    "address": lambda it: f"pull https://user:{quote(it, safe='')}@kept.example.com/v2/ x",
    "query": lambda it: "GET /x?" + urlencode({"a": "kept", "access_token": it, "z": "kept"}),
    "XML": lambda it: f"<property><name>fs.s3a.secret.key</name><value>{escape(it)}</value></property> kept",
    "HTML": lambda it: f"<pre>{html.escape(json.dumps({'password': it, 'z': 'kept'}))}</pre>",
    "JDBC": lambda it: f"jdbc:sqlserver://h:1433;user=kept;password={{{it.replace('}', '}}')}}};encrypt=true",
    "Go's %+v": lambda it: f"{{Name:DB_PASSWORD Value:{it} ValueFrom:nil}} kept",
    "SQL": lambda it: "ALTER USER kept IDENTIFIED BY '" + it.replace("'", "''") + "'",
}


@pytest.mark.parametrize("written", _WRITTEN)
def test_nothing_of_a_password_gets_through_whatever_its_characters(written: str) -> None:
    leaks = []
    for password in _PASSWORDS:
        text = _WRITTEN[written](password) + "\n"
        redacted = Redactor().text(text)
        encoded = base64.b64encode(password.encode()).decode()
        if "77" in redacted or encoded in redacted or redacted.count("kept") < text.count("kept"):
            leaks.append(f"{text!r} became {redacted!r}")
    assert leaks == []
