// A real Together client for TypeScript at the end of a pipe, as together_python_at_work.py is for Python.
//
// argv[2] is the folder that the client is installed in, which need not be above this file.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

const { Together } = createRequire(`${process.argv[2]}/`)("together-ai");
const clients = new Map();

function clientOf(options, environment) {
  const key = JSON.stringify([options, environment]);
  if (!clients.has(key)) {
    Object.assign(process.env, environment);
    clients.set(key, new Together(options));
    for (const name of Object.keys(environment)) delete process.env[name];
  }
  return clients.get(key);
}

const calls = {
  "videos.create": (client, body) => client.videos.create(body),
  "videos.retrieve": (client, { id }) => client.videos.retrieve(id),
  "models.list": (client) => client.models.list(),
  // Together's own loop: it knows two ways to end and no other.
  async watch(client, { id, every_s }) {
    for (;;) {
      const status = await client.videos.retrieve(id);
      if (status.status === "completed") return status;
      else if (status.status === "failed") return status;
      await pause(every_s * 1000);
    }
  },
  send: (client, { verb, path, text, content_type }) =>
    client.request({ method: verb, path, body: new TextEncoder().encode(text), headers: { "content-type": content_type } }),
};

function told(error) {
  return {
    kind: error.constructor.name,
    status: error.status ?? null,
    body: error.error ?? null,
    headers: Object.fromEntries(error.headers ?? []),
    text: String(error.message),
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { call, options, environment, arguments: given } = JSON.parse(line);
  const began = performance.now();
  let answer;
  try {
    answer = { value: await calls[call](clientOf(options, environment), given) };
  } catch (error) {
    answer = { raised: told(error) };
  }
  console.log(JSON.stringify({ ...answer, took_s: (performance.now() - began) / 1000 }));
}
