"""What a type checker says about an application: its views keep their types, and a misspelt demand is an error."""

from __future__ import annotations

from typing import Any, assert_type

from flask_tessera import Tessera, login_required

tessera: Tessera[int] = Tessera(user_id_type=int)


@tessera.authenticator
def authenticate(credentials: dict[str, Any]) -> int | None:
    return None


@tessera.user_loader
def load(user_id: int) -> int | None:
    return user_id


@login_required
def bare(number: int) -> str:
    return str(number)


@login_required(scope="orders")
def asking(number: int) -> str:
    return str(number)


@tessera.login_required
def bare_of_one(number: int) -> str:
    return str(number)


@tessera.login_required(scope="orders")
def asking_of_one(number: int) -> str:
    return str(number)


@tessera.login_required
async def waiting(number: int) -> str:
    return str(number)


assert_type(bare(1), str)
assert_type(asking(number=1), str)
assert_type(bare_of_one(1), str)
assert_type(asking_of_one(number=1), str)


async def wait() -> None:
    assert_type(await waiting(1), str)


# Both checkers say when there is nothing to ignore: each line is an error that they must find.
login_required(scopes="orders")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
tessera.login_required(scopes="orders")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
bare("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
asking_of_one("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
