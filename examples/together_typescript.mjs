// The Together client for TypeScript and JavaScript, pointed at this server.
//
//     npm install together-ai
//     export TOGETHER_API_KEY=…          # the key that `rushes serve` printed
//     node examples/together_typescript.mjs

import { writeFile } from "node:fs/promises";
import Together from "together-ai";

const client = new Together({ baseURL: process.env.TOGETHER_BASE_URL ?? "http://127.0.0.1:8000/v2" });

let job = await client.videos.create({
  model: "rushes/mini",
  prompt: "A penguin waddles across the snow while the camera slowly pans left",
  seconds: "2",
  steps: 20,
  seed: 7,
});
console.log("job", job.id);

while (!["completed", "failed"].includes(job.status)) {
  await new Promise((resolve) => setTimeout(resolve, 1000));
  job = await client.videos.retrieve(job.id);
  console.log(job.status, `${job.progress} %`);
}

if (job.status === "failed") throw new Error(`${job.error.code}: ${job.error.message}`);

const file = await fetch(job.outputs.video_url);
await writeFile("penguin.mp4", Buffer.from(await file.arrayBuffer()));
console.log("penguin.mp4");
