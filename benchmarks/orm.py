"""The peer of P7: sessions kept with SQLAlchemy's ORM, in the same columns and as durably."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import LargeBinary, String, Text, and_, exists, or_, select, update
from sqlalchemy.dialects.mysql import VARBINARY
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Engine

    from flask_tessera.sessions.model import Session as Record


DIALECTS = {"postgresql://": "postgresql+psycopg://", "mysql://": "mysql+pymysql://"}
"""What we know a database by, and with which driver SQLAlchemy is to speak to it."""


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012
        int: sqlalchemy.BigInteger,
        # What MySQL can index has a longest length.
        bytes: LargeBinary().with_variant(VARBINARY(16), "mysql"),
        str: Text().with_variant(String(255), "mysql"),
    }


class PrincipalRow(Base):
    __tablename__ = "peer_principals"
    user_id: Mapped[str] = mapped_column(primary_key=True)
    realm: Mapped[str] = mapped_column(primary_key=True)
    epoch: Mapped[int]
    suspended_until: Mapped[int]


class SessionRow(Base):
    __tablename__ = "peer_sessions"
    __table_args__ = (sqlalchemy.Index("peer_sessions_user", "user_id", "realm"),)
    sid: Mapped[bytes] = mapped_column(primary_key=True)
    realm: Mapped[str]
    user_id: Mapped[str]
    created_at: Mapped[int]
    auth_at: Mapped[int]
    idle_until: Mapped[int]
    until: Mapped[int]
    access_lifetime: Mapped[int]
    gen: Mapped[int] = mapped_column()
    predecessor: Mapped[int]
    rotated_at: Mapped[int]
    confirmed: Mapped[bool]
    epoch: Mapped[int]
    last_seen_at: Mapped[int]
    ended_at: Mapped[int]
    end_reason: Mapped[str]
    device_type: Mapped[str]
    device_id: Mapped[str]
    device_name: Mapped[str]
    ip: Mapped[str]
    user_agent: Mapped[str]
    scope: Mapped[str]
    amr: Mapped[str]
    user_stamp: Mapped[str]
    issued_for: Mapped[str]
    claims: Mapped[str]
    __mapper_args__ = {"version_id_col": gen}  # noqa: RUF012


_OWNER = and_(PrincipalRow.user_id == SessionRow.user_id, PrincipalRow.realm == SessionRow.realm)
FIND = select(SessionRow, PrincipalRow).outerjoin(PrincipalRow, _OWNER)


class SessionTable:
    """What an application would write by hand."""

    def __init__(self, url: str) -> None:
        self.engine = open_engine(url)
        Base.metadata.create_all(self.engine)

    def fill(self, records: Iterable[Record]) -> None:
        names = [column.name for column in SessionRow.__table__.columns]
        rows = [{name: getattr(each, name) for name in names} for each in records]
        with self.engine.begin() as connection:
            connection.execute(sqlalchemy.insert(SessionRow), rows)

    def find(self, sid: bytes, *, at: int) -> SessionRow:
        """By primary key, with the principal, in one statement; refused unless it is live."""
        with Session(self.engine, expire_on_commit=False) as db:
            row, principal = db.execute(FIND.where(SessionRow.sid == sid)).one()
            _refuse(row, principal, at)
            return row

    def rotate(self, sid: bytes, gen: int, *, at: int, idle: int) -> SessionRow:
        """As most would: load, decide, change, commit; the unit of work compares the generation (version_id_col)."""
        with Session(self.engine, expire_on_commit=False) as db:
            row, principal = db.execute(FIND.where(SessionRow.sid == sid)).one()
            _refuse(row, principal, at)
            if row.gen != gen:
                raise ValueError("somebody else was faster")
            row.predecessor, row.rotated_at, row.confirmed, row.last_seen_at = gen, at, False, at
            row.idle_until = min(at + idle, row.until)
            db.commit()
            return row

    def rotate_at_once(self, sid: bytes, gen: int, *, at: int, idle: int) -> SessionRow:
        """As few would: all of it in one statement, which gives the row back."""
        against = or_(PrincipalRow.epoch > SessionRow.epoch, PrincipalRow.suspended_until > at)
        live = (SessionRow.ended_at == 0, SessionRow.idle_until > at, SessionRow.until > at)
        limit = at + idle
        statement = (
            update(SessionRow)
            .where(SessionRow.sid == sid, SessionRow.gen == gen, *live, ~exists().where(_OWNER, against))
            .values(
                gen=SessionRow.gen + 1,
                predecessor=SessionRow.gen,
                rotated_at=at,
                confirmed=False,
                last_seen_at=at,
                idle_until=sqlalchemy.case((SessionRow.until < limit, SessionRow.until), else_=limit),
            )
            .returning(SessionRow)
            .execution_options(synchronize_session=False)
        )
        with Session(self.engine, expire_on_commit=False) as db:
            row = db.scalars(statement).one()
            db.commit()
            return row


def _refuse(row: SessionRow, principal: PrincipalRow | None, at: int) -> None:
    if row.ended_at or at >= min(row.idle_until, row.until):
        raise ValueError("it is over")
    if principal is not None and (principal.epoch > row.epoch or principal.suspended_until > at):
        raise ValueError("the user is refused")


def open_engine(url: str) -> Engine:
    """With the durability of our own connections: SQLite flushes at each commit."""
    for scheme, dialect in DIALECTS.items():
        url = url.replace(scheme, dialect)
    engine = sqlalchemy.create_engine(url)
    if engine.dialect.name == "sqlite":
        sqlalchemy.event.listen(engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
