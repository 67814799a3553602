"""A message of each sort."""

from flask_tessera.services.senders.message import Message

CODE = Message(
    to="+8613800138000",
    kind="phone",
    purpose="login",
    language="zh",
    subject="登录验证码",
    text="登录验证码 493021，5 分钟内有效。",
    code="493021",
    template={"code": "493021", "minutes": "5"},
)
LINK = Message(
    to="anna@example.com",
    kind="email",
    purpose="reset",
    language="en",
    subject="Reset your password – 重置密码",
    text="Set a new password:\nhttps://shop.example/auth/links/tst_secret\nThe link works once.\n",
    html="<p>Set a <a href='https://shop.example/auth/links/tst_secret'>new password</a>.</p>",
    link="https://shop.example/auth/links/tst_secret",
    template={"link": "https://shop.example/auth/links/tst_secret"},
)
NOTICE = Message(
    to="anna@example.com",
    kind="email",
    purpose="new_device",
    language="en",
    subject="New sign-in",
    text="Your account was used from a new device in Berlin.",
)
