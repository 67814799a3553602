// WeChat mini programs and uni-app with Flask-Tessera: give it wx or uni. The token on each request; when it has
// expired, one refresh for all requests that meet it, and each of them is sent once more.
export function tesseraClient(platform, {site, base = "/auth", onEnded = () => {}}) {
  const KEY = "tessera";
  let refreshing = null;

  const send = (path, {method = "GET", data, header = {}} = {}) => new Promise((resolve, reject) => {
    platform.request({url: site + path, method, data, header, success: (answer) => resolve(answer.data), fail: reject});
  });
  const pair = () => platform.getStorageSync(KEY) || null;

  function ended(body) {
    if (!pair()) return;
    platform.removeStorageSync(KEY);
    onEnded(body); // {code, msg, error}: show msg, log in again
  }

  async function refresh(used) {
    const held = pair();
    if (!held || held.access_token !== used) return; // somebody was faster
    const body = await send(`${base}/refresh`, {method: "POST", data: {refresh_token: held.refresh_token}});
    if (body.code === 0) platform.setStorageSync(KEY, body.data); // saved before the new access token is used
    else if (/^(session_|user_gone)/.test(body.error)) ended(body);
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

  async function login(credentials) {
    const body = await send(`${base}/login`, {method: "POST", data: credentials});
    if (body.code === 0) platform.setStorageSync(KEY, body.data);
    return body;
  }

  async function logout() {
    const held = pair();
    platform.removeStorageSync(KEY);
    return held ? send(`${base}/logout`, {method: "POST", data: {refresh_token: held.refresh_token}}) : null;
  }

  return {request, login, logout};
}
