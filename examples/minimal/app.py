import os

from flask import Flask

from flask_tessera import Tessera, current_user, login_required
from flask_tessera.accounts.passwords import Passwords

app = Flask(__name__)
app.config.update(SECRET_KEY=os.environ["SECRET_KEY"], TESSERA_STORE_URL="sqlite:///tessera.db")
tessera = Tessera(app)
passwords = Passwords()
users = {"alice": passwords.hash(os.environ["ALICE_PASSWORD"])}


@tessera.authenticator
def authenticate(credentials):
    name = str(credentials.get("name"))
    return name if passwords.verify(users.get(name), credentials.get("password")) else None


app.register_blueprint(tessera.blueprint())


@app.get("/hello")
@login_required
def hello():
    return {"hello": str(current_user)}
