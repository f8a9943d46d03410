import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Samba, startSamba } from "../../../scripts/lab/samba.ts";
import { type SambaRelease, sambaIfAny } from "../../../scripts/lab/samba-release.ts";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { Share } from "../../../src/share/share.ts";
import type { CoverPolicy } from "../../../src/watch/interest.ts";
import type { ShareWatcherOptions } from "../../../src/watch/options.ts";
import { clients } from "./clients.ts";
import { type Operation, operations } from "./operations.ts";

/** `HARMLESS_ROUNDS=100 HARMLESS_RELEASES=installed,trixie,sid` for the figures in the decision record. */
const RELEASES = (process.env["HARMLESS_RELEASES"] ?? "installed,trixie").split(",") as SambaRelease[];
const COVERS = (process.env["HARMLESS_COVERS"] ?? "auto,tree").split(",") as (CoverPolicy | "none")[];
const CLIENTS = process.env["HARMLESS_CLIENTS"]?.split(",");
/** All that is looked for from time to time is looked for all the time. */
const BUSY: ShareWatcherOptions =
  process.env["HARMLESS_BUSY"] === undefined ? {} : { healthSeconds: 1, rescanMinutes: 0.05 };

/** Others than the first are here for what they do differently: a few rounds show that. */
const roundsFor = (client: (typeof clients)[number]): number =>
  Number(process.env["HARMLESS_ROUNDS"] ?? (client === clients[0] ? 10 : 3));

interface Server {
  readonly name: string;
  readonly release: SambaRelease;
  readonly share: Readonly<Record<string, string>>;
  readonly operations: readonly Operation[];
}

const servers: readonly Server[] = [
  ...RELEASES.map((release) => ({ name: `Samba: ${release}`, release, share: {}, operations })),
  // What later releases do by default: nothing below an open handle is renamed.
  {
    name: "Samba: installed, strict rename = yes",
    release: "installed",
    share: { "strict rename": "yes" },
    operations: operations.filter(({ steps }) => steps("").some(([name]) => name === "rename")),
  },
];

describe.each(servers)("$name", ({ release, share: settings, operations: all }) => {
  const absent = sambaIfAny(release) === undefined ? " (skipped: that release is not to be had here)" : "";

  describe.skipIf(absent !== "").each(COVERS)(
    `other clients beside a recursive watch, cover: %s${absent}`,
    (cover) => {
      let samba: Samba;
      beforeAll(async () => {
        // @marsaud/smb2 can do no better than NTLMv1.
        samba = await startSamba({
          release,
          global: { "ntlm auth": "ntlmv1-permitted" },
          shares: { share: settings },
        });
      });
      afterAll(() => samba?.stop());

      for (const client of clients) {
        if (CLIENTS !== undefined && !CLIENTS.includes(client.name)) continue;
        // `tree` is `auto` but for what it was asked, and a server's setting is one for all: one client is enough.
        const isPlain = cover === "auto" && Object.keys(settings).length === 0;
        if (CLIENTS === undefined && !isPlain && client !== clients[0]) continue;
        const why = client.absent === undefined ? "" : ` (skipped: ${client.absent})`;

        it.skipIf(client.absent !== undefined).each(all)(
          `${client.name} is not disturbed in $name${why}`,
          async (operation) => {
            const kind = `${clients.indexOf(client)}-${all.indexOf(operation)}`;
            const rounds = Array.from({ length: roundsFor(client) }, (_, n) => `k${kind}-${n}`);
            for (const round of rounds) operation.prepare(samba.path(), round);
            const auth = createNtlmProvider({
              username: samba.user,
              password: samba.password,
              domain: samba.domain,
            });
            await using share = new Share({
              smb: { host: samba.host, port: samba.port, share: "share", auth },
              watch: cover === "none" ? {} : { ...BUSY, cover },
            });
            const watches = [
              { path: "/", recursive: true },
              ...rounds.flatMap((round) =>
                operation.pinned === undefined ? [] : [{ path: operation.pinned(round), recursive: false }],
              ),
            ].map((interest) =>
              cover === "none" ? undefined : share.watches.watch(interest, () => undefined),
            );
            await Promise.all(watches.map((watch) => watch?.live));
            const refused = await client.run(samba, rounds.map(operation.steps));
            expect(refused).toEqual([]);
          },
          60_000 + 2_000 * roundsFor(client),
        );
      }
    },
  );
});
