import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Samba, startSamba } from "../../../scripts/lab/samba.ts";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { Share } from "../../../src/share/share.ts";
import type { WatchEvent } from "../../../src/watch/events.ts";
import { until } from "../../support/until.ts";

let samba: Samba;
beforeAll(async () => {
  samba = await startSamba();
  for (const name of ["1", "2", "3", "4", "5", "6"]) mkdirSync(join(samba.path(), name));
});
afterAll(() => samba.stop());

/** Disables the account of the tests, or enables it. */
async function set(flag: "-d" | "-e"): Promise<void> {
  const account = userInfo().uid === 0 ? "daemon" : userInfo().username;
  await promisify(execFile)("smbpasswd", ["-c", join(samba.dir, "smb.conf"), flag, account]);
}

it("waits for an account that was disabled, tries again with the same password, and is live once", async () => {
  const { host, port, user, password, domain } = samba;
  const auth = createNtlmProvider({ username: user, password, domain });
  await using share = new Share({
    smb: { host, port, share: "share", auth },
    watch: { cover: "directory" },
  });
  const events: WatchEvent[] = [];
  const handle = share.watches.watch({ path: "/", recursive: true }, (event) => events.push(event));
  await handle.live;
  await set("-d");
  events.length = 0;
  await samba.kill();
  await samba.start();
  await until("the refusal", () => handle.state === "denied");
  expect(events.at(-1)).toMatchObject({ error: expect.stringMatching(/ACCOUNT_DISABLED/) });
  // It is asked again by itself: nothing was said about the password.
  expect(share.info().state).toBe("waiting");
  await set("-e");
  events.length = 0;
  share.replaceAuth(auth);
  await until("live again", () => handle.state === "live" && handle.sure);
  expect(events).toMatchObject([{ type: "state", state: "live" }]);
});
