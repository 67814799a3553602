"""The contract: small values that expire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...errors import StorageUnavailableError
from ...storage.key_value import hashed_key, new_value, owned_key
from ...storage.model import ANY_VERSION, Counter, Increment, Value
from ..races import race
from .base import T0, Cases, error_of

if TYPE_CHECKING:
    from ...storage.engine import Storage
    from ...storage.key_value import KeyValue

_KEY: Final = hashed_key("a name")
_RACERS: Final = 25
"""Threads for each of two handles; as many again run in other processes where a storage has some."""


def _put(values: KeyValue, text: bytes = b"v", *, key: bytes = _KEY, at: int = T0, expected: int = ANY_VERSION) -> int:
    return values.put("code", key, text, expires_at=at + 60, at=at, expected_version=expected)


class ValueCases(Cases):
    """`KeyValue`."""

    def test_a_value_is_found_as_it_was_written(self, storage: Storage) -> None:
        """By kind and key, for every handle; bytes of any kind."""
        for value in (b"", b"\0\xff'%s\\", "王小明 🦉".encode(), b"x" * 65_536):
            version = _put(storage.values, value)
            assert version > 0
            found = self.reopen(storage).values.get("code", _KEY, at=T0)
            assert found == Value("code", _KEY, value, version, T0 + 60)
        assert storage.values.get("ticket", _KEY, at=T0) is None
        assert storage.values.get("code", _KEY[:-1], at=T0) is None

    def test_several_values_are_read_at_once(self, storage: Storage) -> None:
        """In the order in which they were asked for."""
        keys = [hashed_key(str(number)) for number in range(3)]
        for key in keys[:2]:
            _put(storage.values, key, key=key)
        found = storage.values.get_many([("code", key) for key in reversed(keys)], at=T0)
        assert [each and each.value for each in found] == [None, keys[1], keys[0]]
        assert storage.values.get_many([], at=T0) == []

    def test_a_value_expires_by_the_time_of_the_caller(self, storage: Storage) -> None:
        """In its last second it is there, in the next one it is not, and counts as none."""
        version = _put(storage.values)
        assert storage.values.get("code", _KEY, at=T0 + 59) is not None
        assert storage.values.get("code", _KEY, at=T0 + 60) is None
        assert storage.values.take("code", _KEY, at=T0 + 60) is None
        assert not _put(storage.values, at=T0 + 60, expected=version)
        assert not _put(storage.values, at=T0 + 59, expected=0)
        assert _put(storage.values, at=T0 + 60, expected=0)

    def test_a_value_is_replaced_only_over_the_version_that_is_expected(self, storage: Storage) -> None:
        """0 stands for none; a version is never given twice, also after the value was gone."""
        values = storage.values
        assert not _put(values, b"x", expected=77)
        first = _put(values, b"1", expected=0)
        assert not _put(values, b"2", expected=0)
        second = _put(values, b"3", expected=first)
        assert first != second > 0
        assert not _put(values, b"4", expected=first)
        assert values.take("code", _KEY, at=T0) == Value("code", _KEY, b"3", second, T0 + 60)
        assert _put(values, b"5", expected=0) not in (0, first, second)
        assert not _put(values, b"6", expected=second)

    def test_one_of_many_writers_writes(self, storage: Storage) -> None:
        """Where there is none, and over a version."""
        handles = [storage.values, self.reopen(storage).values]
        expected = 0
        for _ in range(3):
            race_of = expected
            said = race(_RACERS, lambda number: _put(handles[number % 2], b"%d" % number, expected=race_of))  # noqa: B023 - raced at once
            (expected,) = [version for version in said if version]
            found = storage.values.get("code", _KEY, at=T0)
            assert found is not None
            assert found.version == expected
            assert said[int(found.value)] == expected

    def test_one_of_many_takers_gets_a_value(self, storage: Storage) -> None:
        """However they race, from two handles.

        One that a busy machine has let wait for too long may have taken it or not; no other may be given it then.
        """
        handles = [storage.values, self.reopen(storage).values]

        def take(number: int, key: bytes) -> Value | StorageUnavailableError | None:
            try:
                return handles[number % 2].take("code", key, at=T0)
            except StorageUnavailableError as error:
                return error

        for name in ("a", "b", "c"):
            key = hashed_key(name)
            _put(storage.values, key=key)
            said = race(4 * _RACERS, lambda number: take(number, key))  # noqa: B023 - raced at once
            taken = [each.value for each in said if isinstance(each, Value)]
            assert taken == [b"v"] or (not taken and any(isinstance(each, StorageUnavailableError) for each in said))
            assert not taken or storage.values.get("code", key, at=T0) is None

    def test_a_counter_counts_within_its_window(self, storage: Storage) -> None:
        """Whose end does not move; after it, it begins again."""
        values = storage.values
        assert values.increment("tries", _KEY, window=60, at=T0) == Counter(1, T0 + 60)
        assert self.reopen(storage).values.increment("tries", _KEY, 4, window=99, at=T0 + 59) == Counter(5, T0 + 60)
        found = values.get("tries", _KEY, at=T0)
        assert found is not None
        assert (found.version, found.expires_at) == (5, T0 + 60)
        assert values.increment("tries", _KEY, window=10, at=T0 + 60) == Counter(1, T0 + 70)

    def test_a_step_is_taken_back_only_in_the_window_in_which_it_was_made(self, storage: Storage) -> None:
        """Else somebody would be allowed one more in a later one."""
        values = storage.values
        values.increment("tries", _KEY, 3, window=60, at=T0)
        back = Increment("tries", _KEY, -1, T0 + 60, only_running=True)
        assert values.increment_many([back], at=T0) == [Counter(2, T0 + 60)]
        values.increment("tries", _KEY, 5, window=60, at=T0 + 60)
        assert values.increment_many([back], at=T0 + 60) == [Counter(0, 0)]
        assert values.increment("tries", _KEY, 0, window=60, at=T0 + 60) == Counter(5, T0 + 120)
        missing = Increment("tries", hashed_key("none"), -1, T0 + 60, only_running=True)
        assert values.increment_many([missing], at=T0) == [Counter(0, 0)]
        assert values.get("tries", missing.key, at=T0) is None

    def test_several_counters_are_counted_at_once(self, storage: Storage) -> None:
        """In the order in which they were given."""
        steps = [Increment("tries", hashed_key(str(number)), number + 1, T0 + 60) for number in range(4)]
        assert storage.values.increment_many(steps, at=T0) == [Counter(step.amount, T0 + 60) for step in steps]
        assert storage.values.increment_many([], at=T0) == []

    def test_parallel_steps_are_all_counted(self, storage: Storage) -> None:
        """Each is told another count, also of a counter that nobody has made before.

        A step that a busy machine has let wait for too long may count or not; no other may be told its number.
        """
        handles = [storage.values, self.reopen(storage).values]

        def step(number: int, key: bytes) -> Counter | None:
            try:
                return handles[number % 2].increment("tries", key, window=60, at=T0)
            except StorageUnavailableError:
                return None

        for name in ("a", "b"):
            key = hashed_key(name)
            said = race(4 * _RACERS, lambda number: step(number, key))  # noqa: B023 - raced at once
            told = [each for each in said if each is not None]
            last = storage.values.increment("tries", key, window=60, at=T0)
            assert len({each.count for each in told}) == len(told) < last.count <= len(said) + 1
            assert {each.ends_at for each in [*told, last]} == {T0 + 60}

    def test_the_values_of_an_owner_are_listed_and_removed(self, storage: Storage) -> None:
        """Of one kind, without those that have expired; of nobody else."""
        values, owner, other = storage.values, ("", "7"), ("admin", "7")
        for name, who, kind, end in (
            (b"b", owner, "key", 60),
            (b"a", owner, "key", 60),
            (b"c", owner, "key", 9),
            (b"d", owner, "passkey", 60),
            (b"e", other, "key", 60),
        ):
            values.put(kind, owned_key(*who, name), name, owner=who, expires_at=T0 + end, at=T0)
        assert [each.value for each in self.reopen(storage).values.list("key", owner, at=T0 + 9)] == [b"a", b"b"]
        values.delete("key", owned_key(*owner, b"a"))
        values.delete("key", owned_key(*owner, b"nothing"))
        assert values.take("key", owned_key(*owner, b"b"), at=T0) is not None
        assert [each.value for each in values.list("key", owner, at=T0)] == [b"c"]
        values.delete_owner(owner)
        assert [values.list(kind, owner, at=T0) for kind in ("key", "passkey")] == [[], []]
        assert values.get("passkey", owned_key(*owner, b"d"), at=T0) is None
        assert [each.value for each in values.list("key", other, at=T0)] == [b"e"]

    def test_the_newest_values_of_an_owner_are_read_in_pages(self, storage: Storage) -> None:
        """In descending order of their keys, without those that have expired; bytes of any kind order alike."""
        values, owner, other = storage.values, ("", "7"), ("admin", "7")
        names = [b"\0", b"\0\xff", b"\1", b"A", b"Z", b"a", b"\x80", b"\xc3\xa9", b"\xff\0"]
        keys = [owned_key(*owner, name) for name in names]
        made = [new_value("event", key, key, expires_at=T0 + 60, owner=owner) for key in reversed(keys)]
        expired = new_value("event", owned_key(*owner, b"Y"), b"", expires_at=T0 + 9, owner=owner)
        strange = new_value("event", owned_key(*other, b"Z"), b"", expires_at=T0 + 60, owner=other)
        another = new_value("other", keys[3], b"", expires_at=T0 + 60, owner=owner)
        values.put_many([*made, expired, strange, another], at=T0)
        handle = self.reopen(storage).values
        assert [each.key for each in handle.newest("event", owner, most=99, at=T0 + 9)] == keys[::-1]
        assert [each.key for each in handle.newest("event", owner, most=2, at=T0 + 9, before=keys[5])] == keys[4:2:-1]
        assert handle.newest("event", owner, most=2, at=T0 + 9, before=keys[0]) == []
        assert handle.newest("event", owner, most=1, at=T0 + 9) == made[:1]
        assert [each.key for each in handle.newest("event", other, most=9, at=T0)] == [strange.key]

    def test_values_are_written_in_one_go(self, storage: Storage) -> None:
        """Over what is there; many, and none."""
        values, owner = storage.values, ("", "7")
        keys = [owned_key(*owner, b"%03d" % number) for number in range(300)]
        values.put_many([new_value("event", key, b"1", expires_at=T0 + 60, owner=owner) for key in keys], at=T0)
        values.put_many([new_value("event", key, b"2", expires_at=T0 + 60, owner=owner) for key in keys[:2]], at=T0)
        values.put_many([], at=T0)
        found = self.reopen(storage).values.list("event", owner, at=T0)
        assert [(each.key, each.value) for each in found[:3]] == [(keys[0], b"2"), (keys[1], b"2"), (keys[2], b"1")]
        assert len(found) == len(keys)

    def test_the_oldest_values_of_an_owner_are_removed(self, storage: Storage) -> None:
        """All but so many of one kind, however many there are; nobody else's."""
        values, owner, other = storage.values, ("", "7"), ("admin", "7")
        names = [b"%04d" % number for number in range(1200)]
        for who in (owner, other):
            made = [new_value("event", owned_key(*who, name), b"", expires_at=T0 + 60, owner=who) for name in names]
            for begin in range(0, len(made), 400):
                values.put_many(made[begin : begin + 400], at=T0)
        values.put("other", owned_key(*owner, b""), b"", expires_at=T0 + 60, at=T0, owner=owner)
        self.reopen(storage).values.trim("event", owner, keep=3)
        assert [each.key[2:] for each in values.list("event", owner, at=T0)] == names[-3:]
        values.trim("event", owner, keep=3)
        assert len(values.list("event", owner, at=T0)) == 3
        assert [len(values.list(*which, at=T0)) for which in (("event", other), ("other", owner))] == [1200, 1]

    def test_an_owner_may_have_any_name(self, storage: Storage) -> None:
        """No two are mistaken for each other."""
        owners = [("", "a:b"), ("a", ":b"), ("a:", "b"), ("", "王小明"), ("x", "1"), ("", "x1")]
        for owner in owners:
            storage.values.put("key", owned_key(*owner), repr(owner).encode(), owner=owner, expires_at=T0 + 9, at=T0)
        for owner in owners:
            assert [each.value for each in storage.values.list("key", owner, at=T0)] == [repr(owner).encode()]

    def test_expired_values_are_purged(self, storage: Storage) -> None:
        """A few at a time, and no others. A storage may have removed them by itself."""
        for number in range(5):
            storage.values.put("code", hashed_key(str(number)), b"", expires_at=T0 + number, at=T0 - 9)
        removed = [storage.values.purge(at=T0 + 3, most=3) for _ in range(3)]
        assert removed in ([3, 1, 0], [0, 0, 0])
        assert storage.values.get("code", hashed_key("4"), at=T0 + 3) is not None

    def test_what_cannot_be_a_value_is_refused(self, storage: Storage) -> None:
        """Alike on every storage, before it is asked."""
        values = storage.values
        for kind, key, value in (("Code", _KEY, b""), ("", _KEY, b""), ("code", b"k", b""), ("code", b"k" * 256, b"")):
            error_of(ValueError, values.put, kind, key, value, expires_at=T0 + 9, at=T0)
        error_of(ValueError, values.put, "code", _KEY, b"x" * 65_537, expires_at=T0 + 9, at=T0)
        stranger = owned_key("", "8", b"k")
        error_of(ValueError, values.put, "code", stranger, b"", owner=("", "7"), expires_at=T0 + 9, at=T0)
