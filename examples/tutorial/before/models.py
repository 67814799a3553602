import sqlite3

from flask import current_app
from werkzeug.security import check_password_hash, generate_password_hash

COLUMNS = ("id", "phone", "password_hash", "name", "head_portrait", "intro", "level")


class User:
    def __init__(self, row):
        self.__dict__.update(zip(COLUMNS, row, strict=True))

    def check_password(self, password):
        return check_password_hash(self.password_hash, password)

    def to_dict(self):
        return {name: getattr(self, name) for name in ("phone", "name", "head_portrait", "intro", "level")}


def connect():
    connection = sqlite3.connect(current_app.config["DATABASE"])
    connection.execute(
        "CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, phone TEXT UNIQUE, password_hash TEXT,"
        " name TEXT, head_portrait TEXT, intro TEXT, level INTEGER)"
    )
    return connection


def find_user(column, value):
    connection = connect()
    row = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM users WHERE {column} = ?", (value,)).fetchone()
    connection.close()
    return User(row) if row else None


def get_user(user_id):
    return find_user("id", user_id)


def get_user_by_phone(phone):
    return find_user("phone", phone)


def add_user(phone, password, name=""):
    connection = connect()
    connection.execute(
        "INSERT INTO users (phone, password_hash, name, head_portrait, intro, level) VALUES (?, ?, ?, '', '', 0)",
        (phone, generate_password_hash(password), name),
    )
    connection.commit()
    connection.close()
