"""Waitress with one opinion on where a request ends."""

from __future__ import annotations

from waitress.parser import HTTPRequestParser, ParsingError


class StrictParser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    """Refuses a request that tells its length twice (RFC 9112 §6.1, requirement H06).

    Waitress goes by `Transfer-Encoding` where there is a `Content-Length` too, and in HTTP/1.0 the other way round. A
    proxy before it that does not would take for the body of one client's request what is a request of its own here.
    """

    def parse_header(self, header_plus: bytes) -> None:
        """As waitress does.

        Raises:
            ParsingError: answered with 400, after which the connection is closed.
        """
        super().parse_header(header_plus)
        # In HTTP/1.1 waitress takes out what it goes by.
        if "TRANSFER_ENCODING" in self.headers or (self.chunked and "CONTENT_LENGTH" in self.headers):
            raise ParsingError("the length of the body is not certain")
