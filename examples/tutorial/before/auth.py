import functools

from flask import current_app, jsonify, request
from itsdangerous import BadSignature
from itsdangerous import TimedJSONWebSignatureSerializer as Serializer
from models import get_user


def create_token(user_id):
    s = Serializer(current_app.config["SECRET_KEY"], expires_in=3600)
    return s.dumps({"id": user_id}).decode("ascii")


def verify_token(token):
    s = Serializer(current_app.config["SECRET_KEY"])
    try:
        data = s.loads(token)
    except BadSignature:
        return None
    return get_user(data["id"])


def login_required(view_func):
    @functools.wraps(view_func)
    def wrapper(*args, **kwargs):
        try:
            token = request.headers["z-token"]
        except KeyError:
            return jsonify(code=4103, msg="缺少参数token")
        if verify_token(token) is None:
            return jsonify(code=4101, msg="登录已过期")
        return view_func(*args, **kwargs)

    return wrapper
