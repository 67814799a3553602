// Runs one front end against a server. Commands come as lines of JSON on standard input, one answer a line goes out. A
// list is given as several arguments; `whole` asks for the answers instead of a word for each.
import {createInterface} from "node:readline";
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";

const [kind, site, snippet] = process.argv.slice(2);
const module = await import(pathToFileURL(snippet));
const ended = [];
const onEnded = (body) => ended.push(body.error);

async function overAxios() {
  const axios = createRequire(import.meta.url)("./vendor/axios.min.cjs");
  let pair = null;
  const store = {get: () => pair, set: (given) => { pair = given; }};
  const client = axios.create({baseURL: site, adapter: "fetch"});
  module.useTessera(client, {store, onEnded});
  const body = (answer) => answer.then(({data}) => data, (error) => error.response.data);
  return {
    login: async (credentials) => {
      const answer = await body(client.post("/auth/login", credentials));
      if (answer.code === 0) store.set(answer.data);
      return answer;
    },
    request: (path) => body(client.get(path)),
    logout: () => body(client.post("/auth/logout", {})),
  };
}

// As the platforms document request, getStorageSync, setStorageSync and removeStorageSync: a status that says "error" is
// a success, a body that is JSON comes decoded, what is absent from the storage is an empty text.
function platform() {
  const kept = new Map();
  return {
    request({url, method, data, header, success, fail}) {
      const body = method === "GET" ? undefined : JSON.stringify(data);
      fetch(url, {method, body, headers: {"content-type": "application/json", ...header}})
        .then(async (answer) => success({statusCode: answer.status, data: await answer.json()}), fail);
    },
    getStorageSync: (key) => kept.has(key) ? structuredClone(kept.get(key)) : "",
    setStorageSync: (key, value) => { kept.set(key, structuredClone(value)); },
    removeStorageSync: (key) => { kept.delete(key); },
  };
}

const client = kind === "axios" ? await overAxios() : module.tesseraClient(platform(), {site, onEnded});
for await (const line of createInterface({input: process.stdin})) {
  const {call, given, times = 1, whole = false} = JSON.parse(line);
  const answers = call === "ended" ? ended.splice(0)
    : await Promise.all(Array.from({length: times}, () => client[call](...[].concat(given))));
  const words = whole ? answers : answers.map((each) => typeof each === "string" ? each : each.error || (each.code === 0 ? "ok" : each));
  console.log(JSON.stringify(words));
}
