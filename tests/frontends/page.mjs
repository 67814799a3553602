// static/tessera.js in a page that is stood in for: prints what happens as JSON, by the name of what is tried.
import {readFileSync} from "node:fs";
import vm from "node:vm";

const [source, tried] = process.argv.slice(2);
const SITE = "https://shop.example";
const SETTINGS = {prefix: "/auth", cookie: "csrf", realm: "", always200: false};
const text = readFileSync(source, "utf8").replace("= SETTINGS;", `= ${JSON.stringify(SETTINGS)};`);
const json = (status, body) => new Response(JSON.stringify(body), {status, headers: {"content-type": "application/json"}});

function page(answer, {storage = new Map(), cookie = "csrf=c", locks = true} = {}) {
  const listeners = {}, asked = [], told = [], heard = [];
  const location = new URL(SITE + "/");
  class PageRequest extends Request {
    constructor(input, init) { super(input instanceof Request ? input : new URL(input, location), init); }
  }
  const localStorage = {
    getItem: (key) => storage.has(key) ? storage.get(key) : null,
    setItem: (key, value) => {
      if (storage.get(key) !== String(value)) heard.push(key); // a browser tells other tabs of changes only
      storage.set(key, String(value));
    },
  };
  const context = {
    Request: PageRequest, URL, Response, JSON, Math, Number, Date, Promise, setTimeout, location, localStorage,
    CustomEvent: class { constructor(type, {detail}) { Object.assign(this, {type, detail}); } },
    navigator: locks ? {locks: {request: (name, call) => call()}} : {},
    addEventListener: (type, listener) => { listeners[type] = listener; },
    document: {
      cookie,
      dispatchEvent: (event) => { told.push(event.detail); (listeners[event.type] || (() => {}))(event); },
    },
    fetch: async (input, init) => {
      const request = new PageRequest(input, init);
      asked.push(`${request.method} ${new URL(request.url).host + new URL(request.url).pathname}`);
      return Object.defineProperties(await answer(request), {
        url: {value: request.url}, clone: {value() { return Object.defineProperty(Response.prototype.clone.call(this), "url", {value: request.url}); }},
      });
    },
  };
  context.window = context;
  vm.runInNewContext(text, context);
  return {tessera: context.tessera, asked, told, heard, storage, listeners};
}

const TRIED = {
  async "another site says that the session is over"() {
    let pair = {access_token: "A", refresh_token: "R"};
    const shown = page(() => json(401, {error: "session_kick", msg: "evil"}));
    shown.tessera.useTokens({get: () => pair, set: (given) => { pair = given; }});
    await shown.tessera.fetch("https://weather.example/");
    return {asked: shown.asked, told: shown.told, hasPair: Boolean(pair)};
  },
  async "another site says that the token has expired"() {
    const shown = page(() => json(401, {error: "token_expired"}));
    await shown.tessera.fetch("https://weather.example/");
    return {asked: shown.asked};
  },
  async "two logouts"() {
    const shown = page(() => json(200, {}));
    await shown.tessera.logout();
    await shown.tessera.login({phone: "1"});
    await shown.tessera.logout();
    return {heard: shown.heard.filter((key) => key.endsWith("ended")).length, told: shown.told.length};
  },
  async "a clock that was ahead"() {
    const shown = page(({url}) => url.endsWith("/refresh") ? json(200, {}) : json(401, {error: "token_expired"}),
      {storage: new Map([["tessera:renewed", String(Date.now() + 1e10)]])});
    await shown.tessera.fetch("/me");
    return {asked: shown.asked};
  },
  async "a listener that fetches"() {
    const shown = page(() => json(401, {error: "session_kick", msg: "m"}));
    shown.listeners["tessera:ended"] = () => shown.tessera.fetch("/me");
    await shown.tessera.fetch("/orders");
    await new Promise((done) => setTimeout(done, 100));
    return {asked: shown.asked, told: shown.told};
  },
  async "nobody is signed in"() {
    const shown = page(() => json(401, {error: "token_missing"}));
    for (let times = 0; times < 3; times++) await shown.tessera.fetch("/me");
    return {asked: shown.asked, told: shown.told};
  },
  async "odd bodies"() {
    const statuses = [];
    for (const body of ["null", "[]", "1", '"x"', '{"error": {}}', "{", ""]) {
      const shown = page(() => new Response(body, {status: 401, headers: {"content-type": "application/json"}}));
      statuses.push((await shown.tessera.fetch("/x", {method: "POST"})).status, (await shown.tessera.logout()).status);
    }
    return {statuses: [...new Set(statuses)]};
  },
  async "odd storage events"() {
    const shown = page(() => json(200, {}));
    for (const newValue of ["{", "null", '{"error": "session_logout"}']) shown.listeners.storage({key: "tessera:ended", newValue});
    return {told: shown.told.map(({error}) => error)};
  },
  async "without locks"() {
    let refreshes = 0;
    const storage = new Map();
    const answer = ({url}) => {
      if (url.endsWith("/refresh")) { refreshes++; return json(200, {}); }
      return json(refreshes ? 200 : 401, refreshes ? {} : {error: "token_expired"});
    };
    const tabs = [1, 2, 3].map(() => page(answer, {storage, locks: false}));
    const answers = await Promise.all(tabs.map(({tessera}) => tessera.fetch("/me")));
    return {refreshes, statuses: answers.map(({status}) => status)};
  },
};
console.log(JSON.stringify(await TRIED[tried]()));
