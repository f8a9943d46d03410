import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { SUBPROTOCOL } from "../../../src/gateway/auth/admission.ts";
import { ERROR_CODES } from "../../../src/gateway/errors.ts";
import { parseRequest, requestSchema } from "../../../src/gateway/peer/protocol.ts";
import type { PublicState, ResyncReason, ResyncScope, Via, WatchMode } from "../../../src/watch/events.ts";
import { isObject, problems, resolve, type Schema } from "../../support/oracles/json-schema.ts";
import { controlAnswers, eventMessages, gatewayFrames } from "./real-messages.ts";

const document = parse(
  readFileSync(join(import.meta.dirname, "../../../docs/asyncapi.yaml"), "utf8"),
) as Record<string, Record<string, Schema>>;
const section = (name: string): Record<string, Schema> => document[name] ?? {};
const components = section("components") as unknown as Record<string, Record<string, Schema>>;
const messages = components["messages"] ?? {};
const schemas = components["schemas"] ?? {};
const check = (schema: string, value: unknown, seen?: Set<string>): string[] =>
  problems({ $ref: `#/components/schemas/${schema}` }, value, { root: document, ...(seen ? { seen } : {}) });

/** Every object of the document, with its place. */
function* nodes(value: unknown, at = "#"): Generator<[at: string, node: Schema]> {
  if (Array.isArray(value)) for (const [index, item] of value.entries()) yield* nodes(item, `${at}/${index}`);
  if (!isObject(value)) return;
  yield [at, value];
  for (const [key, inner] of Object.entries(value)) yield* nodes(inner, `${at}/${key}`);
}

/** A schema without references and words: what is left is what it demands. */
function bare(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(bare);
  if (!isObject(schema)) return schema;
  if (typeof schema["$ref"] === "string") return bare(resolve(document, schema["$ref"]));
  const kept = Object.entries(schema).filter(([key]) => key !== "description" && key !== "$schema");
  return Object.fromEntries(kept.map(([key, value]) => [key, bare(value)]));
}

describe("docs/asyncapi.yaml", () => {
  it("is AsyncAPI 3.1 for the version of the protocol that is spoken", () => {
    expect(document["asyncapi"]).toBe("3.1.0");
    const { title, version } = section("info") as unknown as { title: string; version: string };
    expect(title).toBe("smb2nats");
    expect(SUBPROTOCOL).toBe(`smb2nats.v${version.split(".")[0]}`);
    const known = [
      "asyncapi",
      "info",
      "defaultContentType",
      "servers",
      "channels",
      "operations",
      "components",
    ];
    expect(Object.keys(document)).toEqual(known);
  });

  it("has no reference that points nowhere, and nothing beside one", () => {
    for (const [at, node] of nodes(document)) {
      if (typeof node["$ref"] !== "string") continue;
      expect(() => resolve(document, String(node["$ref"])), at).not.toThrow();
      expect(Object.keys(node), at).toEqual(["$ref"]);
    }
  });

  it("gives each channel an address, its parameters, a server and messages", () => {
    for (const [name, channel] of Object.entries(section("channels"))) {
      const { address, parameters = {}, servers, messages: own } = channel as Record<string, Schema>;
      const named = [...String(address).matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter);
      expect(Object.keys(parameters), name).toEqual(named);
      expect(servers, name).toHaveLength(1);
      expect(Object.keys(own ?? {}).length, name).toBeGreaterThan(0);
    }
  });

  it("lets operations use only messages of their channel, and uses every message", () => {
    const used = new Set<string>();
    const refs = (list: unknown): string[] => (list as { $ref: string }[]).map(({ $ref }) => $ref);
    for (const [name, operation] of Object.entries(section("operations"))) {
      expect(["send", "receive"], name).toContain(operation["action"]);
      for (const side of [operation, operation["reply"]]) {
        if (side === undefined) continue;
        const { channel, messages: own } = side as { channel: { $ref: string }; messages?: unknown };
        const all = resolve(document, `${channel.$ref}/messages`) as Schema;
        const wanted =
          own === undefined ? Object.keys(all).map((key) => `${channel.$ref}/messages/${key}`) : refs(own);
        for (const ref of wanted) {
          expect(ref.startsWith(`${channel.$ref}/messages/`), `${name}: ${ref}`).toBe(true);
          used.add((resolve(document, ref) as { $ref: string }).$ref);
        }
      }
    }
    expect([...used].sort()).toEqual(
      Object.keys(messages)
        .map((name) => `#/components/messages/${name}`)
        .sort(),
    );
  });

  it("has examples that fit their schemas", () => {
    let count = 0;
    for (const [name, message] of Object.entries(messages)) {
      for (const { payload } of (message["examples"] ?? []) as { payload: unknown }[]) {
        expect(problems(message["payload"] as Schema, payload, { root: document }), name).toEqual([]);
        count++;
      }
    }
    expect(count).toBeGreaterThan(10);
  });

  it("demands of requests what the gateway demands", () => {
    const { oneOf } = z.toJSONSchema(requestSchema, { io: "input" }) as { oneOf: Schema[] };
    const documented = [
      "Subscribe",
      "Unsubscribe",
      "Ping",
      "Auth",
      "List",
      "Connections",
      "Workers",
      "Whoami",
    ];
    expect(documented.map((name) => bare(schemas[name]))).toEqual(oneOf.map(bare));
    for (const name of documented) {
      for (const { payload } of (messages[name]?.["examples"] ?? []) as { payload: unknown }[]) {
        expect(parseRequest(JSON.stringify(payload)), name).toMatchObject({ ok: true });
      }
    }
  });

  it("knows the codes of errors", () => {
    const code = resolve(document, "#/components/schemas/ErrorFrame/properties/code") as Schema;
    expect(code["enum"]).toEqual([...ERROR_CODES]);
  });

  it("knows every word the types have", () => {
    // The compiler keeps these complete.
    const reasons: Record<ResyncReason, true> = {
      overflow: true,
      reconnect: true,
      takeover: true,
      "server-cleanup": true,
      silent: true,
      "outbox-full": true,
      "slow-consumer": true,
      retention: true,
      "too-large": true,
    };
    const states: Record<PublicState, true> = {
      live: true,
      degraded: true,
      gone: true,
      denied: true,
      unreachable: true,
    };
    const vias: Record<Via, true> = { notify: true, rescan: true, poll: true };
    const scopes: Record<ResyncScope, true> = { self: true, subtree: true };
    const modes: Record<WatchMode, true> = { notify: true, poll: true };
    const words = { Reason: reasons, PublicState: states, Via: vias, Scope: scopes, Mode: modes };
    for (const [name, known] of Object.entries(words)) {
      expect(schemas[name]?.["enum"], name).toEqual(Object.keys(known));
    }
  });

  it("describes every frame a gateway sends, and no member that none has", async () => {
    const byType: Record<string, string> = {
      subscribed: "Subscribed",
      unsubscribed: "Unsubscribed",
      pong: "Pong",
      authenticated: "Authenticated",
      listing: "ListingFrame",
      connections: "ConnectionNames",
      workers: "SeenWorkers",
      whoami: "SeenClient",
      snapshot: "SnapshotFrame",
      directory_changed: "DirectoryChanged",
      state: "StateFrame",
      error: "ErrorFrame",
    };
    const seen = new Set<string>();
    for (const frame of await gatewayFrames()) {
      expect(check(byType[String(frame["type"])] ?? "none", frame, seen), JSON.stringify(frame)).toEqual([]);
    }
    expect(
      unseen([...Object.values(byType), "Change", "Entry", "SnapshotEntry", "SeenWorker"], seen),
    ).toEqual([]);
  });

  it("describes every event message, headers and body, and no member that none has", () => {
    const seen = new Set<string>();
    const bodies = { changes: "ChangesBody", resync: "ResyncBody", state: "StateBody" };
    for (const { type, headers, body } of eventMessages()) {
      expect(check("EventHeaders", headers, seen), JSON.stringify(headers)).toEqual([]);
      expect(headers["ce-id"]).toBe(headers["Nats-Msg-Id"]);
      expect(check(bodies[type], body, seen), JSON.stringify(body)).toEqual([]);
    }
    expect(unseen(["EventHeaders", "ChangesBody", "ResyncBody", "StateBody", "Change"], seen)).toEqual([]);
  });

  it("describes every answer of the control API, and no member that none has", async () => {
    const seen = new Set<string>();
    for (const { subject, request, answer, headers } of await controlAnswers()) {
      const channel = Object.keys(section("channels")).find(
        (name) => section("channels")[name]?.["address"] === subject,
      );
      const message = (ref: string): Schema => {
        const { $ref } = resolve(document, ref) as { $ref: string };
        return resolve(document, $ref) as Schema;
      };
      const wanted = message(`#/channels/${channel}/messages/request`)["payload"] as Schema;
      const { reply } = Object.values(section("operations")).find(
        (operation) => (operation["channel"] as { $ref: string }).$ref === `#/channels/${channel}`,
      ) as { reply: { messages: { $ref: string }[] } };
      const [good, bad] = reply.messages.map(({ $ref }) => message($ref));
      const failed = Object.keys(headers).length > 0;
      const options = { root: document, seen };
      const place = `${subject} ${JSON.stringify(request)}`;
      // What the document lets through the service understands, and the reverse.
      const understood = (answer["error"] as { code?: string } | undefined)?.code !== "bad_message";
      expect(problems(wanted, request, options).length === 0, place).toBe(understood);
      expect(problems((failed ? bad : good)?.["payload"] as Schema, answer, options), place).toEqual([]);
      if (failed) expect(problems(bad?.["headers"] as Schema, headers, options), place).toEqual([]);
    }
    const described = Object.keys(schemas).slice(Object.keys(schemas).indexOf("AcquireRequest"));
    expect(unseen(described, seen)).toEqual([]);
  });
});

/** Members of these schemas that no value had. */
function unseen(names: readonly string[], seen: ReadonlySet<string>): string[] {
  return names.flatMap((name) =>
    Object.keys((schemas[name]?.["properties"] ?? {}) as Schema)
      .map((member) => `#/components/schemas/${name}/${member}`)
      .filter((place) => !seen.has(place)),
  );
}
