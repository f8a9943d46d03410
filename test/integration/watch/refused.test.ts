import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Samba, startSamba } from "../../../scripts/lab/samba.ts";
import { AuthError } from "../../../src/auth/errors.ts";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import type { AuthProvider } from "../../../src/auth/provider.ts";
import { Share, type ShareOptions } from "../../../src/share/share.ts";
import type { WatchEvent } from "../../../src/watch/events.ts";
import { until } from "../../support/until.ts";

let samba: Samba;
beforeAll(async () => {
  samba = await startSamba({ global: { "server smb encrypt": "off" } });
  mkdirSync(join(samba.path(), "d"));
});
afterAll(() => samba.stop());

const ntlm = (): AuthProvider =>
  createNtlmProvider({ username: samba.user, password: samba.password, domain: samba.domain });

/** What a machine without the optional package does. */
const withoutKerberos: AuthProvider = {
  mechanism: "kerberos",
  begin: () => {
    throw new AuthError("AUTH_KERBEROS_UNAVAILABLE", "Kerberos needs the package koffi");
  },
};

describe.each(["auto", "directory"] as const)("cover %s", (cover) => {
  const share = (more: Partial<ShareOptions["smb"]>): Share =>
    new Share({
      smb: { host: samba.host, port: samba.port, share: "share", auth: ntlm(), ...more },
      watch: { cover },
    });

  it.each([
    ["a policy of ours that the server cannot meet", () => share({ encryption: "required" }), /encryption/],
    ["a mechanism that is not installed", () => share({ auth: withoutKerberos }), /koffi/],
  ])("says denied, and why: %s", async (_what, make, reason) => {
    const events: WatchEvent[] = [];
    await using one = make();
    const handle = one.watches.watch({ path: "/d", recursive: false }, (event) => events.push(event));
    await expect(handle.live).rejects.toMatchObject({ failure: "policy" });
    await until("the state", () => handle.state === "denied");
    expect(events).toMatchObject([{ type: "state", state: "denied", error: expect.stringMatching(reason) }]);
    expect(one.barred).toBe(true);
    if (reason.source !== "koffi") return;
    // As when somebody has installed it and the connection was configured anew.
    one.replaceAuth(ntlm());
    await until("live", () => handle.state === "live");
    expect(one.barred).toBe(false);
  });
});
