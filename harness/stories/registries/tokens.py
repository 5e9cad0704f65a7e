# SPDX-License-Identifier: Apache-2.0
"""Makes a token worthless, in each of the ways of clusters/pulls.toml; `secrets.grant` mends all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import ApiError
from harness.registries.tokens import Accounts
from harness.stories.registries import secrets
from harness.stories.registries.own_registries import READ

if TYPE_CHECKING:
    from harness.stories.registries.catalogue import How
    from harness.stories.registries.context import PullContext
    from harness.stories.registries.secrets import PullSecret

ELSEWHERE = "somebody/else"
"""A package that has nothing to do with any of these."""


def spoil(ctx: PullContext, secret: PullSecret, how: How) -> None:
    """Invalidate the Secret from now on. Raises ApiError."""
    accounts = ctx.registries.ghcr.accounts
    if how == "wrong":
        # Looks like a token, and is none: another registry's.
        never_issued = Accounts(ctx.registries.ghcr.profile.personal_prefix).issue(secret.user, READ)
        secrets.write(ctx, secret, never_issued.secret)
    elif how == "empty":
        secrets.write(ctx, secret, "")
    elif how == "gone":
        try:
            secrets.remove(ctx, secret)
        except ApiError as missing:
            if missing.status != 404:
                raise
    else:
        weaken(accounts, secret.user, how)


def weaken(accounts: Accounts, user: str, how: How) -> None:
    """Let the registry think less of a user's token, which stays the same one."""
    known = accounts.of(user)
    if how == "expired":
        accounts.expire(user)
    elif how == "revoked":
        accounts.revoke(user)
    elif how == "unscoped":
        accounts.issue(user, ("delete:packages",), packages=known.packages, secret=known.secret)
    else:
        accounts.issue(user, READ, packages=[ELSEWHERE], secret=known.secret)
