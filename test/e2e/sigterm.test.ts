import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Stack, startStack } from "../../scripts/lab/stack.ts";
import { Chance } from "../../scripts/torture/chance.ts";
import { ServiceConsumer, type Tally } from "../../scripts/torture/fleet-consumers.ts";
import { Journal } from "../../scripts/torture/journal.ts";
import { Scope } from "../../src/base/scope.ts";
import { connectBroker } from "../../src/broker/broker.ts";
import { connectWatchClient } from "../../src/client/watch-client.ts";
import { until } from "../support/until.ts";

const MAIN = join(import.meta.dirname, "../../dist/cli/main.js");
const DRAIN_SECONDS = 8;
/** What supervisors are told to give: docs/operations.md. */
const GRACE_MS = (DRAIN_SECONDS + 10) * 1_000;
const SEED = Number(process.env["SIGTERM_SEED"] ?? 20261127);
/** Of each moment. */
const ROUNDS = Number(process.env["SIGTERM_ROUNDS"] ?? 1);

const chance = new Chance(SEED);
const scope = new Scope();
const tally: Tally = { changes: 0, resyncs: {}, relists: 0, snapshots: {} };
const running = new Set<Worker>();
let stack: Stack;
let consumer: ServiceConsumer;
let folder: string;
let made = 0;

/** One worker whose end is looked at closely. */
class Worker {
  readonly child: ChildProcess;
  readonly #ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  #log = "";

  constructor() {
    this.child = spawn(process.execPath, [MAIN, "worker", "--config", stack.configFile], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, SMB2NATS_HTTP_PORT: "0" },
    });
    running.add(this);
    this.child.stderr?.on("data", (chunk) => {
      this.#log += chunk;
    });
    this.#ended = new Promise((resolve) => {
      this.child.once("close", (code, signal) => {
        running.delete(this);
        resolve({ code, signal });
      });
    });
  }

  said(event: string): boolean {
    return this.#log.includes(`"event":"${event}"`);
  }

  async ready(): Promise<void> {
    const ready = (): boolean => this.said("service.ready");
    await until("a worker that is ready", ready, { timeoutMs: 60_000 }).catch((cause: unknown) => {
      throw new Error(this.#log.slice(-3_000), { cause });
    });
  }

  /** SIGTERM: within the grace period, and with success. */
  async term(): Promise<void> {
    const asked = performance.now();
    this.child.kill("SIGTERM");
    const late = setTimeout(() => this.child.kill("SIGKILL"), GRACE_MS + 20_000);
    const { code, signal } = await this.#ended;
    clearTimeout(late);
    // Before it runs a line of ours Node has no handlers: the signal itself ends it then.
    if (signal === "SIGTERM" && this.#log === "") return;
    expect({ code, signal }, this.#log.slice(-3_000)).toEqual({ code: 0, signal: null });
    expect(performance.now() - asked, this.#log.slice(-6_000)).toBeLessThan(GRACE_MS);
  }
}

beforeAll(async () => {
  stack = await startStack({
    workers: 0,
    gateways: 0,
    config: {
      worker: { leaseTtlMs: 5_000, drainSeconds: DRAIN_SECONDS },
      log: { level: "info", format: "json" },
    },
  });
  scope.defer(() => stack.close());
  folder = stack.samba.path();
  for (let i = 0; i < 40; i++) mkdirSync(join(folder, "load", `d${i}`), { recursive: true });
  await new Worker().ready();
  const journal = new Journal();
  scope.defer(() => journal.close());
  const stop = new AbortController();
  scope.defer(() => stop.abort());
  const broker = scope.use(
    await connectBroker({ servers: [stack.nats.url], name: "sigterm", streams: { existingOnly: true } }),
  );
  const client = scope.use(
    await connectWatchClient({ broker, ttlMs: 5_000, lingerMs: 500, host: "sigterm" }),
  );
  consumer = new ServiceConsumer(
    client,
    { path: "/load", recursive: true },
    tally,
    journal,
    stop.signal,
    (error) => {
      throw error;
    },
  );
  await right();
});
afterAll(async () => {
  for (const worker of running) worker.child.kill("SIGKILL");
  await scope.close();
});

/** One change as anybody makes it, in one of the directories. */
function change(): void {
  const at = join(folder, "load", `d${chance.between(0, 39)}`);
  const file = join(at, `f${made++}`);
  writeFileSync(file, "");
  const next = chance.pick(["stays", "stays", "renamed", "removed"] as const);
  if (next === "renamed") renameSync(file, `${file} renamed`);
  if (next === "removed") rmSync(file);
  if (chance.happens(0.1)) mkdirSync(join(at, `new ${made}`, "inner"), { recursive: true });
}

/** Changes go on while `what` happens, and for a moment after. */
async function underLoad(what: () => Promise<void>): Promise<void> {
  let busy = true;
  const churn = (async () => {
    while (busy) {
      change();
      await delay(chance.between(2, 20));
    }
  })();
  try {
    await what();
    await delay(200);
  } finally {
    busy = false;
    await churn;
  }
}

/** The consumer's picture, made of events alone, is the share. */
async function right(): Promise<void> {
  let wrong: readonly string[] | undefined;
  const equal = (): boolean => {
    wrong = consumer.wrong(folder);
    return wrong?.length === 0;
  };
  await until("the consumer's picture to be right", equal, { timeoutMs: 90_000, everyMs: 250 }).catch(
    (error) => {
      throw new Error(`seed ${SEED}: ${wrong?.slice(0, 10).join("; ") ?? "still listing"}`, { cause: error });
    },
  );
}

const soon = (ms: number): Promise<void> => delay(chance.between(0, ms));
const another = async (): Promise<Worker> => {
  const worker = new Worker();
  await worker.ready();
  return worker;
};
const only = (): Worker => {
  const [worker] = running;
  if (worker === undefined) throw new Error("no worker runs");
  return worker;
};

/** Each leaves exactly one worker. */
const MOMENTS: Readonly<Record<string, () => Promise<void>>> = {
  "during its start": async () => {
    const young = new Worker();
    await soon(1_500);
    await young.term();
  },
  "during its first scan, as the only one": async () => {
    await only().term();
    const next = await another();
    await soon(600);
    await next.term();
    await another();
  },
  "under load, with somebody to take over": async () => {
    const before = only();
    await another();
    await soon(1_000);
    await before.term();
  },
  "while it is taking over from another that goes": async () => {
    const before = only();
    const next = await another();
    const going = before.term();
    await soon(1_200);
    await Promise.all([going, next.term()]);
    await another();
  },
  "while NATS is away": async () => {
    await stack.nats.shutdown();
    await soon(2_000);
    await only().term();
    await stack.nats.start();
    await another();
  },
};

it.each(Object.entries(MOMENTS))(
  "a worker that gets SIGTERM %s ends with 0 in time, and nothing is lost",
  { timeout: 300_000 },
  async (_name, moment) => {
    for (let round = 0; round < ROUNDS; round++) {
      const before = tally.changes + tally.relists;
      await underLoad(moment);
      await right();
      expect(running.size).toBe(1);
      expect(tally.changes + tally.relists).toBeGreaterThan(before);
    }
  },
);
