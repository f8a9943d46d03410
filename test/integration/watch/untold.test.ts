import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Samba, startSamba } from "../../../scripts/lab/samba.ts";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { Share } from "../../../src/share/share.ts";
import type { WatchEvent } from "../../../src/watch/events.ts";
import { scans } from "../../../src/watch/facts.ts";
import { until } from "../../support/until.ts";

let samba: Samba;
let deaf: Samba;
beforeAll(async () => {
  samba = await startSamba();
  // A setting of the whole server, whatever smb.conf(5) says: smbd asks it once, for notifyd.
  deaf = await startSamba({ global: { "kernel change notify": "no" } });
});
afterAll(async () => {
  await samba.stop();
  await deaf.stop();
});

function open(samba: Samba, label: string): Share {
  const { host, port, user, password, domain } = samba;
  return new Share({
    smb: { host, port, share: "share", auth: createNtlmProvider({ username: user, password, domain }) },
    watch: { label, healthSeconds: 1, cover: "directory" },
  });
}

function told(events: readonly WatchEvent[]): string[] {
  return events.flatMap((event) =>
    event.type === "changes"
      ? event.changes.map(({ action, name }) => `${event.via}: ${action} ${event.path} ${name}`)
      : [event.type === "state" ? `${event.state} ${event.error}` : event.type],
  );
}

it("finds what a server without inotify does not tell, by the directory's last write, and says so", async () => {
  mkdirSync(join(deaf.path(), "d"));
  await using share = open(deaf, "deaf");
  const events: WatchEvent[] = [];
  const handle = share.watches.watch({ path: "/", recursive: true }, (event) => events.push(event));
  await handle.live;
  await until("the second look", () => handle.sure);
  for (const [number, path] of ["d/one", "d/two", "three"].entries()) {
    writeFileSync(join(deaf.path(), path), "");
    const name = path.slice(path.lastIndexOf("/") + 1);
    const found = (): boolean =>
      told(events).some((line) => line.startsWith("rescan: added") && line.endsWith(` ${name}`));
    await until(`${path} (${number})`, found);
  }
  expect(handle.state).toBe("degraded");
  expect(told(events)).toContainEqual(expect.stringMatching(/^degraded \/d: .*rescanMinutes/));
});

it("looks no more than twice into directories of a server that tells all", async () => {
  for (const name of ["d", "e"]) mkdirSync(join(samba.path(), name));
  await using share = open(samba, "telling");
  let listings = 0;
  const unsubscribe = scans.subscribe(({ connection, phase }) => {
    if (connection === "telling" && phase === "finished") listings++;
  });
  try {
    const events: WatchEvent[] = [];
    const handle = share.watches.watch({ path: "/", recursive: true }, (event) => events.push(event));
    await handle.live;
    await until("the second look", () => handle.sure);
    const before = listings;
    for (let i = 0; i < 10; i++) {
      if (i % 2 === 0) writeFileSync(join(samba.path(), "d", `${i}`), "");
      else await samba.smbclient(`mkdir e\\${i}; rmdir e\\${i}`);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    await until("the last one", () => told(events).some((line) => line.endsWith("removed /e 9")));
    expect(handle.state).toBe("live");
    expect(told(events).filter((line) => line.startsWith("rescan"))).toEqual([]);
    // New directories are listed because they are new.
    expect(listings - before).toBeLessThanOrEqual(2 + 5);
  } finally {
    unsubscribe();
  }
});
