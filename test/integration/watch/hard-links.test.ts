import { appendFileSync, linkSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Samba, startSamba } from "../../../scripts/lab/samba.ts";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { Share } from "../../../src/share/share.ts";
import { until } from "../../support/until.ts";

let samba: Samba;
beforeAll(async () => {
  samba = await startSamba();
});
afterAll(() => samba?.stop());

// By the default, with the five minutes between two comparisons shortened. The bound is what the state of the watch says.
it("tells new content of a file under all its names, the others no later than `late` says", async () => {
  const { host, port, user, password, domain } = samba;
  const real = (...names: string[]): string => join(samba.path(), ...names);
  for (const name of ["a", "b", "c"]) mkdirSync(real(name));
  writeFileSync(real("a", "written"), "x");
  linkSync(real("a", "written"), real("a", "beside it"));
  linkSync(real("a", "written"), real("b", "elsewhere"));
  await using share = new Share({
    smb: { host, port, share: "share", auth: createNtlmProvider({ username: user, password, domain }) },
    watch: { rescanMinutes: 0.05 },
  });
  const modified = new Set<string>();
  const handle = share.watches.watch({ path: "/", recursive: true }, (event) => {
    if (event.type !== "changes") return;
    for (const { action, name } of event.changes)
      if (action === "modified") modified.add(`${event.path}/${name}`);
  });
  await handle.live;
  expect(handle.late).toEqual({ names: 6, contents: 6 });
  const all = ["/a/beside it", "/a/written", "/b/elsewhere"];
  const told = (): boolean => all.every((path) => modified.has(path));

  writeFileSync(join(samba.dir, "longer"), "longer than before");
  await samba.smbclient(`put ${join(samba.dir, "longer")} a\\written`);
  await until("all names, after another client has written", told);
  modified.clear();
  appendFileSync(real("b", "elsewhere"), "and more");
  await until("all names, after the server itself has written", told);
});
