import { expect, it } from "vitest";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { DEFAULT_CONNECTION_OPTIONS, DEFAULT_TIMEOUTS } from "../../../src/smb/options.ts";
import { dialTree } from "../../../src/smb/pool/dial.ts";
import { startMuteListener } from "../../support/servers/mute-listener.ts";
import { until } from "../../support/until.ts";

const auth = createNtlmProvider({ username: "ann", password: "x" });

it("a server that accepts and says nothing is given up in time, and no socket outlives its attempt", async () => {
  const mute = await startMuteListener();
  try {
    const connection = {
      ...DEFAULT_CONNECTION_OPTIONS,
      host: "127.0.0.1",
      port: mute.port,
      label: "mute",
      timeouts: { ...DEFAULT_TIMEOUTS, requestMs: 200, deadMs: 200 },
    };
    for (let attempt = 0; attempt < 3; attempt++) {
      await expect(dialTree({ connection, auth, share: "media" })).rejects.toMatchObject({
        code: "SMB_TIMEOUT",
      });
    }
    // A caller that changes its mind half-way.
    const signal = AbortSignal.timeout(50);
    await expect(dialTree({ connection, auth, share: "media" }, { signal })).rejects.toMatchObject({
      code: "ABORTED",
    });
    expect(mute.accepted).toBe(4);
    await until("no socket", () => mute.open === 0);
  } finally {
    await mute.close();
  }
});
