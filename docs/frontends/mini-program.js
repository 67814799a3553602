// WeChat mini programs and uni-app with Flask-Tessera: give it wx or uni. The token on each request; when it has
// expired, one refresh for all requests that meet it, and each of them is sent once more. Each call gives the body of
// the answer: {code, msg, data}, or {code, msg, error} and maybe {next}.
export function tesseraClient(platform, {site, base = "/auth", onEnded = () => {}}) {
  const KEY = "tessera";
  const TRUST = "tessera-trust"; // outlives a logout: on this device no second factor is asked for
  let refreshing = null;

  const send = (path, {method = "GET", data, header = {}} = {}) => new Promise((resolve, reject) => {
    platform.request({url: site + path, method, data, header, success: (answer) => resolve(answer.data), fail: reject});
  });
  const post = (path, data) => send(base + path, {method: "POST", data});
  const pair = () => platform.getStorageSync(KEY) || null;

  function keep(body) { // the pair is saved before the new access token is used
    if (body.code !== 0) return body;
    if (body.data.trust_token) platform.setStorageSync(TRUST, body.data.trust_token);
    platform.setStorageSync(KEY, body.data);
    return body;
  }

  function ended(body) {
    if (!pair()) return;
    platform.removeStorageSync(KEY);
    onEnded(body); // {code, msg, error}: show msg, log in again
  }

  async function refresh(used) {
    const held = pair();
    if (!held || held.access_token !== used) return; // somebody was faster
    const body = keep(await post("/refresh", {refresh_token: held.refresh_token}));
    if (/^(session_|user_gone)/.test(body.error)) ended(body);
  }

  async function request(path, options = {}, isRepeated = false) {
    const token = pair() ? pair().access_token : "";
    const header = {...options.header, ...(token && {Authorization: `Bearer ${token}`})};
    const body = await send(path, {...options, header});
    if (body.error === "token_expired" && !isRepeated) {
      refreshing = refreshing || refresh(token).finally(() => { refreshing = null; });
      await refreshing;
      return pair() ? request(path, options, true) : body;
    }
    if (/^(session_|user_gone)/.test(body.error)) ended(body);
    return body;
  }

  // {phone or email, password} or {recipient, code}, and maybe {device: {id, name, type}}. The error
  // second_factor_required is the half of a login: next.ticket goes to secondFactor.
  async function login(credentials) {
    const trusted = platform.getStorageSync(TRUST);
    return keep(await post("/login", trusted ? {...credentials, trust_token: trusted} : credentials));
  }

  async function logout() {
    const held = pair();
    platform.removeStorageSync(KEY);
    return held ? post("/logout", {refresh_token: held.refresh_token}) : null;
  }

  return {
    request,
    login,
    logout,
    // {recipient, purpose}: "login", "register" or "reset"
    sendCode: (wanted) => post("/codes", wanted),
    // {recipient, code} and maybe {password, name}
    register: async (person) => keep(await post("/register", person)),
    // {ticket, totp or recovery}; with {trust: true} this device is not asked again for 30 days
    secondFactor: async (step) => keep(await post("/second-factor", step)),
    // {password}, {totp} or {recipient, code}, where the error is step_up_required; then ask again for what was refused
    stepUp: async (proof) => keep(await request(`${base}/step-up`, {method: "POST", data: proof})),
  };
}
