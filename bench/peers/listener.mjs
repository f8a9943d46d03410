// Listens to directories, or lists one, with what this project has built, or through smbclient: a program of
// `npm run bench -- --peers`. What it is asked and answers, line by line, is told in lines.ts. Its argument says how it listens.
// Plain JavaScript: a loader for TypeScript would be in its memory.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { isEntry, parseNotify } from "./smbclient-lines.mjs";

const now = () => process.hrtime.bigint();
const say = (line) => process.stdout.write(`${line}\n`);
const settings = {};
let names = new Map();
let prefix = "";
let compared = 0;
let overflows = 0;

function heard(all, byComparing = false) {
  const at = now();
  for (const name of all) {
    if (names.has(name) || !name.startsWith(prefix)) continue;
    names.set(name, at);
    if (byComparing) compared++;
  }
}

/** As a program uses the library. */
function library() {
  let client;
  const connect = async () => {
    const { SmbClient } = await import("../../dist/index.js");
    const { host: server, port, share, user: username, domain, password } = settings;
    // What is made on the server itself only a handle on the directory hears at once.
    const watch = { cover: "directory" };
    return SmbClient.connect({ server, port: Number(port), share, username, domain, password, watch });
  };
  return {
    async arm(paths) {
      client ??= await connect();
      const watching = paths.map((path) => {
        let live;
        const isLive = new Promise((resolve, reject) => {
          live = { resolve, reject };
        });
        follow(client.watch(`/${path}`), live.resolve).catch(live.reject);
        return isLive;
      });
      await Promise.all(watching);
    },
    async list(path) {
      client ??= await connect();
      let count = 0;
      const began = now();
      for await (const _ of client.list(`/${path}`)) count++;
      return [count, now() - began];
    },
  };
}

async function follow(events, live) {
  for await (const event of events) {
    if (event.type === "live") live();
    else if (event.type === "resync") overflows++;
    else if (event.type === "changes")
      heard(
        event.changes.map(({ name }) => name),
        event.via !== "notify",
      );
  }
}

/** Requests on an open handle, without anything above them. */
function bare() {
  let pool;
  const loop = async (handle, arm, current, next) => {
    for (;;) {
      const outcome = await current.outcome;
      if (outcome.type === "records") heard(outcome.records.map(({ name }) => name));
      else if (outcome.type === "overflow") overflows++;
      else return;
      current = next;
      next = handle.arm(arm);
    }
  };
  return {
    async arm(paths) {
      if (pool === undefined) {
        const { SmbPool } = await import("../../dist/smb/pool/index.js");
        const { createNtlmProvider } = await import("../../dist/auth/ntlm.js");
        const { host, port, share, user: username, domain, password } = settings;
        const auth = createNtlmProvider({ username, domain, password });
        pool = new SmbPool({ host, port: Number(port), share, auth });
      }
      const arm = { recursive: false, filter: 0x1f };
      const open = async (path) => {
        const handle = await pool.openDirectory(`/${path}`);
        const [current, next] = [handle.arm(arm), handle.arm(arm)];
        for (const { accepted } of [current, next])
          if (!(await accepted)) throw new Error("a request was not accepted");
        loop(handle, arm, current, next).catch((error) => say(`failed ${error}`));
      };
      await Promise.all(paths.map(open));
    },
  };
}

/** A plain subscriber; a worker watches the directories. */
function nats() {
  let connection;
  return {
    async arm(paths) {
      const { connect } = await import("@nats-io/transport-node");
      connection ??= await connect({ servers: settings.nats });
      for (const path of paths) {
        const callback = (_, message) => {
          const { changes, scope, via } = message.json();
          if (scope !== undefined) overflows++;
          heard(
            (changes ?? []).map(({ name }) => name),
            via !== "notify",
          );
        };
        connection.subscribe(`smb.lab.${path.replaceAll("/", ".")}`, { callback });
      }
      await connection.flush();
    },
  };
}

/** A program that has a worker watch them for it. */
function throughWorker() {
  let client;
  return {
    async arm(paths) {
      const { connectWatchClient } = await import("../../dist/nats.js");
      client ??= await connectWatchClient({ broker: { servers: [settings.nats], name: "bench" } });
      const watching = paths.map(
        (path) =>
          new Promise((resolve, reject) => {
            follow(client.watch("lab", `/${path}`), resolve).catch(reject);
          }),
      );
      await Promise.all(watching);
    },
  };
}

/** Its command `notify`, a process for each directory; what it prints is timed here. */
function smbclient() {
  const children = new Set();
  const run = (commands, onLine) => {
    const { host, port, share, auth, conf } = settings;
    const args = [`//${host}/${share}`, "-p", port, "-s", conf, "-A", auth, "-c", commands];
    // Into a pipe it would print by the block, and tell late.
    const child = spawn("stdbuf", ["-oL", "smbclient", ...args], { stdio: ["ignore", "pipe", "ignore"] });
    children.add(child);
    const ended = new Promise((resolve) => {
      child.once("error", resolve);
      child.once("close", resolve);
    });
    child.once("close", () => children.delete(child));
    createInterface({ input: child.stdout }).on("line", onLine);
    return ended;
  };
  return {
    async arm(paths) {
      for (const path of paths)
        void run(`notify ${path.replaceAll("/", "\\")}`, (line) => {
          const said = parseNotify(line);
          if (said.name !== undefined) heard([said.name]);
          if (said.overflow) overflows++;
        });
    },
    async list(path) {
      let count = 0;
      const began = now();
      await run(`ls ${path.replaceAll("/", "\\")}\\*`, (line) => {
        if (isEntry(line)) count++;
      });
      return [count, now() - began];
    },
    end() {
      for (const child of children) child.kill("SIGKILL");
    },
  };
}

const kinds = { library, bare, nats, worker: throughWorker, smbclient };
const kind = kinds[process.argv[2]]();
const wanted = [];

const orders = {
  set(rest) {
    const [key, ...value] = rest.split(" ");
    settings[key] = value.join(" ");
  },
  watch: (path) => wanted.push(path),
  async arm() {
    const paths = wanted.splice(0);
    await kind.arm(paths);
    say(`armed ${paths.length}`);
  },
  count: () => say(`count ${names.size} ${overflows} ${compared}`),
  clear(rest) {
    prefix = rest;
    names = new Map();
    compared = overflows = 0;
    say("cleared");
  },
  tell() {
    for (const [name, at] of names) say(`heard ${at} ${name}`);
    say(`told ${names.size}`);
  },
  async list(path) {
    const [count, took] = await kind.list(path);
    say(`listed ${count} ${took}`);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  if (line === "end") break;
  const [verb, ...words] = line.split(" ");
  try {
    await orders[verb](words.join(" "));
  } catch (error) {
    say(`failed ${String(error).replaceAll(/\s+/g, " ").slice(0, 300)}`);
  }
}
kind.end?.();
// Sockets would keep it: nothing is left to be told.
process.exit();
