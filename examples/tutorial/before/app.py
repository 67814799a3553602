import os
import re

from auth import create_token, login_required, verify_token
from flask import Flask, jsonify, request
from models import get_user_by_phone


def create_app():
    app = Flask(__name__)
    app.config["SECRET_KEY"] = os.environ["SECRET_KEY"]
    app.config["DATABASE"] = os.environ["DATABASE"]

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
        user = get_user_by_phone(phone)
        if user is None or not user.check_password(password):
            return jsonify(code=4103, msg="手机号或密码错误")
        token = create_token(user.id)
        return jsonify(code=0, msg="成功", data=token)

    @app.route("/user/detail")
    @login_required
    def detail():
        user = verify_token(request.headers["z-token"])
        return jsonify(code=0, msg="成功", data=user.to_dict())

    return app
