import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BrokerError } from "../../../src/broker/errors.ts";
import type { Broker } from "../../../src/broker/port.ts";
import { controlFacts } from "../../../src/fleet/facts.ts";
import { requestService } from "../../../src/fleet/list-client.ts";
import type { FleetMember } from "../../../src/fleet/member.ts";
import { Consumer, Fleet, until } from "./harness.ts";

/** A server that lets little through: what is larger it would not even refuse, the client drops it. */
const MAX_PAYLOAD = 8_192;

let fleet: Fleet;
let member: FleetMember;
let asker: Broker;
beforeAll(async () => {
  fleet = await Fleet.start({ config: `max_payload: ${MAX_PAYLOAD}` });
  await fleet.worker();
  member = await fleet.member();
  asker = await fleet.broker();
});
afterAll(async () => {
  await fleet.close();
});

const ask = (endpoint: string, request: unknown) =>
  requestService(asker.link, `smb2nats.${endpoint}`, request, { timeoutMs: 5_000 });

describe("a server with a small max_payload", () => {
  it("gets pages of a directory that fit, and all of them", async () => {
    const names = Array.from(
      { length: 300 },
      (_, index) => `${String(index).padStart(4, "0")}-${"ü".repeat(100)}`,
    );
    fleet.share.names.set("/wide", new Set(names));
    const seen: string[] = [];
    let pages = 0;
    for (let after: string | undefined; ; pages++) {
      const page = await member.list({
        connection: "nas1",
        path: "/wide",
        limit: 5_000,
        ...(after === undefined ? {} : { after }),
      });
      seen.push(...page.entries.map(({ name }) => name));
      after = page.next;
      if (after === undefined) break;
    }
    expect(seen).toEqual(names);
    expect(pages).toBeGreaterThan(3);
  });

  it("gets pages of watches that fit, and all of them", async () => {
    const paths = Array.from(
      { length: 40 },
      (_, index) => `/w${String(index).padStart(2, "0")}${"x".repeat(200)}`,
    );
    const [first = "", ...others] = paths;
    const { lease } = await ask("watch.acquire", { connection: "nas1", path: first });
    for (const path of others) await ask("watch.acquire", { connection: "nas1", path, lease });
    await until("all refs", async () => {
      const seen: string[] = [];
      for (let from: number | undefined = 0; from !== undefined; ) {
        const page = (await ask("watch.list", { from })) as { watches: { path: string }[]; next?: number };
        seen.push(...page.watches.map(({ path }) => path));
        from = page.next;
      }
      return paths.every((path) => seen.includes(path)) && new Set(seen).size === seen.length;
    });
  });

  it("refuses at once what still cannot be sent, and counts it as failed", async () => {
    const facts: unknown[] = [];
    const off = controlFacts.subscribe((fact) => facts.push(fact));
    // No server has such a name; what matters is an answer that cannot be cut.
    fleet.share.names.set("/long", new Set(["z".repeat(MAX_PAYLOAD)]));
    await expect(ask("directory.list", { connection: "nas1", path: "/long" })).rejects.toMatchObject({
      failure: "limit",
      message: expect.stringContaining(`max_payload ${MAX_PAYLOAD}`),
    });
    off();
    expect(facts).toContainEqual({ type: "too-large", endpoint: "directory-list", limit: MAX_PAYLOAD });
    expect(facts).toContainEqual(
      expect.objectContaining({ type: "request", endpoint: "directory-list", outcome: "limit" }),
    );
    const text = new TextDecoder().decode((await asker.link.request("$SRV.STATS", new Uint8Array(0))).data);
    const { endpoints } = JSON.parse(text) as { endpoints: { name: string; num_errors: number }[] };
    expect(endpoints.find(({ name }) => name === "directory-list")).toMatchObject({ num_errors: 1 });
  });

  it("is told events in messages that fit", async () => {
    const consumer = await new Consumer(member).start();
    await ask("watch.acquire", { connection: "nas1", path: "/many" });
    await until("the watch", () => fleet.share.armed("/many") === 1);
    const names = Array.from(
      { length: 200 },
      (_, index) => `${String(index).padStart(4, "0")}${"n".repeat(100)}`,
    );
    const changes = names.map((name) => ({ action: "added" as const, name }));
    fleet.share.emit({ type: "changes", path: "/many", via: "notify", changes });
    await until("all changes", () => consumer.changes("/many").length === names.length);
    expect(consumer.changes("/many")).toEqual(names.map((name) => `added ${name}`));
    // In a handful of messages, not one for each change.
    expect(consumer.messages.filter(({ message }) => message.type === "changes").length).toBeLessThan(20);
  });

  it("throws where an answer is too large, and says nothing to nobody", async () => {
    let thrown: unknown;
    const service = asker.link.subscribe("test.large", (message) => {
      try {
        message.respond(new Uint8Array(MAX_PAYLOAD + 1));
      } catch (error) {
        thrown = error;
        message.respond(new Uint8Array(1));
      }
    });
    await service.ready;
    const answer = await asker.link.request("test.large", new Uint8Array(0));
    expect([answer.data.length, thrown]).toEqual([1, expect.any(BrokerError)]);
    expect(thrown).toMatchObject({ code: "BROKER_TOO_LARGE" });
    service.close();
  });
});
