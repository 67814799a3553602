"""A site with the pages, and a browser that fills in their forms."""

from __future__ import annotations

from html.parser import HTMLParser
from http.cookies import SimpleCookie

from flask_tessera import CredentialsError
from tests.web.conftest import make_site

HOST = "shop.example"
OWN = {"Origin": f"https://{HOST}", "Sec-Fetch-Site": "same-origin"}
ACCESS, REFRESH, CSRF = "__Host-tessera", "__Secure-tessera-refresh", "__Host-tessera-csrf"
PASSWORD = "right"


class Page(HTMLParser):
    """What a page holds: forms with their fields, links, texts, and every tag with its attributes."""

    def __init__(self, answer):
        super().__init__()
        self.tags, self.forms, self.text, self._open = [], {}, "", []
        self.feed(answer.text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append((tag, given))
        if tag == "form":
            # Where several are sent to one address, the first: it is what Enter sends.
            self._fields = {}
            self.forms.setdefault(given.get("action", ""), self._fields)
        elif tag == "input" and "name" in given:
            self._fields[given["name"]] = given.get("value", "")

    def handle_data(self, data):
        self.text += data

    def all(self, tag, **wanted):
        return [given for name, given in self.tags if name == tag and wanted.items() <= given.items()]


class Browser:
    """Keeps cookies as a browser does, as far as these tests need it, and sends the headers of one."""

    def __init__(self, app, host=HOST, scheme="https", **headers):
        self.client = app.test_client(use_cookies=False)
        self.base = f"{scheme}://{host}"
        self.headers = {"Accept-Language": "en", **headers}
        self.jar = {}

    def send(self, method, path, headers=OWN, **how):
        sent = {**self.headers, **headers}
        cookies = [f"{name}={value}" for name, (value, place) in self.jar.items() if path.startswith(place)]
        if cookies:
            sent["Cookie"] = "; ".join(cookies)
        answer = self.client.open(path, method=method, base_url=self.base, headers=sent, **how)
        for line in answer.headers.getlist("Set-Cookie"):
            (morsel,) = SimpleCookie(line).values()
            if morsel["max-age"] == "0":
                self.jar.pop(morsel.key, None)
            else:
                self.jar[morsel.key] = (morsel.value, morsel["path"])
                self.max_age = morsel["max-age"]
        return answer

    def get(self, path, **how):
        return self.send("GET", path, {"Sec-Fetch-Site": "same-origin"}, **how)

    def sign_in(self, account="13800000007", password=PASSWORD, **more):
        fields = {"account": account, "password": password, "remember": "1", **more}
        return self.send("POST", "/console/sign-in", data=fields)

    def devices(self):
        answer = self.get("/console/devices")
        assert answer.status_code == 200, answer.headers.get("Location")
        return Page(answer)

    def press(self, action, page=None, **fields):
        """Send one of the forms of the devices page."""
        form = (page or self.devices()).forms[action]
        return self.send("POST", action, data={**form, **fields})


def make(*, loader=True, console=None, **config):
    site = make_site(loader=loader, **{"TESSERA_COOKIES": True, **config})

    @site.tessera.authenticator
    def check(credentials):
        site.credentials = credentials
        if credentials.get("password") != PASSWORD:
            raise CredentialsError
        return site.users[8 if credentials.get("phone", "").endswith("8") else 7]

    @site.tessera.user_view
    def view(user):
        return {"name": user.name}

    site.app.register_blueprint(site.tessera.blueprint())
    site.app.register_blueprint(site.tessera.console(**(console or {"account": "phone"})))
    return site
