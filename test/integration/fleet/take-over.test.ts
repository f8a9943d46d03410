import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Role, type Stack, startStack } from "../../../scripts/lab/stack.ts";
import { diskTruth } from "../../../scripts/torture/truth.ts";
import { connectBroker } from "../../../src/broker/broker.ts";
import type { Broker } from "../../../src/broker/port.ts";
import { FleetMember } from "../../../src/fleet/member.ts";
import type { Change, WatchEvent } from "../../../src/watch/events.ts";
import { disagreements, Mirror } from "../../support/oracles/mirror.ts";
import { until } from "../../support/until.ts";

const TTL_MS = 3_000;
const WORKER = { SMB2NATS_WORKER_LEASE_TTL_MS: String(TTL_MS), SMB2NATS_WORKER_CHECKPOINT_SECONDS: "1" };

/** Real processes, a real share, a real broker: what a consumer hears when the owner of a watch is gone. */
describe("a take-over", { timeout: 120_000 }, () => {
  let stack: Stack;
  let broker: Broker;
  let member: FleetMember;
  let workers: Role[] = [];
  let path: string;
  let count = 0;
  let release: () => void = () => undefined;

  beforeAll(async () => {
    stack = await startStack({ workers: 0, gateways: 0, connection: { cover: "directory" } });
    broker = await connectBroker({ name: "consumer", servers: [stack.nats.url] });
    member = await FleetMember.start({ broker, kind: "client", ttlMs: 60_000, lingerMs: 0 });
  });
  afterAll(async () => {
    await member.close();
    await broker.close();
    await stack.close();
  });
  beforeEach(async () => {
    path = `/d${++count}`;
    for (const sub of ["busy", "quiet"]) mkdirSync(disk(sub), { recursive: true });
    writeFileSync(disk("quiet/as it was"), "x");
  });

  afterEach(async () => {
    release();
    // The last of it is seen to by whoever is left: else the next test would take this one's watch over as well.
    await until("the end of the watch", () => workers.length === 0 || member.view.claims.size === 0);
    await Promise.all(workers.splice(0).map((role) => role.stop("SIGKILL")));
  });

  const disk = (name: string): string => join(stack.samba.path(), path, name);
  const start = async (): Promise<Role> => {
    const role = await stack.startRole("worker", WORKER);
    workers.push(role);
    return role;
  };
  const end = async (role: Role, signal: NodeJS.Signals): Promise<void> => {
    workers = workers.filter((other) => other !== role);
    await role.stop(signal);
  };

  /** One that lists once, applies what it hears, and lists again on `resync` only. */
  async function consumer(): Promise<{
    readonly events: WatchEvent[];
    readonly epochs: Set<string>;
    readonly mirror: Mirror;
    agrees(): Promise<void>;
  }> {
    const events: WatchEvent[] = [];
    const epochs = new Set<string>();
    const mirror = new Mirror({
      path,
      recursive: true,
      now: () => Date.now(),
      list: async (at) => onDisk(at),
    });
    const feed = member.follow("lab", {
      onMessage: ({ message: { type, body } }) => {
        if (body.path !== path && !body.path.startsWith(`${path}/`)) return;
        const event = { type, ...body } as WatchEvent;
        events.push(event);
        if (body.epoch !== undefined) epochs.add(body.epoch);
        mirror.apply(event);
      },
      onGap: (reason) => {
        throw new Error(reason);
      },
    });
    const ref = member.acquire({ connection: "lab", path, recursive: true });
    release = () => {
      feed.close();
      ref.release();
    };
    await feed.ready;
    await ref.ready;
    mirror.start();
    const wrong = (): string[] => disagreements(mirror, diskTruth(stack.samba.path(), path, true));
    return {
      events,
      epochs,
      mirror,
      agrees: async () => {
        await until("a picture that is right", () => !mirror.busy && wrong().length === 0).catch(() =>
          expect(wrong()).toEqual([]),
        );
      },
    };
  }

  function onDisk(at: string): { name: string; directory: boolean }[] | undefined {
    const folder = join(stack.samba.path(), at);
    if (!existsSync(folder)) return undefined;
    return readdirSync(folder, { withFileTypes: true }).map((entry) => ({
      name: entry.name,
      directory: entry.isDirectory(),
    }));
  }

  const metric = async (role: Role, name: string, labels: string): Promise<number> => {
    const text = await (await fetch(`${role.ops}/metrics`)).text();
    const line = text.split("\n").find((each) => each.startsWith(`${name}{`) && each.includes(labels));
    return Number(line?.split(" ").at(-1) ?? 0);
  };
  const saved = (role: Role): Promise<number> =>
    metric(role, "smb2nats_checkpoints_total", 'outcome="saved"');
  const taken = (role: Role, outcome: string): Promise<number> =>
    metric(role, "smb2nats_checkpoint_takeovers_total", `outcome="${outcome}"`);
  const tookOver = (role: Role, outcome: string): Promise<unknown> =>
    until(`a take-over: ${outcome}`, async () => (await taken(role, outcome)) === 1, { timeoutMs: 30_000 });

  const resyncs = (events: readonly WatchEvent[]): string[] =>
    events.flatMap((event) =>
      event.type === "resync" ? [`${event.path} ${event.scope} ${event.reason}`] : [],
    );
  const changes = (events: readonly WatchEvent[]): string[] =>
    events.flatMap((event) =>
      event.type === "changes"
        ? event.changes.map((change) => `${event.path}: ${describeChange(change)}`)
        : [],
    );
  const describeChange = ({ action, name, oldName }: Change): string =>
    oldName === undefined ? `${action} ${name}` : `${action} ${oldName} > ${name}`;

  /** Until a second save has gone by: the first may have begun before what the test did last. */
  const savedSince = async (role: Role): Promise<void> => {
    const before = await saved(role);
    writeFileSync(disk("busy/marker"), String(before));
    await until("a checkpoint", async () => (await saved(role)) > before);
  };

  it("after kill -9 tells what changed meanwhile, and asks to list only where a name may have come and gone", async () => {
    const first = await start();
    const { events, epochs, agrees } = await consumer();
    const second = await start();
    let n = 0;
    const timer = setInterval(() => {
      writeFileSync(disk(`busy/f${n++}`), "x");
      if (n % 3 === 0) rmSync(disk(`busy/f${n - 3}`), { force: true });
      if (n % 7 === 0) renameSync(disk(`busy/f${n - 2}`), disk(`busy/r${n}`));
    }, 10);
    try {
      await savedSince(first);
      await until("changes", () => changes(events).length > 50);
      const [before] = epochs;
      const killedAt = performance.now();
      await end(first, "SIGKILL");
      await until("another epoch", () => epochs.size > 1, { timeoutMs: 30_000 });
      expect(performance.now() - killedAt).toBeLessThan(TTL_MS * 1.2 + 2_000);
      expect(await taken(second, "used")).toBe(1);
      expect(epochs).toContain(before);
    } finally {
      clearInterval(timer);
    }
    await agrees();
    const after = events.slice(
      events.findIndex((event) => "epoch" in event && event.epoch === [...epochs][1]),
    );
    expect(changes(after).some((each) => each.includes("/busy: added"))).toBe(true);
    expect(resyncs(after)).not.toContain(`${path} subtree takeover`);
    expect(resyncs(after).filter((each) => each.includes("/quiet"))).toEqual([]);
  });

  it("after an end and a start tells exactly what changed while nothing ran", async () => {
    for (const name of ["gone", "edited", "kept"]) writeFileSync(disk(`busy/${name}`), "x");
    // A creation time that was not stored through SMB may move on Samba, and then proves no rename.
    const at = path.slice(1);
    await stack.samba.smbclient(
      `put ${stack.configFile} "${at}/busy/old name"; mkdir ${at}/album; mkdir ${at}/album/summer`,
    );
    writeFileSync(disk("album/summer/beach"), "x");
    const first = await start();
    const { events, agrees } = await consumer();
    await agrees();
    await end(first, "SIGTERM");
    const known = events.length;
    rmSync(disk("busy/gone"));
    renameSync(disk("busy/old name"), disk("busy/new name"));
    appendFileSync(disk("busy/edited"), "more");
    writeFileSync(disk("busy/new"), "x");
    renameSync(disk("album"), disk("photos"));
    mkdirSync(disk("fresh"));
    writeFileSync(disk("fresh/inside"), "x");

    const second = await start();
    await tookOver(second, "used");
    await agrees();
    const told = changes(events.slice(known));
    expect(told).toEqual(
      expect.arrayContaining([
        `${path}/busy: removed gone`,
        `${path}/busy: renamed old name > new name`,
        `${path}/busy: modified edited`,
        `${path}/busy: added new`,
        `${path}: renamed album > photos`,
        `${path}: added fresh`,
        `${path}/fresh: added inside`,
      ]),
    );
    expect(told.filter((each) => /kept|as it was|beach/.test(each))).toEqual([]);
    const asked = resyncs(events.slice(known));
    expect(asked).not.toContain(`${path} subtree takeover`);
    expect(asked.filter((each) => each.includes("/quiet"))).toEqual([]);
  });

  it("makes a consumer converge that saw a name come which was gone again before anyone watched", async () => {
    const first = await start();
    const { events, mirror, agrees } = await consumer();
    await savedSince(first);
    await agrees();
    await end(first, "SIGKILL");
    const known = events.length;
    writeFileSync(disk("busy/ghost"), "x");
    mirror.start();
    await mirror.idle();
    expect(mirror.paths().has(`${path}/busy/ghost`)).toBe(true);
    rmSync(disk("busy/ghost"));
    const second = await start();
    await tookOver(second, "used");
    await agrees();
    expect(resyncs(events.slice(known))).toContain(`${path}/busy self takeover`);
    expect(changes(events.slice(known)).filter((each) => each.includes("ghost"))).toEqual([]);
  });

  it.each([
    ["damaged", async () => broker.checkpoints?.put(await objectOf(), randomBytes(500))],
    ["retention", () => purgeStream(stack.nats.url)],
  ] as const)("asks everyone to list where the checkpoint is of no use (%s)", async (outcome, spoil) => {
    const first = await start();
    const { events, agrees } = await consumer();
    await savedSince(first);
    await agrees();
    await end(first, "SIGKILL");
    const known = events.length;
    await spoil();
    writeFileSync(disk("busy/new"), "x");
    const second = await start();
    await tookOver(second, outcome);
    await until("the resync", () => resyncs(events.slice(known)).includes(`${path} subtree takeover`));
    await agrees();
  });

  it("keeps nothing of a watch that nobody asks for any more", async () => {
    const first = await start();
    const { agrees } = await consumer();
    await savedSince(first);
    await agrees();
    const name = await objectOf();
    expect(await broker.checkpoints?.get(name)).toBeDefined();
    release();
    await until("the end of it", async () => (await broker.checkpoints?.get(name)) === undefined);
  });

  async function objectOf(): Promise<string> {
    return `lab.${path.slice(1)}.=t`;
  }
});

async function purgeStream(servers: string): Promise<void> {
  const nats = await connect({ servers });
  try {
    const jsm = await jetstreamManager(nats);
    // Whatever else happens in the installation moves the stream on.
    await nats.request("smbin.lab.elsewhere", "x");
    await jsm.streams.purge("SMB");
    await nats.request("smbin.lab.elsewhere", "x");
    await jsm.streams.purge("SMB");
  } finally {
    await nats.close();
  }
}
