# SPDX-License-Identifier: Apache-2.0
"""Which names say that their value is a secret, and which values are none whatever their name says."""

from __future__ import annotations

import functools
import itertools
import re

MASK = "***"

_MAX_NAME = 400
_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")

# A word with one of these ends is about a secret, also where words are run together: `dbpassword`, `authtoken`.
_SECRET_ENDS = (
    *("password", "passwords", "passwd", "passphrase", "passphrases", "passcode", "pwd", "secret", "token", "tokens"),
    *("credential", "credentials", "creds", "dockerconfigjson", "dockercfg", "htpasswd", "signature"),
    *("storepass", "keypass", "userpass", "requirepass", "masterauth", "bindpw", "rootpw"),
    *("sshpass", "dbpass", "rootpass", "adminpass", "smtppass", "mailpass", "ftppass", "ldappass", "bindpass"),
    *("apikey", "apikeys", "accesskey", "secretkey", "privatekey", "authkey", "signingkey", "encryptionkey"),
    *("masterkey", "sharedkey", "accountkey", "sharedaccesskey", "storagekey", "sshkey", "connectionstring"),
)
_SECRET_WORDS = frozenset(
    {
        "pass",
        "passwort",
        "pat",
        "pw",
        "psk",
        "sas",
        "otp",
        "totp",
        "jwt",
        "bearer",
        "cookie",
        "cookies",
        "authorization",
    }
)
# `fs.azure.account.key.…`, `api-key`, `clientKeyData`
KEYS_OF = frozenset(
    {
        *(
            "access",
            "account",
            "aes",
            "api",
            "app",
            "auth",
            "aws",
            "ca",
            "certificate",
            "cipher",
            "client",
            "consumer",
            "cookie",
            "application",
            "azure",
            "crypt",
            "gcp",
            "integration",
            "mailgun",
            "openai",
            "replication",
            "rndc",
            "sa",
            "sendgrid",
            "stripe",
            "tsig",
            "webhook",
        ),
        *(
            "crypto",
            "decryption",
            "deploy",
            "encrypt",
            "encryption",
            "fernet",
            "gpg",
            "hmac",
            "jwt",
            "licence",
            "license",
            "master",
            "pgp",
        ),
        *(
            "private",
            "pvt",
            "recovery",
            "root",
            "rsa",
            "secret",
            "server",
            "service",
            "session",
            "shared",
            "sign",
            "signing",
            "ssh",
            "ssl",
            "stored",
        ),
        *("storage", "subscription", "symmetric", "tls", "unseal"),
    }
)
_PAIRS = frozenset(
    (
        *(
            ("connection", "string"),
            ("key", "data"),
            ("secret", "id"),
            ("session", "id"),
            ("user", "info"),
            ("props", "key"),
        ),
        *(("pass", "code"), ("pass", "phrase"), ("pass", "word")),
        *(("code", "verifier"), ("client", "assertion"), ("art", "api"), ("honeycomb", "team"), ("consul", "encrypt")),
    )
)

# What follows says that the value is about the secret, and not the secret: `secretName`, `token_file`.
_ABOUT = frozenset(
    (
        *("name", "names", "ref", "refs", "file", "files", "filename", "path", "paths", "dir", "directory"),
        *("folder", "mount", "mounts", "volume", "volumes", "type", "types", "kind", "class", "provider"),
        *("providers", "version", "expiration", "expiry", "expires", "expire", "ttl", "lifetime", "seconds", "sec"),
        *("ms", "age", "count", "size", "length", "bytes", "limit", "max", "min", "uri", "url", "urls", "endpoint"),
        *("endpoints", "issuer", "audience", "audiences", "policy", "policies", "required", "enabled", "enable"),
        *("disabled", "hash", "checksum", "digest", "sha", "fingerprint", "thumbprint", "algorithm", "alg"),
        *("format", "encoding", "mode", "namespace", "namespaces", "selector", "label", "labels", "annotation"),
        *("annotations", "review", "reviews", "request", "requests", "controller", "resource", "resources", "stdin"),
        *("prompt", "store", "backend", "manager", "rotation", "refresh", "renewal", "interval", "timeout"),
        *("period", "usage", "uses", "projection", "mapping", "field", "fields", "hint", "index", "position", "error"),
        *("errors", "status", "state", "reason", "message", "exists", "found", "missing", "changed", "updated"),
        *(
            "used",
            "remaining",
            "issued",
            "valid",
            "invalid",
            "expired",
            "encoder",
            "encoders",
            "arn",
            "strategy",
            "rotated",
            "replaced",
            "nowhere",
            "own",
            "node",
            "accessor",
            "helper",
            "helpers",
        ),
        *(
            "created",
            "encryption",
            "time",
            "timestamp",
            "date",
            "env",
            "attribute",
            "column",
            "header",
            "location",
            "keytab",
        ),
        *(
            "driver",
            "executor",
            "operator",
            "hook",
            "reloader",
            "reload",
            "cleaner",
            "signer",
            "source",
            "template",
            "validation",
            "verifier",
            "scope",
        ),
        *("scopes", "server", "service", "auto", "generation", "getter", "binding", "bindings", "plugin", "cache"),
        *("bucket", "identifier", "retries", "retry", "attempts", "per", "authentication", "authenticator", "auth"),
        *("mechanism", "check", "checks", "failures", "total", "counter", "rate", "duration", "latency", "rules"),
        *(
            "strength",
            "history",
            "days",
            "hours",
            "minutes",
            "number",
            "regex",
            "pattern",
            "rounds",
            "iterations",
            "host",
            "hosts",
            "servers",
            "realm",
            "prefix",
            "suffix",
            "title",
            "description",
            "watcher",
            "alias",
            "bits",
            "ring",
            "vault",
        ),
    )
)
_ABOUT_OR_KEY = _ABOUT | {"key", "keys", "id", "ids"}
# What comes before says the same: `checksum/secret`, `existingSecretPasswordKey`.
_ABOUT_FIRST = frozenset(
    ("checksum", "checksums", "existing", "redaction", "enable", "disable", "use", "has", "is", "no", "automount")
)
# `imagePullSecret`, `tlsSecret`: what holds this is a Secret, whose name is told.
_SECRETS_OF = frozenset(
    ("pull", "tls", "existing", "cert", "certs", "certificate", "password", "credentials", "keystore", "truststore")
)

# The storage account at the end of a property of Hadoop, which may be called anything.
_AZURE = re.compile(r"\.[\w-]+\.(?:blob|dfs|file|queue|table)\.(?:core|storage|fabric)\.[\w.]+$")
_IN_CODE = re.compile(r"\w\.(?:java|scala|kt|py|go|rs|sh|bat|jar)$|\.[A-Z]\w+\$[A-Z]\w+$")
_FILES_OF_USERS = ("/etc/passwd", "/etc/shadow")
# `clientAuth: RequireAndVerify` says whether somebody has to log in.
_AUTH_OF = frozenset(("client", "kerberos", "mutual", "need", "needs", "require", "requires", "server", "tls", "want"))


_SAID_BEFORE = re.compile(r".*(?:[;.!?]\s|[\[(](?=[^\])]*$))", re.S)
"""What a sentence says before its last part, which alone may be the name of a value after a colon."""


@functools.lru_cache(maxsize=20_000)
def is_secret(name: str) -> bool:
    """Whether a field, option, variable, property or header of this name has a secret as its value."""
    name = name[-_MAX_NAME:]
    if name in ("PASS", "sshpass") or _IN_CODE.search(name) or name.endswith(_FILES_OF_USERS):
        # The result of a test, a command, a place in a stack trace, an exception, and a file with no password in it
        return False
    if " " in name:
        name = _SAID_BEFORE.sub("", name)
    prefix, slash, rest = name.rpartition("/")
    if slash and "." in prefix and not prefix.startswith("."):
        # An annotation or a label: its domain says nothing.
        name = rest
    within = _AZURE.sub("", name)
    if within != name and ".azure.sas." in name and not within.endswith(".provider.type"):
        # Of a container, which may be called anything
        return True
    words = [word.lower() for word in _WORDS.findall(within)]
    if words[-2:] == ["secret", "key"] and words[-3:-2] and words[-3] in ("password", "username"):
        # The name of a key in a Secret
        return False
    if not words or words[0] in _ABOUT_FIRST or (words[-1] == "secret" and words[-2:-1] and words[-2] in _SECRETS_OF):
        return False
    if any(pair in (("key", "ref"), ("key", "refs")) for pair in itertools.pairwise(words)):
        # `secretKeyRef.DB_PASSWORD`: where the value is, and not the value.
        return False
    if "inject" in words or ("-" in name and not {"with", "without"}.isdisjoint(words)):
        # Annotations that say which secret a sidecar reads, and from where; what is said of a pod
        return False
    if words[-1] == "auth":
        return not (words[-2:-1] and words[-2] in _AUTH_OF)
    return any(_tells(words, at) for at in range(len(words)))


def _tells(words: list[str], at: int) -> bool:
    """Whether the name is of a secret because of the word at this place."""
    word, following = words[at], words[at + 1 :]
    pair = (word, following[0]) if following else ("", "")
    if pair in _PAIRS or (word in KEYS_OF and pair[1] in ("key", "keys")):
        return not _ABOUT.intersection(following[1:])
    if pair == ("customer", "key"):
        # Of a storage that encrypts with it; tables have columns of this name.
        return "encryption" in words[:at] or "sse" in words[:at] or "ssecustomer" in words
    if not (word in _SECRET_WORDS or word.endswith(_SECRET_ENDS)):
        return False
    if word == "pat" and not at:
        return False
    if word in _SECRET_WORDS and following:
        # Short words are a secret's where the name ends, or before its number: `sas`, `DB_PASS_2`.
        return all(it.isdigit() for it in following) or (word == "sas" and not _ABOUT.intersection(following))
    about = _ABOUT if word.endswith("key") else _ABOUT_OR_KEY
    return not about.intersection(following)


# A reference to a secret, what was masked already, or no value at all.
_NO_VALUE = re.compile(
    r"""(?ix)
    \s* (?: true | false | read | write | required | optional | enabled | disabled | omit | include | same-origin
      | passed | failed | skipped
      | null | none | nil | ~ | yes | no | undefined | bool(?:ean)? | int(?:eger)?
      # Spark's schemas, the last of which it cuts
      | string(?:\ \.\.\.\ \d+\ more\ fields)?
      | (?-i:(?:Binary|Boolean|Date|Double|Integer|Long|String|Timestamp)Type)(?:,(?:true|false))?
      | \(none\) | \{\} | \[\] | <<<
      | data\+omitted | \(sensitive(?:\ value)?\) | \(known\ after\ apply\) | \[(?:masked|hidden|filtered|omitted)\]
      | <[^<>]*>(?:\s.*)?
      | \*{3,}(?:\(redacted\)?)?(?:\\+[nr])*  # in a string of JSON, with the end of its line
      | \[?redacted\]? | \(redacted\) | -+\ (?:redacted|truncated)\ -+ | x{4,} | \.{3,} | …
      | \$\((?!echo|printf)[\w./-]+(?:\ [^()]*)?\)
      | \$\{(?:(?:env|sys|file|dir|directory|secrets?|vault|ssm):)?[\w.]+\}?
      | \$\{(?:env|file|dir|directory|secrets?|vault|ssm):[\w./-]+(?::[\w.-]+)?\}?
      | \$\{[\w.]+(?::?-|:|:?\?[^{}]*)\}? | -  # with no default, as shells and Spring write it
      | (?-i:\$(?:[A-Z_][A-Z0-9_]*|[a-z_]+)) | \{\{.*\}\} | %\(?\w+\)?s | \$\{\{.*\}\}
      | (?:var|local|module|data|each|random_password|process\.env|os\.environ)[.\[][\w.\[\]"'-]*
      | AgA[A-Za-z0-9+/]{600,}={0,2}  # a value of a SealedSecret: 512 bytes of RSA first
      | vault:[\w./-]+\#[\w.-]+ | ref\+\w+://\S+ | op://\S+ | arn:aws[\w-]*:(?:secretsmanager|kms|ssm):\S+
      | projects/[\w-]+/secrets/[\w-]+(?:/versions/\w+)? | (?:str|Optional\[str\])(?:\ =\ (?:None|""|''))?
      | ENC\[AES256_GCM(?:,data:.*)?
      | [\w.-]+:latest | keyType=\d+(?:\ kvno=\d+)?
      | \d+\ bytes | ssh-(?:rsa|ed25519|dss)\ .* | [a-z0-9.-]+-token-[a-z0-9]{5} | bootstrap-token-[a-z0-9]{6}
      | sha(?:256|512):[0-9a-f]{8,}
      | -----BEGIN\ (?:CERTIFICATE|PUBLIC\ KEY).* | LS0tLS1CRUdJTiB(?:DRVJ|QVUJ).*
    )? \s* """,
    re.DOTALL,
)
_PATH = re.compile(
    r"(?:file:/*)?(?:~|\.{1,2})?/?(?:app|bin|certs?|data|dev|etc|home|kind|mnt|opt|private|proc|root|run|srv|tmp|usr|var"
    r"|secrets|\.docker|\.kube|\.config)(?:/[\w.@+-]+)+/?"
    r"|(?:[\w.@+-]*/)*[\w@+-][\w.@+-]*\.(?:crt|jks|json|keytab|pem|properties|toml|txt|xml|yaml|yml|key)"
)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LONGEST_NUMBER = 8
_DURATION = re.compile(r"\d+(?:\.\d+)?(?:[mnuµ]?s|[mh])")
_COUNT = re.compile(r"\d+(?:\.\d+)?")
_OBJECT = re.compile(r"[a-z0-9][a-z0-9.-]*[a-z]/[a-z][a-z0-9-]*[a-z0-9]")
COUNTS = frozenset(("count", "counts", "freq", "frequency", "n", "tf", "df", "idf", "tfidf", "tf_idf", "occurrences"))
"""What a column is called that counts words, which are tokens, beside that of the words."""
_KINDS_OF_LOGIN = frozenset(
    (
        *(
            "basic",
            "bearer",
            "none",
            "oauth",
            "oauth2",
            "oidc",
            "ldap",
            "kerberos",
            "simple",
            "token",
            "rbac",
            "keytab",
        ),
        *("ccache", "negotiate", "digest", "anonymous", "enabled", "disabled", "required", "optional", "mtls", "off"),
    )
)


def is_harmless(value: str, name: str = "") -> bool:
    """Whether a value is no secret, although its name says so: empty, a reference, a path, already masked."""
    if len(value) < 4_000 and (_NO_VALUE.fullmatch(value.strip()) or _PATH.fullmatch(value)):
        return True
    lowered = name.lower().strip("_-.")
    if (lowered == "secret" or ("/" in name and lowered.endswith("-secret"))) and _OBJECT.fullmatch(value):
        # How klog writes an object, and annotations of controllers: namespace/name.
        return True
    if lowered.endswith(("auth", "credentials", "authorization")) and value.lower() in _KINDS_OF_LOGIN:
        return True
    if value.isupper() and value in name.upper().replace("_", "-").replace(".", "-").split("-"):
        # `--password PASSWORD`, as a usage says it
        return True
    if lowered.endswith("id") and _UUID.fullmatch(value):
        # A session of Spark Connect, say: what opens none by itself.
        return "session" in lowered
    if lowered.endswith(("keyid", "key_id", "key-id", "key.id")) and value.isdigit():
        # A number, such as that of a delegation token's key.
        return len(value) <= _LONGEST_NUMBER
    if lowered.endswith("pwd") and value.startswith(("/", "~")):
        # The folder that a shell is in.
        return True
    if lowered.endswith("token") and _DURATION.fullmatch(value):
        # How long the first of them took, say.
        return True
    if value == "latest" and "-" in name:
        # The version of a secret in a store: `db-password:latest`
        return True
    if lowered in ("token", "tokens") and value.lower() in COUNTS:
        # The heading of a table
        return True
    is_pass = lowered == "pass" and not name.startswith("-") and len(value) <= _LONGEST_NUMBER
    is_count = lowered.endswith(("tokens", "tokens/s")) or is_pass
    return is_count and bool(_COUNT.fullmatch(value))
