#!/usr/bin/env -S RESTATE_LOGGING=ERROR node
// A chain of durable steps that do nothing, by Restate: `chain_restate.mjs STEPS` prints the microseconds a step took.
// The server answers on sockets in a folder of its own, so that it takes no port from anybody.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import http2 from "node:http2";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createEndpointHandler, service } from "@restatedev/restate-sdk";

// Each step is durable before the next begins.
const chain = service({
  name: "chain",
  handlers: {
    run: async (context, steps) => {
      for (let step = 0; step < steps; step++) {
        await context.run(`step ${step}`, () => step);
      }
    },
  },
});

// The program itself: the package's own starter would stand between us and its process id.
function startServer(folder) {
  const platform = `${process.platform}-${process.arch}`;
  const program = createRequire(import.meta.url).resolve(
    `@restatedev/restate-server-${platform}/bin/restate-server`,
  );
  const args = ["--listen-mode", "unix", "--node-name", "node", "--base-dir", folder];
  // Octocrab asks GitHub for newer versions.
  args.push("--log-filter", "error,octocrab=off");
  const env = { ...process.env, TMPDIR: folder, RESTATE_DISABLE_TELEMETRY: "true" };
  return spawn(program, args, { env, stdio: ["ignore", "ignore", "inherit"] });
}

async function serveChain() {
  const endpoint = http2.createServer(createEndpointHandler({ services: [chain] }));
  await once(endpoint.listen(0, "127.0.0.1"), "listening");
  return endpoint;
}

function post(socketPath, path, body) {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    const request = http.request({ socketPath, path, method: "POST", headers }, async (answer) => {
      const text = (await answer.toArray()).join("");
      answer.statusCode < 300 ? resolve(text) : reject(new Error(`${path}: ${answer.statusCode} ${text}`));
    });
    request.on("error", reject).end(JSON.stringify(body));
  });
}

// The server needs a moment until it answers.
async function register(server, admin, uri) {
  for (;;) {
    try {
      return await post(admin, "/deployments", { uri });
    } catch (error) {
      if (server.exitCode !== null || server.signalCode !== null) throw error;
      await sleep(50);
    }
  }
}

async function measured(ingress, steps) {
  const begun = performance.now();
  await post(ingress, "/chain/run", steps);
  return ((performance.now() - begun) * 1000) / steps;
}

const folder = await mkdtemp(join(tmpdir(), "restate-"));
const server = startServer(folder);
const ended = once(server, "exit");
try {
  const endpoint = await serveChain();
  const socket = (name) => join(folder, "node", `${name}.sock`);
  await register(server, socket("admin"), `http://127.0.0.1:${endpoint.address().port}`);
  // A short chain warms it up.
  await measured(socket("ingress"), 10);
  console.log(await measured(socket("ingress"), Number(process.argv[2])));
  endpoint.close();
} finally {
  // Nothing it wrote is needed again.
  server.kill("SIGKILL");
  await ended;
  await rm(folder, { recursive: true });
}
