// Requests in runs with a pause between them: node trial.js agent|fetch; README.md has the
// environment.
"use strict";
const http = require("http");

const [library] = process.argv.slice(2);
const url = process.env.HALFOPEN_URL;
const method = process.env.HALFOPEN_METHOD ?? "GET";
const pause = Number(process.env.HALFOPEN_PAUSE_S ?? 1) * 1000;
const runs = Number(process.env.HALFOPEN_RUNS ?? 2);
const requests = Number(process.env.HALFOPEN_REQUESTS ?? 1);
const body = method === "POST" ? "ten won" : undefined;

const byAgent = () =>
  new Promise((resolve, reject) => {
    const request = http.request(url, { method }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode));
    });
    request.on("error", reject);
    request.end(body);
  });
const byFetch = async () => {
  const response = await fetch(url, { method, body });
  await response.text();
  return response.status;
};
const words = (error) => (error.cause ? `${error}, caused by ${error.cause}` : `${error}`);

(async () => {
  const send = library === "fetch" ? byFetch : byAgent;
  let failed = 0;
  for (let run = 0; run < runs; run++) {
    if (run > 0) {
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    for (let request = 0; request < requests; request++) {
      try {
        console.log(await send());
      } catch (error) {
        failed = 1;
        console.log(words(error));
      }
    }
  }
  process.exit(failed);
})();
