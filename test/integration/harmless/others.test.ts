import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Samba, startSamba } from "../../../scripts/lab/samba.ts";
import { type SambaRelease, sambaIfAny } from "../../../scripts/lab/samba-release.ts";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { Share } from "../../../src/share/share.ts";
import type { CoverPolicy } from "../../../src/watch/interest.ts";
import { operations } from "./operations.ts";

/** `HARMLESS_ROUNDS=100` for the figures in the decision record. */
const ROUNDS = Number(process.env["HARMLESS_ROUNDS"] ?? 20);
const RELEASES = (process.env["HARMLESS_RELEASES"] ?? "installed,trixie").split(",") as SambaRelease[];
const COVERS = (process.env["HARMLESS_COVERS"] ?? "auto,tree").split(",") as CoverPolicy[];

/** What smbclient says of an operation that was refused. */
const REFUSED = /NT_STATUS_\w+|ERROR\w*|\bfailed\b/gi;

describe.each(RELEASES)("Samba: %s", (release) => {
  const programs = sambaIfAny(release);
  const absent = programs === undefined ? " (skipped: that release is not to be had here)" : "";

  describe.skipIf(absent !== "").each(COVERS)(
    `other clients beside a recursive watch, cover: %s${absent}`,
    (cover) => {
      let samba: Samba;
      beforeAll(async () => {
        samba = await startSamba({ release });
      });
      afterAll(() => samba?.stop());

      it.each(operations)("are not disturbed in $name", async (operation) => {
        const kind = `k${operations.indexOf(operation)}`;
        const rounds = Array.from({ length: ROUNDS }, (_, n) => `${kind}-${n}`);
        for (const round of rounds) operation.prepare(samba.path(), round);
        const auth = createNtlmProvider({
          username: samba.user,
          password: samba.password,
          domain: samba.domain,
        });
        await using share = new Share({
          smb: { host: samba.host, port: samba.port, share: "share", auth },
          watch: { cover },
        });
        const watches = [
          { path: "/", recursive: true },
          ...rounds.flatMap((round) =>
            operation.pinned === undefined ? [] : [{ path: operation.pinned(round), recursive: false }],
          ),
        ].map((interest) => share.watches.watch(interest, () => undefined));
        await Promise.all(watches.map(({ live }) => live));
        const said = await samba.smbclient(rounds.map((round) => operation.commands(round)).join("; "));
        expect(said.match(REFUSED) ?? [], said).toEqual([]);
      });
    },
  );
});
