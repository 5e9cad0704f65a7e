# SPDX-License-Identifier: Apache-2.0
"""What an application's program needs, by what its driver says, and what neither its image nor the operator brings it.

Such things are not in its specification: its program names them. Where the specification has something with which the
operator may be to bring them, nobody can tell whose doing it is that they are lacking.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from harness.apps import own_ends
from harness.kube.needs import fields
from harness.releases.values import mappings

_OF_IMAGE = (
    (re.compile(r"ClassNotFoundException: (?:Class )?(?P<name>[\w.$]*\w)(?: not found)?"), "the class {}"),
    (re.compile(r"No FileSystem for scheme:? \"?(?P<name>[\w+.-]+)"), "the file system {}://"),
    (re.compile(r"Failed to find (?:the )?data source: (?P<name>[\w.-]*\w)"), "the data source {}"),
    (re.compile(r"Cannot find catalog plugin class for catalog '[^']*': (?P<name>[\w.$]*\w)"), "the class {}"),
    (re.compile(r"(?P<name>No suitable driver)"), "a JDBC driver"),
    (re.compile(r"Cannot run program \"(?P<name>[^\"]+)\""), "the program {}"),
    (re.compile(r"there is no package called .(?P<name>[\w.]+)"), "the R package {}"),
    (re.compile(r"(?:ModuleNotFoundError|ImportError): No module named '?(?P<name>[\w.]+)"), "the Python module {}"),
)
"""The words of java.lang, org.apache.hadoop.fs.FileSystem, org.apache.spark.sql.errors, java.sql.DriverManager and
CPython's importlib."""

_TABLE = re.compile(
    r"\[(?:TABLE_OR_VIEW|SCHEMA)_NOT_FOUND\] The (?P<kind>table or view|schema) (?P<name>`.*?`) cannot be found"
    r"|\[DELTA_TABLE_NOT_FOUND\] Delta (?P<delta>table) (?P<lake>`.*?`) doesn't exist"
    r"|NoSuchTableException: (?P<iceberg>Table) does not exist: (?P<catalogue>[\w.]*\w)"
    r"|(?P<old>Table or view|Database) '?(?:not found: )?(?P<older>[\w.]*\w)(?:'? not found)?"
)
"""The words of org.apache.spark.sql, since 3.4 and before."""

_LOGIN = re.compile(
    r"Unable to (?:load|locate) (?:AWS )?credentials|NoCredentialsError|No AWS Credentials provided"
    r"|DefaultCredentialsError|Application Default Credentials|access token from metadata server"
    r"|DefaultAzureCredential|[Cc]onfiguration (?:property \S+|for storage account \S+)\.core\.\S+ (?:not found|.*null)"
    r"|Failure to initialize configuration|Cannot locate default realm|Can't get Kerberos realm"
    r"|[Cc]annot authenticate via|GSS initiate failed|No valid credentials provided"
)
"""The words of the clients of AWS, Google and Azure, of the JDK's Kerberos and of org.apache.hadoop.security."""

_PROGRAM = re.compile(
    r"\b(?:SyntaxError|IndentationError|TabError): |\[PARSE_SYNTAX_ERROR\]"
    r"|\b(?:UnsupportedClassVersion|NoSuchMethod|NoSuchField|IncompatibleClassChange|AbstractMethod|UnsatisfiedLink|Verify)"
    r"Error: |InvalidClassException: .*incompatible|PYTHON_VERSION_MISMATCH|Python in worker has different version"
    r"|version `\w+_[\d.]+' not found|cannot open shared object file"
)
"""The words of compilers, class loaders and linkers, and of pyspark, for a program that could run nowhere with this
image and the libraries that it names."""

_BRINGING_CONF = re.compile(
    r"spark\.(?:jars|archives|files|submit\.pyFiles|pyspark\.|(?:driver|executor)\.extraClassPath|kubernetes\..*\.volumes)"
)
_BRINGING_NAMES = re.compile(r"PYTHONPATH|CLASSPATH|PYSPARK_")
_LOGIN_CONF = re.compile(
    r"(?i)(?:secret|password|credential|access\.?key|account\.?key|keytab|oauth|sas\.|token)(?!.*provider$)"
)
_LOGIN_FIELDS = (
    "secrets", "secret", "secretRef", "secretKeyRef", "envSecretKeyRefs", "envFrom", "projected", "csi",
    "sparkConfigMap", "hadoopConfigMap",
)  # fmt: skip
"""Fields by which the operator brings an application what it logs in with."""

_ARCHIVES = (".zip", ".egg", ".whl", ".jar", ".so", ".tgz", ".tar.gz")

_DATA = frozenset({"emptyDir", "hostPath", "persistentVolumeClaim", "ephemeral"})

_LOGIN_VARIABLE = re.compile(
    r"(?i)secret|passw|credential|_key|token|keytab|user|auth|sas\b|AWS_|AZURE_|GOOGLE_|^PG|KRB|JAAS|HADOOP_CONF"
)


def lacking(
    spec: Mapping[str, Any], said: str, config_maps: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
) -> str:
    """What a driver says that it lacks, in words that go on after the name of an application; else empty.

    `config_maps` has what is known of the ConfigMaps beside it, by their names.
    """
    if found := _TABLE.search(said):
        kind, name = (it for it in found.groups() if it)
        kind, name = kind.lower(), name.replace("`", "")
        return f"uses the {kind} {name}, which no cluster of a run has"
    if _PROGRAM.search(said):
        return "has a program that cannot run with its image, whoever starts it"
    if _LOGIN.search(said) and not _brings_login(spec):
        return "needs a login of its own cluster, and has none in its specification"
    for pattern, words in _OF_IMAGE:
        if (match := pattern.search(said)) and not _brings(spec, match["name"], config_maps):
            return f"needs {words.format(match['name'])}, which its image does not have and nothing brings"
    return own_ends.told(spec, said, logs_in=_brings_login(spec))


def has_login_field(spec: Mapping[str, Any]) -> bool:
    """Whether a specification has one of the fields by which the operator brings what an application logs in with."""
    found = list(fields(spec))
    return _mounted(found) or any(
        bool(value) and (key in _LOGIN_FIELDS or _has_login_variable(key, value)) for key, value in found
    )


def _mounted(found: Sequence[tuple[str, Any]]) -> bool:
    """Whether something is mounted that may hold a login: anything but space and data."""
    mounts = [it for key, value in found if key == "volumeMounts" for it in mappings(value)]
    volumes = [it for key, value in found if key == "volumes" for it in mappings(value)]
    data = {it.get("name") for it in volumes if it.keys() & _DATA}
    return any(it.get("name") not in data for it in mounts)


def _has_login_variable(key: str, value: Any) -> bool:
    names: list[object] = []
    if key == "envVars" and isinstance(value, Mapping):
        names = list(value)
    elif key == "env":
        names = [it.get("name") for it in mappings(value)]
    return any(_LOGIN_VARIABLE.search(str(it)) for it in names)


def _brings_login(spec: Mapping[str, Any]) -> bool:
    """The same, or a setting that holds such a thing."""
    return has_login_field(spec) or any(
        bool(value) and isinstance(value, str) and _LOGIN_CONF.search(key) is not None for key, value in fields(spec)
    )


def _brings(spec: Mapping[str, Any], name: str, config_maps: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a class or a module of this name may come to its pods by another way than in its image."""
    without = {of for of, it in config_maps.items() if not any(_may_have(key, name) for key in _keys(it))}
    return any(_ways(spec, without)) or _BRINGING_NAMES.search(repr(spec)) is not None


def _ways(spec: Mapping[str, Any], without: Collection[str]) -> Iterator[bool]:
    """Of each way whether something may come by it; the ConfigMaps `without` it do not."""
    for key, value in fields(spec):
        if key == "configMaps":
            yield any(it.get("name") not in without for it in mappings(value))
        elif key in ("deps", "initContainers") or _BRINGING_CONF.match(key):
            yield bool(value)
        elif key == "volumes" and isinstance(value, list):
            yield any(_may_bring(it, without) for it in mappings(value))


def _may_bring(volume: Mapping[str, Any], without: Collection[str]) -> bool:
    """Whether a volume may have libraries: an empty one, a login and what is known of a pod bring none."""
    if volume.keys() & {"emptyDir", "secret", "downwardAPI"}:
        return False
    of = volume.get("configMap")
    return not (isinstance(of, Mapping) and of.get("name") in without)


def _keys(config_map: Mapping[str, Any]) -> Iterator[str]:
    for part in ("data", "binaryData"):
        yield from map(str, config_map.get(part) or ())


def _may_have(key: str, name: str) -> bool:
    """Whether a file of a ConfigMap may have a class or a module: an archive may, and the module of its own name."""
    return key.endswith(_ARCHIVES) or key.removesuffix(".py") == name.partition(".")[0]
