// Holds files open through @marsaud/smb2, which needs --openssl-legacy-provider. One line of JSON on standard input: where, and
// `files`: [{path, afterMs, holdMs}] with `afterMs` counted from the start. Each closing is a line, {path, closingAt}, ms of
// the wall clock; `{all: true}` says that all are open.
import { setTimeout as delay } from "node:timers/promises";
import SMB2 from "@marsaud/smb2";

let input = "";
for await (const chunk of process.stdin) input += chunk;
const { port, domain, username, password, share, files, together } = JSON.parse(input);
const connect = () =>
  new SMB2({
    share: `\\\\127.0.0.1\\${share}`,
    ...{ port, domain, username, password, autoCloseTimeout: 0 },
  });
const began = performance.now();
const say = (what) => console.log(JSON.stringify(what));

/** Takes an interim response for a failure, as this client does: what was asked for is done all the same. */
async function despiteInterim(call) {
  try {
    await call;
  } catch (error) {
    if (!/PENDING/.test(String(error?.code))) throw error;
  }
}

async function begin(client, { path }) {
  const handle = await client.open(path.replaceAll("/", "\\"), "w");
  await despiteInterim(client.write(handle, Buffer.from(`content of ${path}`), undefined, undefined, 0));
  return handle;
}

async function end(client, handle, path) {
  const closingAt = Date.now();
  await despiteInterim(client.close(handle));
  say({ path, closingAt });
}

/** A connection each: Samba sends interim responses where requests of one wait for each other. */
async function hold(file) {
  await delay(Math.max(0, began + file.afterMs - performance.now()));
  const client = connect();
  try {
    const handle = await begin(client, file);
    await delay(file.holdMs);
    await end(client, handle, file.path);
  } finally {
    client.disconnect();
  }
}

async function holdTogether() {
  const client = connect();
  try {
    const handles = [];
    for (const file of files) handles.push(await begin(client, file));
    say({ all: true });
    await delay(files[0].holdMs);
    for (const [index, handle] of handles.entries()) await end(client, handle, files[index].path);
  } finally {
    client.disconnect();
  }
}

try {
  await (together ? holdTogether() : Promise.all(files.map(hold)));
} catch (error) {
  say({ error: String(error?.code ?? error?.message ?? error) });
  process.exitCode = 1;
}
