import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Samba, startSamba } from "../../../scripts/lab/samba.ts";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import type { AuthProvider } from "../../../src/auth/provider.ts";
import { Share } from "../../../src/share/share.ts";
import type { WatchEvent } from "../../../src/watch/events.ts";
import { until } from "../../support/until.ts";

let samba: Samba;
beforeAll(async () => {
  samba = await startSamba();
});
afterAll(() => samba.stop());

function provider(password: string): { readonly auth: AuthProvider; readonly logins: () => number } {
  const real = createNtlmProvider({ username: samba.user, password, domain: samba.domain });
  let logins = 0;
  const auth: AuthProvider = {
    mechanism: real.mechanism,
    begin: (target) => {
      logins++;
      return real.begin(target);
    },
  };
  return { auth, logins: () => logins };
}

it("watches refused with one set of credentials go live with the next, each set tried once until it works", async () => {
  const { host, port } = samba;
  const [wrong, alsoWrong, right] = [provider("wrong"), provider("wrong again"), provider(samba.password)];
  const share = new Share({ smb: { host, port, share: "share", auth: wrong.auth } });
  const events: WatchEvent[] = [];
  try {
    const handles = Array.from({ length: 20 }, (_, i) => {
      mkdirSync(join(samba.path(), `d${i}`));
      return share.watches.watch({ path: `/d${i}`, recursive: false }, (event) => events.push(event));
    });
    await until("every watch refused", () => handles.every(({ state }) => state === "denied"));
    share.replaceAuth(alsoWrong.auth);
    await until("the second refusal", () => alsoWrong.logins() === 1 && share.info().state === "refused");
    expect(wrong.logins()).toBe(1);
    expect(handles.every(({ state }) => state === "denied")).toBe(true);
    share.replaceAuth(right.auth);
    await until("every watch live", () => handles.every(({ state }) => state === "live"));
    expect([wrong.logins(), alsoWrong.logins()]).toEqual([1, 1]);
    writeFileSync(join(samba.path(), "d7", "news"), "");
    await until("the news", () =>
      events.some(
        (event) => event.type === "changes" && event.path === "/d7" && event.changes[0]?.name === "news",
      ),
    );
  } finally {
    await share.close();
  }
});
