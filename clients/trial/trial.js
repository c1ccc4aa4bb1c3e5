// Two requests with a second between them: node trial.js agent|fetch METHOD URL.
"use strict";
const http = require("http");

const [library, method, url] = process.argv.slice(2);
const body = method === "POST" ? "ten won" : undefined;

const byAgent = (path) =>
  new Promise((resolve, reject) => {
    const request = http.request(url + path, { method }, (response) => {
      response.resume();
      response.on("end", resolve);
    });
    request.on("error", reject);
    request.end(body);
  });
const byFetch = async (path) => (await fetch(url + path, { method, body })).text();

(async () => {
  const send = library === "fetch" ? byFetch : byAgent;
  await send("/first");
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await send("/second");
  process.exit(0);
})().catch(() => process.exit(1));
