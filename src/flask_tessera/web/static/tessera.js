// Flask-Tessera in the browser: tessera.fetch(url, options) is fetch() with the session of this site.
// It adds the CSRF token (or a bearer token), renews an expired session once for all tabs, tries again once, and tells
// the page by the event "tessera:ended" why a session is over: event.detail is {error, msg}.
(() => {
  "use strict";
  const {prefix, cookie, realm, always200} = SETTINGS; // the server writes them here
  const name = "tessera:" + realm;
  const RENEWABLE = ["token_expired", "token_missing", "token_invalid"];
  let tokens = null; // bearer mode: {get, set} of a pair
  let memory = 0;

  const shared = (key, value) => {
    try {
      if (value === undefined) return localStorage.getItem(name + key);
      localStorage.setItem(name + key, value);
    } catch { /* no storage here: the server's leeway covers two tabs that renew at once */ }
    return null;
  };
  // What lies in the future was written by a clock that has been set back since.
  const renewedAt = () => Math.max(memory, ...[Number(shared("renewed"))].filter((at) => at <= Date.now()));
  const noteRenewed = () => { memory = Date.now(); shared("renewed", memory); };
  let overAt = 0; // when it was last found that there is no session
  const tell = ({error, msg}) => {
    overAt = Date.now();
    document.dispatchEvent(new CustomEvent("tessera:ended", {detail: {error, msg}}));
  };
  const isOver = () => overAt > renewedAt();
  const ended = ({error, msg}) => {
    if (isOver()) return; // it was told, and asking again changes nothing
    if (tokens) tokens.set(null);
    shared("ended", JSON.stringify({error, msg, at: Date.now()})); // the same text twice would reach no other tab
    tell({error, msg});
  };
  addEventListener("storage", (event) => {
    if (event.key !== name + "ended" || !event.newValue) return;
    try { tell(JSON.parse(event.newValue)); } catch { /* somebody else has written it */ }
  });
  const json = (answer) => answer.json().then((body) => body || {}, () => ({}));

  const csrf = async () => {
    const found = document.cookie.split("; ").find((each) => each.startsWith(cookie + "="));
    if (found) return found.slice(cookie.length + 1);
    const answer = await fetch(prefix + "/csrf", {cache: "no-store"});
    const body = await json(answer);
    return (body.data || body).csrf_token || "";
  };
  const send = async (request) => {
    // No other site is told our tokens.
    if (new URL(request.url).origin !== location.origin) return fetch(request);
    const pair = tokens && await tokens.get();
    if (pair) request.headers.set("Authorization", "Bearer " + pair.access_token);
    else if (!tokens && !/^(GET|HEAD|OPTIONS)$/.test(request.method)) request.headers.set("X-CSRF-Token", await csrf());
    return fetch(request);
  };
  const problem = async (answer) => {
    // Nor is any other site, or one that we were redirected to, believed what it says of our session.
    if (new URL(answer.url, location).origin !== location.origin) return {};
    if (!/json/.test(answer.headers.get("content-type"))) return {};
    if (answer.status !== 401 && !(always200 && answer.status === 200)) return {};
    return json(answer.clone());
  };
  const post = async (path, body) => {
    const request = new Request(prefix + path, {
      method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body),
    });
    const answer = await (path.startsWith("/login") ? fetch(request) : send(request));
    return [answer, await json(answer.clone())];
  };

  // Whether the session was renewed, by this tab or another one, since the Unix millisecond `since`.
  const renewNow = async (since) => {
    if (renewedAt() > since) return true;
    const pair = tokens && await tokens.get();
    if (tokens && !pair) return false;
    const [answer, body] = await post("/refresh", pair ? {refresh_token: pair.refresh_token} : {});
    if (answer.ok && !body.error) {
      if (tokens) await tokens.set(body.data || body);
      noteRenewed();
      return true;
    }
    if (/^(session_|user_gone)/.test(body.error)) ended({error: body.error, msg: body.msg || body.title});
    else if (body.error === "token_missing") overAt = Date.now();
    return false;
  };
  const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  // Where the browser has no Web Locks: whoever still stands in the shared storage after a moment renews.
  const renewAlone = async (since) => {
    const mine = Math.random() + ":" + Date.now();
    for (let tries = 0; tries < 100; tries++) {
      if (renewedAt() > since) return true;
      const [, at] = (shared("lock") || "0:0").split(/:(.*)/s);
      if (Date.now() - Number(at) > 5000) {
        shared("lock", mine);
        await pause(50);
        if ((shared("lock") || mine) === mine) {
          try { return await renewNow(since); } finally { shared("lock", ""); }
        }
      }
      await pause(100);
    }
    return renewNow(since);
  };
  let renewing = null; // within this tab
  const renew = (since) => renewing ||= (navigator.locks
    ? navigator.locks.request(name + "renew", () => renewNow(since)) : renewAlone(since)
  ).finally(() => { renewing = null; });

  // Passkeys go over the wire as JSON (WebAuthn Level 3 §5.1.8); browsers of before 2025 may not convert it themselves.
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (each) => each.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const parsed = (kind, options) => {
    if (PublicKeyCredential[kind]) return PublicKeyCredential[kind](options);
    const withId = (each) => ({...each, id: bytes(each.id)});
    const made = {...options, challenge: bytes(options.challenge)};
    if (options.user) made.user = withId(options.user);
    for (const name of ["excludeCredentials", "allowCredentials"]) {
      if (options[name]) made[name] = options[name].map(withId);
    }
    return made;
  };
  const asJson = (credential) => {
    if (credential.toJSON) return credential.toJSON();
    const {id, type, response: given} = credential, response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (given[name]) response[name] = text(given[name]);
    }
    if (given.getTransports) response.transports = given.getTransports();
    return {id, rawId: id, type, response};
  };
  const passkey = {
    // A new passkey for whoever is logged in; gives the server's answer, also where that is a refusal.
    async register(name) {
      const ask = (path, body) => window.tessera.fetch(prefix + path, {
        method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body),
      });
      const answer = await ask("/passkeys/options", {}), body = await json(answer.clone());
      if (!answer.ok || body.error) return answer;
      return ask("/passkeys", {name, credential: await passkey.create(body.data || body)});
    },
    // A new passkey by options that the server has given: the member `credential` of its registration.
    async create(options) {
      const publicKey = parsed("parseCreationOptionsFromJSON", options);
      return asJson(await navigator.credentials.create({publicKey}));
    },
    // What a passkey of the user answers now: the member `passkey` of a login, a second factor or a step-up. `options`
    // are those that a login which needs a second factor was answered with (next.passkey).
    async prove(options) {
      if (!options) {
        const [answer, body] = await post("/login/passkey/options", {});
        if (!answer.ok || body.error) throw new Error(body.msg || body.title || answer.status);
        options = body.data || body;
      }
      const publicKey = parsed("parseRequestOptionsFromJSON", options);
      return asJson(await navigator.credentials.get({publicKey}));
    },
    // The answer to a login by a passkey; `more` goes with it, as `device` and `remember`.
    async login(more) { return window.tessera.login({...more, passkey: await passkey.prove()}); },
  };

  const enter = async (path, sent) => {
    const [answer, body] = await post(path, tokens ? sent : {...sent, transport: "cookie"});
    if (answer.ok && !body.error) {
      if (tokens) await tokens.set(body.data || body);
      noteRenewed();
    }
    return answer;
  };

  window.tessera = {
    passkey,
    // As window.fetch; an answer that says the session is over is given to the caller, too.
    async fetch(url, options) {
      const request = new Request(url, options), again = request.clone(), since = Date.now();
      const answer = await send(request);
      const {error, msg, title} = await problem(answer);
      // A token that has expired is one of a session: one has begun since it was found that there is none.
      const mayRenew = error === "token_expired" || !isOver();
      if (RENEWABLE.includes(error) && mayRenew && await renew(since)) return send(again);
      if (/^(session_|user_gone)/.test(error)) {
        if (!tokens && !isOver()) await renew(since); // a refresh that is told so has the cookies cleared
        ended({error, msg: msg || title});
      }
      return answer;
    },
    // Whether the session was renewed since the Unix millisecond `since`, at which the page was asked for: now, if need be.
    renew(since = performance.timeOrigin) { return renew(since); },
    // The answer to a login with these credentials; `remember: false` among them ends it with the browser.
    login(credentials) { return enter("/login", credentials); },
    // The answer to the second step of a login: {ticket: next.ticket, totp: "…"}, or `recovery` or `passkey`.
    secondFactor(shown) { return enter("/second-factor", shown); },
    // which: "this", "others" or "all".
    async logout(which = "this") {
      const [answer, body] = await post("/logout", {which});
      if (answer.ok && !body.error && which !== "others") ended({error: "session_logout", msg: ""});
      return answer;
    },
    // Carry tokens in headers: store is {get(): pair or null, set(pair or null)}.
    useTokens(store) { tokens = store; },
  };
})();
