import { mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "@nats-io/transport-node";
import { expect, it } from "vitest";
import { startStack } from "../../scripts/lab/stack.ts";
import { WsClient } from "../support/clients/ws-client.ts";

/** Longer than the whole of a fresh look takes on a busy machine, and shorter than the pause of a watch that has given up. */
const SOON_MS = 2_500;

it("a directory that was removed and made again is there for whoever asks, and not after the watch's next try", async () => {
  const stack = await startStack();
  const clients: WsClient[] = [];
  const open = async (): Promise<WsClient> => {
    const client = await WsClient.open(`${stack.gateways[0]?.url.replace("http", "ws")}/ws`);
    clients.push(client);
    return client;
  };
  const nats = await connect({ servers: stack.nats.url });
  const api = async (path: string): Promise<{ state: string }> =>
    (await nats.request("smb2nats.watch.acquire", JSON.stringify({ connection: "lab", path }))).json();
  try {
    const names = ["same", "other", "left", "api"];
    for (const name of names) mkdirSync(join(stack.samba.path(), name));
    const first = await open();
    for (const name of names) expect((await first.subscribe(`/${name}`)).type).toBe("subscribed");
    for (const name of names) rmdirSync(join(stack.samba.path(), name));
    for (const name of names) {
      await first.next(
        ({ type, path, state }) => type === "state" && path === `/${name}` && state === "gone",
      );
    }
    // The watch asks again less and less often.
    await delay(8_000);
    const second = await open();
    expect(await second.subscribe("/other")).toMatchObject({ code: "not_found" });
    expect(await api("/api")).toMatchObject({ state: "gone" });
    // What a socket leaves is remembered for a while by gateway and worker.
    first.send({ action: "unsubscribe", connection_id: "lab", path: "/left" });
    for (const name of names) mkdirSync(join(stack.samba.path(), name));
    const from = first.frames.length;
    const made = performance.now();
    expect(await second.subscribe("/other")).toMatchObject({ type: "subscribed" });
    expect(await second.subscribe("/left")).toMatchObject({ type: "subscribed" });
    expect(await first.subscribe("/same")).toMatchObject({ type: "subscribed" });
    await first.next(({ path, state }) => path === "/same" && state === "live", { from });
    expect(await api("/api")).not.toMatchObject({ state: "gone" });
    await first.next(({ path, state }) => path === "/api" && state === "live", { from });
    expect(performance.now() - made).toBeLessThan(SOON_MS);
  } finally {
    for (const client of clients) await client.close();
    await nats.close();
    await stack.close();
  }
});
