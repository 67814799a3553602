"""What every storage does, as tests: subclass `StorageContract` and give it a storage."""

from .beginning import BeginningCases
from .breaking import BrokenStorageContract
from .ending import EndingCases
from .listening import ListeningCases
from .log import LogCases
from .moving import MovingCases
from .racing import RacingCases
from .rotation import RotationCases
from .seeing import SeeingCases
from .stepping_up import SteppingUpCases
from .texts import TextCases
from .values import ValueCases


class StorageContract(
    BeginningCases,
    RotationCases,
    SteppingUpCases,
    SeeingCases,
    EndingCases,
    LogCases,
    ListeningCases,
    MovingCases,
    TextCases,
    ValueCases,
    RacingCases,
):
    """The contract of `flask_tessera.storage.contract` as pytest cases.

    A subclass named `Test…` has a fixture `storage` that gives an empty storage, and, where a storage can be
    opened twice, a method `reopen`::

        class TestMine(StorageContract):
            @pytest.fixture
            def storage(self, tmp_path):
                self.path = tmp_path / "mine"
                yield MyStorage(self.path)

            def reopen(self, storage):
                return MyStorage(self.path)

    No case asks which storage it runs on.
    """


__all__ = ["BrokenStorageContract", "StorageContract"]
