import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Samba, startSamba } from "../../../scripts/lab/samba.ts";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { Share } from "../../../src/share/share.ts";
import type { WatchEvent } from "../../../src/watch/events.ts";
import { until } from "../../support/until.ts";

let samba: Samba;
beforeAll(async () => {
  samba = await startSamba({ shares: { share: { "max connections": "1" } } });
});
afterAll(() => samba.stop());

function open(): Share {
  const { host, port, user, password, domain } = samba;
  return new Share({
    smb: {
      host,
      port,
      share: "share",
      auth: createNtlmProvider({ username: user, password, domain }),
      idleMs: 500,
      backoff: { initialMs: 200, maxMs: 500 },
    },
  });
}

function names(events: readonly WatchEvent[]): string[] {
  return events.flatMap((event) => (event.type === "changes" ? event.changes.map(({ name }) => name) : []));
}

it("watches and lists a share that takes one connection", async () => {
  await using share = open();
  const events: WatchEvent[] = [];
  const handle = share.watches.watch({ path: "/", recursive: true }, (event) => events.push(event));
  await handle.live;
  writeFileSync(join(samba.path(), "a"), "");
  await until("the change", () => names(events).includes("a"));
  const { entries } = await share.page({ path: "/" });
  expect(entries.map(({ name }) => name)).toEqual(["a"]);
  expect(share.info()).toMatchObject({ state: "connected", connections: 1, watches: 1 });
  // Without watches the connection is for listings alone, and stays.
  await handle.close();
  await until("the handle closed", () => share.info().watches === 0);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  await share.page({ path: "/" });
  const again = share.watches.watch({ path: "/", recursive: false }, (event) => events.push(event));
  await again.live;
  expect(share.info()).toMatchObject({ state: "connected", connections: 1 });
});

it("waits for a slot that others have, says so within 5 s, and takes it", async () => {
  const other = open();
  await other.ready();
  await using share = open();
  const events: WatchEvent[] = [];
  const started = performance.now();
  const handle = share.watches.watch({ path: "/", recursive: false }, (event) => events.push(event));
  await until("the state", () => handle.state === "unreachable");
  expect(performance.now() - started).toBeLessThan(5_000);
  expect(events).toMatchObject([
    { type: "state", state: "unreachable", error: expect.stringMatching(/INSUFFICIENT_RESOURCES/) },
  ]);
  expect(share.barred).toBe(false);
  await other.close();
  await handle.live;
});
