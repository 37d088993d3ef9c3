// A web server with one empty page on 127.0.0.1: a secure context for tests that need no server, and
// another origin for those that do. `scripts`: path to file, served as modules.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";

export async function startBlank(scripts = {}) {
  const server = createServer((request, response) => {
    const script = scripts[request.url];
    if (script) {
      response.setHeader("content-type", "text/javascript");
      response.end(readFileSync(script));
      return;
    }
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end("<!doctype html><title>blank</title><body></body>");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    stop: () => new Promise((resolve) => { server.closeAllConnections(); server.close(resolve); }),
  };
}
