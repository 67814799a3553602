from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.exc import IntegrityError

from flask_tessera import Tessera
from flask_tessera.accounts.recipients import Recipient
from flask_tessera.errors import AlreadyExistsError

db = SQLAlchemy()


class Person(db.Model):
    __table_args__ = ({"sqlite_autoincrement": True},)
    id = db.Column(db.Integer, primary_key=True)
    phone = db.Column(db.String(16), unique=True)
    email = db.Column(db.String(254), unique=True)
    name = db.Column(db.String(64), nullable=False, default="")
    password_hash = db.Column(db.String(256))
    disabled = db.Column(db.Boolean, nullable=False, default=False)


class People:
    def by_id(self, user_id):
        return db.session.get(Person, user_id)

    def by_recipient(self, recipient):
        return db.session.scalar(db.select(Person).filter_by(**{recipient.kind: recipient.address}))

    def recipients(self, person):
        return [Recipient(kind, getattr(person, kind)) for kind in ("phone", "email") if getattr(person, kind)]

    def password_hash(self, person):
        return person.password_hash

    def set_password_hash(self, person, new, old):
        still = (Person.id == person.id) & Person.password_hash.is_not_distinct_from(old)
        kept = db.session.execute(db.update(Person).where(still).values(password_hash=new)).rowcount == 1
        db.session.commit()
        return kept

    def is_disabled(self, person):
        return person.disabled

    def create(self, new):
        found = {new.recipient.kind: new.recipient.address}
        return self._save(Person(**found, name=new.name, password_hash=new.password_hash))

    def update(self, person, changes):
        person.name = changes.get("name", person.name)  # no columns for head_portrait and intro here
        return self._save(person)

    def bind(self, person, recipient):
        setattr(person, recipient.kind, recipient.address)
        return self._save(person)

    def _save(self, person):
        db.session.add(person)
        try:
            db.session.commit()
        except IntegrityError as error:
            db.session.rollback()
            raise AlreadyExistsError("somebody has this phone number or e-mail address") from error
        return person


app = Flask(__name__)
app.config.from_prefixed_env()  # FLASK_SECRET_KEY, FLASK_TESSERA_SENDER, FLASK_TESSERA_PUBLIC_URL
app.config["TESSERA_STORE_URL"] = "sqlite:///tessera.db"
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///people.db"
db.init_app(app)
with app.app_context():
    db.create_all()
tessera = Tessera(app, user_id_type=int, users=People())
tessera.user_view(lambda person: {"phone": person.phone, "email": person.email, "name": person.name})
tessera.revoke_on_delete(Person)
app.register_blueprint(tessera.blueprint())
