import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { startSamba } from "../../../scripts/lab/samba.ts";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { Scope } from "../../../src/base/scope.ts";
import { Share } from "../../../src/share/share.ts";
import { notifies } from "../../../src/watch/facts.ts";
import { until } from "../../support/until.ts";

const DIRECTORIES = 10;

it("of requests, again and again while files come, costs no change", async () => {
  await using scope = new Scope();
  const samba = await startSamba();
  scope.defer(() => samba.stop());
  for (let i = 0; i < DIRECTORIES; i++) mkdirSync(join(samba.path(), `d${i}`));
  const { host, port, user: username, password, domain } = samba;
  const share = new Share({
    smb: { host, port, share: "share", auth: createNtlmProvider({ username, password, domain }) },
    watch: { label: "renewed", cover: "directory", refreshMinutes: 0.02 },
  });
  scope.defer(() => share.close());
  const told: string[] = [];
  const watching = Array.from({ length: DIRECTORIES }, (_, i) =>
    share.watches.watch({ path: `/d${i}`, recursive: false }, (event) => {
      if (event.type !== "changes") return;
      for (const { action, name } of event.changes) if (action === "added") told.push(name);
    }),
  );
  await Promise.all(watching.map(({ live }) => live));
  await until("the second looks", () => watching.every(({ sure }) => sure));
  let renewed = 0;
  scope.defer(
    notifies.subscribe(({ connection, outcome }) => {
      if (connection === "renewed" && outcome === "cancelled") renewed++;
    }),
  );
  const made: string[] = [];
  while (renewed < 5 * DIRECTORIES) {
    const name = `f${made.length}`;
    writeFileSync(join(samba.path(), `d${made.length % DIRECTORIES}`, name), "");
    made.push(name);
    await delay(3);
  }
  await until("the last", () => told.length >= made.length);
  expect(told.toSorted()).toEqual(made.toSorted());
});
