// axios with Flask-Tessera: the token on each request; when it has expired, one refresh for all requests that meet it,
// and each of them is sent once more. store is {get(): pair or null, set(pair or null)}.
export function useTessera(client, {base = "/auth", store, onEnded = () => {}}) {
  let refreshing = null;

  async function refresh(sent) {
    const pair = store.get();
    if (sent !== `Bearer ${pair.access_token}`) return; // somebody was faster
    const answer = await client.post(`${base}/refresh`, {refresh_token: pair.refresh_token}, {isRefresh: true});
    store.set(answer.data.data); // saved before the new access token is used
  }

  client.interceptors.request.use((config) => {
    const pair = store.get();
    if (pair && !config.isRefresh) config.headers.Authorization = `Bearer ${pair.access_token}`;
    return config;
  });

  client.interceptors.response.use(undefined, async (error) => {
    const {config, response} = error;
    const slug = response && response.data && response.data.error;
    // Without a pair the session was found to be over meanwhile, and its reason was told.
    if (slug === "token_expired" && store.get() && !config.isRefresh && !config.isRepeated) {
      const sent = config.headers.Authorization;
      refreshing = refreshing || refresh(sent).finally(() => { refreshing = null; });
      await refreshing;
      return client.request({...config, isRepeated: true});
    }
    if (/^(session_|user_gone)/.test(slug) && store.get()) {
      store.set(null);
      onEnded(response.data); // {code, msg, error}: show msg, log in again
    }
    throw error;
  });
}
