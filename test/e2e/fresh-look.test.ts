import { mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "@nats-io/transport-node";
import { expect, it } from "vitest";
import { startStack } from "../../scripts/lab/stack.ts";
import { SmbClient } from "../../src/share/smb-client.ts";
import { WsClient } from "../support/clients/ws-client.ts";
import { until } from "../support/until.ts";

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

it("a file server that was away is there for whoever asks, and not after the next turn to dial it", async () => {
  const stack = await startStack();
  const { host: server, port, user: username, domain, password } = stack.samba;
  // Left to itself it would dial in a minute.
  const smb = { backoff: { initialMs: 60_000, random: () => 1 } };
  const library = await SmbClient.connect({ server, port, share: "share", username, domain, password, smb });
  const url = `${stack.gateways[0]?.url.replace("http", "ws")}/ws`;
  const [client, other] = await Promise.all([WsClient.open(url), WsClient.open(url)]);
  const nats = await connect({ servers: stack.nats.url });
  const metrics = async (): Promise<string> => (await fetch(`${stack.workers[0]?.ops}/metrics`)).text();
  const list = (): Promise<unknown> => library.list("/").next();
  try {
    expect((await client.subscribe("/")).type).toBe("subscribed");
    await stack.samba.kill();
    await client.next(({ state }) => state === "unreachable");
    await expect(list()).rejects.toMatchObject({ failure: "unreachable" });
    // The pauses of the worker grow: after the third it waits for 2 to 4 s.
    await until(
      "a long pause",
      async () => /smb_dials_total\{connection="lab",outcome="failed"\} [3-9]/.test(await metrics()),
      {
        timeoutMs: 40_000,
      },
    );
    // Whoever asks while it is away hears that, and soon.
    expect(await other.subscribe("/")).toMatchObject({ code: "unreachable" });
    await stack.samba.start();
    const from = client.frames.length;
    const back = performance.now();
    const [subscribed] = await Promise.all([
      other.subscribe("/"),
      nats.request("smb2nats.watch.acquire", JSON.stringify({ connection: "lab", path: "/" })),
      client.next(({ state }) => state === "live", { from }),
      list(),
    ]);
    expect(subscribed).toMatchObject({ type: "subscribed" });
    expect(performance.now() - back).toBeLessThan(SOON_MS + 1_000);
  } finally {
    await Promise.all([client.close(), other.close()]);
    await library.close();
    await nats.close();
    await stack.close();
  }
});
