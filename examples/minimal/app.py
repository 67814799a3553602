from flask import Flask

from flask_tessera import Tessera, current_user, login_required

app = Flask(__name__)
app.config.from_prefixed_env()  # FLASK_SECRET_KEY, FLASK_ALICE_PASSWORD
app.config["TESSERA_STORE_URL"] = "sqlite:///tessera.db"
tessera = Tessera(app)
with app.app_context():
    users = {"alice": tessera.passwords.hash(app.config["ALICE_PASSWORD"])}


@tessera.authenticator(account="name")
def authenticate(credentials: dict[str, str]) -> str | None:
    name, password = credentials["name"], credentials.get("password")
    return name if tessera.passwords.verify(users.get(name), password) else None


app.register_blueprint(tessera.blueprint())


@app.get("/hello")
@login_required
def hello() -> dict[str, str]:
    return {"hello": str(current_user)}
