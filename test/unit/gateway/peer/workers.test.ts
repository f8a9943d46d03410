import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { WorkerStatus } from "../../../../src/fleet/port.ts";
import { type Grant, Rights } from "../../../../src/gateway/grants.ts";
import { workersFrame } from "../../../../src/gateway/peer/workers.ts";

const worker = (more: Partial<WorkerStatus> = {}): WorkerStatus => ({
  lease: "w1",
  host: "node-1",
  ttlMs: 15_000,
  draining: false,
  connections: ["a", "b"],
  deny: [],
  watches: new Map([
    ["a", 3],
    ["b", 40],
  ]),
  lag: { messages: 2, ms: 20.4 },
  silentMs: 1_000.6,
  ...more,
});

/** As a peer asks: with the connections that its rights know. */
function asked(workers: readonly WorkerStatus[], grants: readonly Grant[], served = ["a", "b", "c"]) {
  const rights = new Rights(grants);
  const names = served.filter((name) => rights.knows(name));
  return workersFrame({ current: true, workers }, names, rights).workers;
}

const all = { connection: "*", path: "/**" };
const wholeA = { connection: "a", path: "/**" };
const partOfA = { connection: "a", path: "/Media/**" };

describe("the workers a client may see", () => {
  it("are told in full to who may see everything", () => {
    expect(asked([worker({ deny: ["b"] })], [all])).toEqual([
      {
        name: "w1",
        state: "serving",
        connections: ["a", "b"],
        unreachable: ["b"],
        heardMs: 1_001,
        host: "node-1",
        watches: 43,
        lagMs: 20,
      },
    ]);
  });

  it("are told without another connection's name or watches to who may see one", () => {
    expect(asked([worker({ deny: ["b"] })], [wholeA])).toEqual([
      {
        name: "w1",
        state: "serving",
        connections: ["a"],
        heardMs: 1_001,
        host: "node-1",
        watches: 3,
        lagMs: 20,
      },
    ]);
  });

  it("are told without place, number and lag to who may see a part", () => {
    expect(asked([worker()], [partOfA])).toEqual([
      { name: "w1", state: "serving", connections: ["a"], heardMs: 1_001 },
    ]);
  });

  it("are not there for who may see nothing of what they serve", () => {
    expect(asked([worker()], [{ connection: "c", path: "/**" }])).toEqual([]);
    expect(asked([worker()], [])).toEqual([]);
  });

  it("that do not say what they serve may serve anything, of which only what is granted is told", () => {
    const { connections: _, ...unsaid } = worker();
    expect(asked([unsaid], [wholeA])).toMatchObject([{ connections: ["a"], watches: 3 }]);
  });

  it.each([
    [{ silentMs: 10_001 }, "silent"],
    [{ silentMs: 10_001, draining: true }, "silent"],
    [{ silentMs: 9_999, draining: true }, "draining"],
    [{}, "serving"],
  ])("%j is %s", (more, state) => {
    expect(asked([worker(more)], [all])).toMatchObject([{ state }]);
  });

  it("property: what lies in other connections, or is for others' eyes, changes nothing", () => {
    const names = ["a", "b", "c"];
    const counts = fc.dictionary(fc.constantFrom(...names), fc.nat(100));
    const grant = fc.record({
      connection: fc.constantFrom(...names),
      path: fc.constantFrom("/**", "/Media/**", "/"),
    });
    const secret = fc.record({
      host: fc.string(),
      lag: fc.nat(),
      served: fc.subarray(names),
      deny: fc.subarray(names),
      counts,
    });
    fc.assert(
      fc.property(fc.array(grant, { maxLength: 3 }), secret, secret, (grants, one, other) => {
        const rights = new Rights(grants);
        const known = (name: string): boolean => rights.knows(name);
        const whole = (name: string): boolean =>
          rights.allows(name, "/", { recursive: true, caseSensitive: false });
        const make = (hidden: typeof one): WorkerStatus => {
          const mixed = (own: string[], others: string[]): string[] => [
            ...own.filter(known),
            ...others.filter((name) => !known(name)),
          ];
          const served = mixed(one.served, hidden.served);
          const open = served.some(whole);
          return worker({
            connections: served,
            deny: mixed(one.deny, hidden.deny),
            host: open ? one.host : hidden.host,
            lag: { messages: 0, ms: open ? one.lag : hidden.lag },
            watches: new Map(
              names.map((name) => [name, (whole(name) ? one.counts[name] : hidden.counts[name]) ?? 0]),
            ),
          });
        };
        expect(asked([make(other)], grants)).toEqual(asked([make(one)], grants));
      }),
    );
  });
});
