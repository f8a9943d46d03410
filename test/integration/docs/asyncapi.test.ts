import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connect, type Msg } from "@nats-io/transport-node";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { startNats } from "../../../scripts/lab/nats.ts";
import { connectBroker } from "../../../src/broker/broker.ts";
import { problems, type Schema } from "../../support/oracles/json-schema.ts";
import { until } from "../../support/until.ts";

const document = parse(readFileSync(join(import.meta.dirname, "../../../docs/asyncapi.yaml"), "utf8")) as {
  readonly channels: Readonly<Record<string, { readonly address: string | null }>>;
};
const check = (schema: string, value: unknown): string[] =>
  problems({ $ref: `#/components/schemas/${schema}` } satisfies Schema, value, { root: document });

it("the broker republishes what docs/asyncapi.yaml says, on the channels it says", async () => {
  const nats = await startNats();
  const client = await connect({ servers: nats.url });
  const broker = await connectBroker({ servers: [nats.url], name: "writer" });
  try {
    const heard: Msg[] = [];
    for (const subject of ["smb.>", "smbin.>"]) {
      client.subscribe(subject, { callback: (_error, message) => void heard.push(message) });
    }
    await client.flush();
    const watch = broker.publisher({ mayPublish: () => true }).open({
      connection: "nas1",
      path: "/",
      recursive: true,
      caseSensitive: false,
      source: "smb://nas.example.org/My Share",
      epoch: "n-1.0",
    });
    watch.changes({ type: "changes", path: "/", via: "notify", changes: [{ action: "added", name: "é" }] });
    watch.changes({
      type: "changes",
      path: "/Übung",
      via: "poll",
      changes: [{ action: "removed", name: "a" }],
    });
    watch.resync({ type: "resync", path: "/Übung", scope: "subtree", reason: "overflow" });
    watch.state({ type: "state", path: "/", state: "denied", mode: "notify", error: "no right" });
    await watch.flush({ deadlineMs: 10_000 });
    await until("all, twice", () => heard.length === 8);

    const bodies: Record<string, string> = {
      "smb2nats.changes": "ChangesBody",
      "smb2nats.resync": "ResyncBody",
      "smb2nats.state": "StateBody",
    };
    const channels = Object.values(document.channels).map(({ address }) => {
      const pattern = String(address)
        .replaceAll(".", "\\.")
        .replace("{connection}", "[^.]+")
        .replace("{path}", ".+");
      return new RegExp(`^${pattern}$`);
    });
    for (const message of heard) {
      expect(
        channels.filter((channel) => channel.test(message.subject)),
        message.subject,
      ).toHaveLength(1);
      const headers = Object.fromEntries(
        (message.headers?.keys() ?? []).map((key) => [key, message.headers?.get(key)]),
      );
      const published = message.subject.startsWith("smbin.");
      expect(check(published ? "EventHeaders" : "StoredHeaders", headers), message.subject).toEqual([]);
      expect(check(bodies[String(headers["ce-type"])] ?? "none", message.json()), message.subject).toEqual(
        [],
      );
    }
  } finally {
    await client.close();
    await broker.close();
    await nats.stop();
  }
});
