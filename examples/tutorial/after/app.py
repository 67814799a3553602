import os
import re

from auth import login_required, tessera
from flask import Flask, jsonify, request
from models import get_user_by_phone

from flask_tessera import CredentialsError


def create_app():
    app = Flask(__name__)
    app.config["SECRET_KEY"] = os.environ["SECRET_KEY"]
    app.config["DATABASE"] = os.environ["DATABASE"]
    app.config["TESSERA_STORE_URL"] = "sqlite:///tessera.db"
    app.config["TESSERA_HTTP_STATUS"] = "always_200"
    app.config["TESSERA_LEGACY"] = {"secret": os.environ["OLD_SECRET_KEY"], "until": 1830297600}  # 2028-01-01
    tessera.init_app(app)
    app.register_blueprint(tessera.blueprint())

    @app.route("/login", methods=["POST"])
    def login():
        data = request.get_json(silent=True)
        if not isinstance(data, dict):
            return jsonify(code=4103, msg="未接收到参数")
        phone, password = data.get("phone"), data.get("password")
        if not phone or not isinstance(password, str) or not password:
            return jsonify(code=4103, msg="请填写手机号或密码")
        if not isinstance(phone, str) or not re.fullmatch("1[2-9][0-9]{9}", phone):
            return jsonify(code=4103, msg="手机号有误")
        try:
            with tessera.login_attempt(account=phone) as attempt:
                user = get_user_by_phone(phone)
                if not tessera.passwords.verify(user and user.password_hash, password):
                    attempt.fail()
                token = attempt.create_token(user.id)
        except CredentialsError:
            return jsonify(code=4103, msg="手机号或密码错误")
        return jsonify(code=0, msg="成功", data=token)

    @app.route("/user/detail")
    @login_required
    def detail():
        user = tessera.current_user
        return jsonify(code=0, msg="成功", data=user.to_dict())

    return app
