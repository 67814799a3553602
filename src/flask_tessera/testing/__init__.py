"""For tests of applications and of storages: a login, a clock, races, and the contract of every storage."""

from .client import login_as
from .clock import YEAR_2096, Clock
from .contract import BrokenStorageContract, StorageContract
from .races import race
from .worker_processes import WorkerProcesses

__all__ = ["YEAR_2096", "BrokenStorageContract", "Clock", "StorageContract", "WorkerProcesses", "login_as", "race"]
