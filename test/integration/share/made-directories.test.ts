import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Samba, startSamba } from "../../../scripts/lab/samba.ts";
import { sambaIfAny, wantedRelease } from "../../../scripts/lab/samba-release.ts";
import { SmbClient } from "../../../src/share/smb-client.ts";
import type { StreamEvent } from "../../../src/share/watch-stream.ts";
import { scans } from "../../../src/watch/facts.ts";
import { until } from "../../support/until.ts";

/** 4.22 and later make directories under temporary names; `SMB2NATS_LAB_SAMBA=sid` runs this on the newest. */
const release = wantedRelease() === "installed" ? "trixie" : wantedRelease();
const later = sambaIfAny(release);

// Skipped where no later Samba can be had: the reason is on stderr.
describe.skipIf(later === undefined)(`directories made over SMB on Samba ${later?.version}`, () => {
  let samba: Samba;
  beforeAll(async () => {
    samba = await startSamba({ release });
  });
  afterAll(() => samba?.stop());

  it.each([false, true])("are told once, and nothing is listed (recursive: %s)", async (recursive) => {
    const top = recursive ? "tree" : "flat";
    const dir = join(samba.path(), top);
    mkdirSync(dir);
    for (let i = 0; i < 3_000; i++) writeFileSync(join(dir, `file-${i}`), "");

    let listings = 0;
    const stop = scans.subscribe(({ path, phase }) => {
      if (path === `/${top}` && phase === "finished") listings++;
    });
    const events: StreamEvent[] = [];
    const { host: server, port, user: username, domain, password } = samba;
    await using client = await SmbClient.connect({
      server,
      port,
      share: "share",
      username,
      domain,
      password,
      // By one handle on the directory, which hears what is done on the server itself as well.
      watch: { cover: "directory" },
    });
    const stream = client.watch(`/${top}`, { recursive });
    const reading = (async () => {
      for await (const event of stream) events.push(event);
    })();
    // The first picture, and the second look that every new handle on a Samba gets.
    await until("both looks", () => listings === 2, { timeoutMs: 30_000 });

    // One by one, then by three clients at once.
    const made = Array.from({ length: 20 }, (_, i) => `single-${i}`);
    for (const name of made) await samba.smbclient(`mkdir ${top}/${name}`);
    await Promise.all(
      [0, 1, 2].map((client) => {
        const mine = Array.from({ length: 40 }, (_, i) => `burst-${client}-${i}`);
        made.push(...mine);
        return samba.smbclient(mine.map((name) => `mkdir ${top}/${name}`).join("; "));
      }),
    );
    // The form that smbd looks for, made by a stranger: never listed, and so never told. What only looks like it is.
    mkdirSync(join(dir, ".::TMPNAME:D:1%1:never"));
    writeFileSync(join(dir, "last"), "");
    const told = (): string[] =>
      events.flatMap((event) =>
        event.type === "changes" && event.path === `/${top}`
          ? event.changes
              .filter(({ action }) => action !== "modified")
              .map(({ action, name }) => `${action} ${name}`)
          : [],
      );
    await until("the last", () => told().includes("added last"), { timeoutMs: 30_000 });
    expect(told().sort()).toEqual([...made, "last"].map((name) => `added ${name}`).sort());
    // What is below a new directory is another matter: its own handle comes later than its name.
    expect(events.filter(({ type, path }) => type === "resync" && path === `/${top}`)).toEqual([]);
    expect(listings).toBe(2);
    const names: string[] = [];
    for await (const { name } of client.list(`/${top}`)) names.push(name);
    expect(names.filter((name) => name.includes("TMPNAME"))).toEqual([]);
    expect(names).toHaveLength(3_000 + made.length + 1);
    stop();
    await stream.return();
    await reading;
  });
});
