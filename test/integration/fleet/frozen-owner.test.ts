import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type Role, startStack } from "../../../scripts/lab/stack.ts";
import { Scope } from "../../../src/base/scope.ts";
import { connectBroker } from "../../../src/broker/broker.ts";
import type { EventMessage } from "../../../src/broker/message.ts";
import { FleetMember } from "../../../src/fleet/member.ts";
import { until } from "./harness.ts";

const TTL_MS = 3_000;
const ROOMS = Array.from({ length: 6 }, (_, i) => `/r${i}`);

/** A worker as a process of its own, and the lease that came with it. */
interface Seat {
  readonly role: Role;
  readonly lease: string;
}

it("an owner that was stopped and wakes after the take-over publishes nothing stale, by sequence and epoch", async () => {
  await using scope = new Scope();
  const stack = scope.use(
    await startStack({ workers: 0, gateways: 0, config: { worker: { leaseTtlMs: TTL_MS } } }),
  );
  for (const room of ROOMS) mkdirSync(join(stack.samba.path(), room));
  const broker = scope.use(await connectBroker({ servers: [stack.nats.url], name: "test" }));
  const member = scope.use(await FleetMember.start({ broker, kind: "client" }));
  const { view } = member;
  const stored: { readonly room: string; readonly message: EventMessage }[] = [];
  // What the stream stored, in its order: the stream alone says what was published.
  const feed = member.follow("lab", {
    onMessage: ({ message }) => stored.push({ room: message.body.path, message }),
    onGap: () => undefined,
  });
  await feed.ready;
  const seat = async (): Promise<Seat> => {
    const before = new Set(view.leases.keys());
    const role = await stack.startRole("worker");
    scope.defer(() => role.stop("SIGKILL"));
    const lease = await until("its lease", () =>
      [...view.workers()].map((entry) => entry.lease).find((id) => !before.has(id)),
    );
    return { role, lease };
  };
  const owners = (): Map<string, string> =>
    new Map([...view.claims.values()].map(({ record }) => [record.path, record.lease]));
  const liveUnder = (lease: string): boolean =>
    [...view.claims.values()].filter(({ record }) => record.state === "live" && record.lease === lease)
      .length === ROOMS.length;
  const told = (name: string): boolean =>
    ROOMS.every((room) =>
      stored.some(
        ({ message, room: at }) =>
          at === room &&
          (message.type === "resync" ||
            (message.type === "changes" && message.body.changes.some((change) => change.name === name))),
      ),
    );
  const change = (name: string): void => {
    for (const room of ROOMS) writeFileSync(join(stack.samba.path(), room, name), "");
  };

  const first = await seat();
  const refs = ROOMS.map((path) => member.acquire({ connection: "lab", path, recursive: false }));
  await Promise.all(refs.map((ref) => ref.ready));
  const second = await seat();
  expect([...owners().values()].every((lease) => lease === first.lease)).toBe(true);
  change("before");
  await until("the first changes", () => told("before"));

  first.role.process.signal("SIGSTOP");
  // The server goes on telling it: all of this waits in its sockets.
  for (let i = 0; i < 20; i++) change(`meanwhile-${i}`);
  await until("the take-over", () => liveUnder(second.lease), 60_000);
  const takenOver = stored.length;
  first.role.process.signal("SIGCONT");
  await until("it to be back under another lease", () => {
    const leases = [...view.workers()].map(({ lease }) => lease);
    return leases.length === 2 && !leases.includes(first.lease);
  });
  change("after");
  await until("the last changes", () =>
    ROOMS.every((room) =>
      stored
        .slice(takenOver)
        .some(
          ({ room: at, message }) =>
            at === room &&
            message.type === "changes" &&
            message.body.changes.some(({ name }) => name === "after"),
        ),
    ),
  );

  for (const room of ROOMS) {
    const messages = stored.filter(({ room: at }) => at === room).map(({ message }) => message.body);
    const epochs = messages.map(({ epoch = "" }) => epoch);
    // Once a newer epoch has spoken, none before it is heard again; within one, numbers only grow.
    expect(epochs).toEqual(
      [...new Set(epochs)].flatMap((epoch) => epochs.filter((other) => other === epoch)),
    );
    expect(new Set(epochs).size).toBe(2);
    const revisions = [...new Set(epochs)].map((epoch) => Number(epoch.split("-").at(-1)));
    expect(revisions).toEqual([...revisions].sort((a, b) => a - b));
    for (const epoch of new Set(epochs)) {
      const numbers = messages.filter((body) => body.epoch === epoch).map(({ seq = 0 }) => seq);
      expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    }
  }
  for (const ref of refs) ref.release();
  feed.close();
}, 180_000);
