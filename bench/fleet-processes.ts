import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Role, type Stack, startStack } from "../scripts/lab/stack.ts";
import { Scope } from "../src/base/scope.ts";
import { connectBroker } from "../src/broker/broker.ts";
import { connectWatchClient, type WatchClient } from "../src/client/watch-client.ts";
import { FleetMember } from "../src/fleet/member.ts";
import { quantile, type Row, rounded } from "./stats.ts";

const PATIENCE_MS = 120_000;
const TTL_MS = 15_000;
const ROOMS = 100;
const SECOND_LOOKS_MS = 6_000;

interface Seat {
  readonly role: Role;
  readonly lease: string;
}

interface Arena {
  readonly stack: Stack;
  readonly seats: Seat[];
  readonly client: WatchClient;
  readonly member: FleetMember;
  readonly rooms: readonly string[];
}

/** Real workers on a real share: how long a crash is felt, and what a hand-over in good order costs. */
export async function processes(crashes: number, handOvers: number): Promise<Row[]> {
  await using scope = new Scope();
  const stack = scope.use(await startStack({ workers: 0, gateways: 0, config: { log: { level: "warn" } } }));
  const rooms = Array.from({ length: ROOMS }, (_, i) => `/r${i}`);
  for (const room of rooms) mkdirSync(join(stack.samba.path(), room));
  const broker = scope.use(await connectBroker({ servers: [stack.nats.url], name: "bench" }));
  const client = scope.use(await connectWatchClient({ broker, host: "bench" }));
  const member = scope.use(await FleetMember.start({ broker, kind: "client", host: "bench" }));
  const seats = [await seat(stack, member), await seat(stack, member)];
  const arena = { stack, seats, client, member, rooms };
  return [await handOver(arena, handOvers), await takeOver(arena, crashes)];
}

/** Workers leave by SIGTERM and come back, while files appear in every directory. */
async function handOver({ stack, seats, client, member, rooms }: Arena, wanted: number): Promise<Row> {
  const stop = new AbortController();
  const told = new Set<string>();
  const resyncs: string[] = [];
  let live = 0;
  const loops = rooms.map(async (room) => {
    for await (const event of client.watch("lab", room, { signal: stop.signal })) {
      if (event.type === "live") live++;
      else if (event.type === "resync") resyncs.push(event.reason);
      else if (event.type === "changes") {
        for (const { name } of event.changes) told.add(`${room}/${name}`);
      }
    }
  });
  const ended = Promise.allSettled(loops);
  await until("every watch to be live", () => live === rooms.length && isCalm(member, seats.length));
  // The first owner's second look at its new handles is no part of a hand-over.
  await delay(SECOND_LOOKS_MS);
  const first = resyncs.length;

  let moves = 0;
  const seen = new Map<string, string>();
  member.view.onChange(({ claims }) => {
    if (!claims) return;
    for (const { key, record } of member.view.claims.values()) {
      const before = seen.get(key);
      if (before !== undefined && before !== record.lease) moves++;
      seen.set(key, record.lease);
    }
  });
  const made: string[] = [];
  let busy = true;
  const churn = (async () => {
    for (let i = 0; busy; i++) {
      const name = `${rooms[i % rooms.length]}/f${i}`;
      writeFileSync(join(stack.samba.path(), name), "");
      made.push(name);
      await delay(5);
    }
  })();
  const begun = performance.now();
  for (let i = 0; moves < wanted; i++) {
    const index = i % seats.length;
    await (seats[index] as Seat).role.process.stop("SIGTERM", 60_000);
    seats[index] = await seat(stack, member);
    await until("the fleet to be balanced", () => isCalm(member, seats.length));
  }
  const seconds = (performance.now() - begun) / 1_000;
  busy = false;
  await churn;
  await until("every change to be told", () => told.size === made.length, 20_000).catch(() => undefined);
  stop.abort();
  await ended;
  const later = resyncs.slice(first);
  return {
    name: `${moves} hand-overs in good order`,
    value: `${later.length} / ${made.length - told.size}`,
    unit: "resyncs / events missed",
    note: `of ${made.length} files made in ${rooms.length} directories meanwhile, in ${rounded(seconds, 0)} s${later.length === 0 ? "" : `; ${[...new Set(later)].join(", ")}`}`,
  };
}

async function takeOver({ stack, seats, member, rooms }: Arena, crashes: number): Promise<Row> {
  const refs = rooms.map((path) => member.acquire({ connection: "lab", path, recursive: false }));
  const first: number[] = [];
  const all: number[] = [];
  for (let i = 0; i < crashes; i++) {
    await until("the fleet to be balanced", () => isCalm(member, 2));
    const owned = new Map([...member.view.claims.values()].map(({ key, record }) => [key, record.lease]));
    const { role, lease: dead } = seats[0] as Seat;
    const killed = performance.now();
    await role.stop("SIGKILL");
    const moved = (): number =>
      [...member.view.claims.values()].filter(
        ({ key, record }) => owned.get(key) === dead && record.lease !== dead && record.state === "live",
      ).length;
    await until("a claim to be taken over", () => moved() > 0);
    first.push((performance.now() - killed) / 1_000);
    const count = [...owned.values()].filter((lease) => lease === dead).length;
    await until("all claims to be taken over", () => moved() === count);
    all.push((performance.now() - killed) / 1_000);
    seats[0] = await seat(stack, member);
  }
  for (const ref of refs) ref.release();
  return {
    name: "crash take-over, from kill -9 to the last live claim",
    value: `${rounded(quantile(all, 0.5))} / ${rounded(Math.max(...all))}`,
    unit: "s p50 / max",
    note: `first claim ${rounded(quantile(first, 0.5))} / ${rounded(Math.max(...first))} s; ${crashes} crashes, ${ROOMS / 2} watches each, lease TTL ${TTL_MS / 1_000} s: at most ${TTL_MS / 1_000 + 2} s are promised`,
  };
}

/** A worker, and the lease that came with it. */
async function seat(stack: Stack, member: FleetMember): Promise<Seat> {
  const leases = (): string[] => [...member.view.workers()].map(({ lease }) => lease);
  const before = new Set(leases());
  const role = await stack.startRole("worker");
  const fresh = (): string | undefined => leases().find((lease) => !before.has(lease));
  await until("its lease", () => fresh() !== undefined);
  return { role, lease: fresh() as string };
}

/** All claims live, shared by that many owners, and none on its way. */
function isCalm(member: FleetMember, workers: number): boolean {
  const owners = new Set<string>();
  let count = 0;
  for (const { record } of member.view.claims.values()) {
    if (record.state !== "live" || record.next !== undefined) return false;
    owners.add(record.lease);
    count++;
  }
  return count === ROOMS && owners.size === workers;
}

async function until(what: string, done: () => boolean, ms = PATIENCE_MS): Promise<void> {
  const end = Date.now() + ms;
  while (!done()) {
    if (Date.now() > end) throw new Error(`timed out waiting for ${what}`);
    await delay(10);
  }
}
