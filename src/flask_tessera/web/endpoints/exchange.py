"""POST /exchange: a token of the old application to a session, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import request

from ...errors import NotFoundError
from ...services.sessions import Login
from ..http_errors import answering
from ..token_pair import TokenPair

if TYPE_CHECKING:
    from flask import Blueprint

    from ..extension import Tessera


def add(blueprint: Blueprint, tessera: Tessera[Any]) -> None:
    """Add the route; without the setting `LEGACY` it answers that there is nothing here."""

    @blueprint.post("/exchange", endpoint="exchange")
    def exchange() -> Any:
        runtime = tessera.runtime
        with answering(runtime.answers):
            if runtime.legacy is None:
                raise NotFoundError("TESSERA_LEGACY is off")
            text = runtime.transport.find(request.environ)
            identity = runtime.legacy_identity(text)
            runtime.find_user(identity)
            login = Login(str(identity.user_id), caller=tessera.present_caller(), amr="")
            return TokenPair(runtime.legacy.exchange(text, login), runtime.answers).to_response()
