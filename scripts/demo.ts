/**
 * npm run demo [-- --once]: the whole road on one machine. A real Samba, a real nats-server, a worker and a
 * gateway as processes on free loopback ports; changes made by smbclient; messages received over WebSocket.
 *
 * `--once` makes one change, prints the message a WebSocket client received, and ends: 0, or 1 with a reason.
 * `SMB2NATS_PASSWORD_FILE` replaces the password the worker logs in with; a refused login ends with 77.
 */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import WebSocket from "ws";
import { createNtlmProvider } from "../src/auth/ntlm.ts";
import { describeError } from "../src/base/errors.ts";
import { Share } from "../src/share/share.ts";
import { SourceError } from "../src/watch/source.ts";
import { startSamba } from "./lab/samba.ts";
import { type Stack, startStack } from "./lab/stack.ts";

const EXIT_REFUSED = 77;
const HELP = `npm run demo              run until Ctrl-C, with a page to look at
npm run demo -- --once    one change, one message, done`;

interface Frame {
  readonly type: string;
  readonly message?: string;
  readonly code?: string;
  readonly [key: string]: unknown;
}

class Refused extends Error {}

/** A password of the user's own is tried once, before a worker could try it again and again. */
async function tryPassword(passwordFile: string): Promise<void> {
  const samba = await startSamba();
  const password = readFileSync(passwordFile, "utf8").replace(/\r?\n$/, "");
  const auth = createNtlmProvider({ username: samba.user, domain: samba.domain, password });
  const share = new Share({ smb: { host: samba.host, port: samba.port, share: "share", auth } });
  try {
    await share.connect({ wait: false });
  } catch (error) {
    if (error instanceof SourceError && error.failure === "credentials") {
      throw new Refused(`the file server refuses the password in SMB2NATS_PASSWORD_FILE: ${error.message}`);
    }
    throw error;
  } finally {
    await share.close();
    await samba.stop();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { once: { type: "boolean" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help === true) {
    console.log(HELP);
    return;
  }
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => (stop.signal.aborted ? process.exit(130) : stop.abort(signal)));
  }
  const passwordFile = process.env["SMB2NATS_PASSWORD_FILE"];
  if (passwordFile !== undefined) await tryPassword(passwordFile);
  const stack = await startStack({
    onStep: say,
    connection: { cover: "directory", ...(passwordFile === undefined ? {} : { passwordFile }) },
  });
  try {
    await stack.samba.smbclient("mkdir Photos; mkdir Documents; mkdir Inbox");
    if (values.once === true) await once(stack, stop.signal);
    else await show(stack, stop.signal);
  } finally {
    say("stopping what was started");
    await stack.close();
  }
}

async function once(stack: Stack, signal: AbortSignal): Promise<void> {
  const client = await subscribe(stack, "/Photos", false);
  try {
    say("subscribed to /Photos; smbclient now makes a directory in it");
    const message = client.next((frame) => frame.type === "directory_changed");
    await stack.samba.smbclient("mkdir Photos/summer");
    const frame = await Promise.race([message, timeout(20_000, "no message within 20 s"), aborted(signal)]);
    console.log(JSON.stringify(frame));
  } finally {
    client.close();
  }
}

async function show(stack: Stack, signal: AbortSignal): Promise<void> {
  const client = await subscribe(stack, "/", true);
  const url = stack.gateways[0]?.url ?? "";
  console.log(`
  Live page     ${url}/#tree=lab:/
  Metrics       ${stack.workers[0]?.ops}/metrics
  NATS          ${stack.nats.url}   (try: nats sub 'smb.>')
  Share folder  ${stack.samba.path()}   (files made here are changes on the server itself)
  Another SMB client makes a change every few seconds. Ctrl-C ends everything.
`);
  client.each((frame) => console.log(JSON.stringify(frame)));
  const steps = [
    "mkdir Photos/2026-{n}",
    "mkdir Documents/draft-{n}",
    "rename Documents/draft-{n} Documents/letter-{n}",
    "mkdir Inbox/parcel-{n}",
    "rmdir Inbox/parcel-{n}",
  ];
  for (let n = 0; !signal.aborted; n++) {
    const command =
      steps[n % steps.length]?.replaceAll("{n}", String(Math.floor(n / steps.length) + 1)) ?? "";
    await stack.samba.smbclient(command).catch((error: unknown) => say(describeError(error)));
    await delay(2_500, undefined, { signal }).catch(() => undefined);
  }
  client.close();
}

interface Client {
  next(match: (frame: Frame) => boolean): Promise<Frame>;
  each(listener: (frame: Frame) => void): void;
  close(): void;
}

async function subscribe(stack: Stack, path: string, recursive: boolean): Promise<Client> {
  const url = `${stack.gateways[0]?.url.replace("http", "ws")}/ws`;
  const socket = new WebSocket(url);
  const listeners = new Set<(frame: Frame) => void>();
  socket.on("message", (data) => {
    const frame = JSON.parse(String(data)) as Frame;
    for (const listener of [...listeners]) listener(frame);
  });
  await new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  const client: Client = {
    next: (match) =>
      new Promise((resolve) => {
        const listener = (frame: Frame): void => {
          if (!match(frame)) return;
          listeners.delete(listener);
          resolve(frame);
        };
        listeners.add(listener);
      }),
    each: (listener) => void listeners.add(listener),
    close: () => socket.close(),
  };
  const answer = client.next((frame) => frame.type === "subscribed" || frame.type === "error");
  socket.send(
    JSON.stringify({
      action: "subscribe",
      connection_id: "lab",
      path,
      recursive,
      detail: "changes",
      id: "demo",
    }),
  );
  const frame = await Promise.race([answer, timeout(45_000, "no answer to the subscribe within 45 s")]);
  if (frame.type === "error") {
    client.close();
    const text = `the gateway refused the subscription: ${frame.message} (${frame.code})`;
    throw frame.code === "denied" ? new Refused(text) : new Error(text);
  }
  return client;
}

async function timeout(ms: number, reason: string): Promise<never> {
  await delay(ms, undefined, { ref: false });
  throw new Error(reason);
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(new Error("interrupted")), { once: true });
  });
}

function say(text: string): void {
  console.error(`demo: ${text}`);
}

try {
  await main();
} catch (error) {
  say(describeError(error));
  process.exitCode = error instanceof Refused ? EXIT_REFUSED : 1;
}
