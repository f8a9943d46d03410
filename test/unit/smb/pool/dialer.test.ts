import { describe, expect, it } from "vitest";
import { AuthError } from "../../../../src/auth/errors.ts";
import { ManualClock } from "../../../../src/base/clock.ts";
import { NtStatus } from "../../../../src/codec/status.ts";
import { SmbConnectionError, SmbCredentialsError, SmbStatusError } from "../../../../src/smb/errors.ts";
import { Dialer } from "../../../../src/smb/pool/dialer.ts";

function setUp(): { clock: ManualClock; dialer: Dialer } {
  const clock = new ManualClock();
  return { clock, dialer: new Dialer({ label: "nas1", clock, backoff: { random: () => 1 } }) };
}
const refuse = (error: Error) => () => Promise.reject(error);

describe("dialer", () => {
  it("pauses 1 s, 2 s, 4 s, up to 60 s", async () => {
    const { clock, dialer } = setUp();
    const pauses: number[] = [];
    for (let attempt = 0; attempt < 8; attempt++) {
      await dialer.dial(refuse(new SmbConnectionError("no"))).catch(() => undefined);
      pauses.push(dialer.pause);
      await clock.advance(dialer.pause);
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 60, 60].map((seconds) => seconds * 1_000));
  });

  it("takes a connection that lived as proof, and one that did not as none", async () => {
    const { clock, dialer } = setUp();
    await dialer.dial(refuse(new SmbConnectionError("no"))).catch(() => undefined);
    await clock.advance(dialer.pause);
    await dialer.dial(() => Promise.resolve());
    dialer.lost(100, new SmbConnectionError("at once"));
    expect(dialer.pause).toBe(2_000);
    await clock.advance(dialer.pause);
    await dialer.dial(() => Promise.resolve());
    dialer.lost(60_000, new SmbConnectionError("later"));
    expect(dialer.pause).toBe(1_000);
  });

  it("counts connections lost together as one failure", () => {
    const { dialer } = setUp();
    for (let lost = 0; lost < 6; lost++) dialer.lost(100, new SmbConnectionError("all"));
    expect(dialer.pause).toBe(1_000);
  });

  it("never tries again by itself after refused credentials", async () => {
    const { dialer } = setUp();
    const refusal = new SmbCredentialsError("no", NtStatus.LOGON_FAILURE);
    await expect(dialer.dial(refuse(refusal))).rejects.toBe(refusal);
    let tried = false;
    await expect(
      dialer.dial(() => {
        tried = true;
        return Promise.resolve();
      }),
    ).rejects.toBe(refusal);
    expect(tried).toBe(false);
    dialer.forgive();
    await dialer.dial(() => Promise.resolve());
    expect(dialer.lastError).toBeUndefined();
  });

  it.each([
    new SmbStatusError("SESSION_SETUP", NtStatus.ACCOUNT_DISABLED),
    new SmbStatusError("SESSION_SETUP", NtStatus.ACCOUNT_LOCKED_OUT),
    new SmbStatusError("SESSION_SETUP", NtStatus.INVALID_LOGON_HOURS),
    new AuthError("AUTH_ACCOUNT_CLOSED", "revoked"),
  ])(
    "tries an account that is not let in after 2 minutes, then every 15, and at once when told to: %s",
    async (closed) => {
      const { clock, dialer } = setUp();
      const pauses: number[] = [];
      for (let attempt = 0; attempt < 3; attempt++) {
        await dialer.dial(refuse(closed)).catch(() => undefined);
        pauses.push(dialer.pause / 60_000);
        await clock.advance(dialer.pause);
      }
      expect(pauses).toEqual([2, 15, 15]);
      expect(dialer.refusal).toBeUndefined();
      await dialer.dial(refuse(closed)).catch(() => undefined);
      dialer.forgive();
      expect(dialer.pause).toBe(0);
      await dialer.dial(refuse(closed)).catch(() => undefined);
      expect(dialer.pause).toBe(120_000);
    },
  );

  it("lets one attempt at a time through, so that one wrong password is one failed login", async () => {
    const { dialer } = setUp();
    let attempts = 0;
    const refusal = new SmbCredentialsError("no", NtStatus.LOGON_FAILURE);
    const results = await Promise.allSettled(
      Array.from({ length: 50 }, () =>
        dialer.dial(() => {
          attempts++;
          return Promise.reject(refusal);
        }),
      ),
    );
    expect(attempts).toBe(1);
    expect(results.every((result) => result.status === "rejected" && result.reason === refusal)).toBe(true);
  });

  it("cuts a pause short for those who ask, to one attempt a second", async () => {
    const { clock, dialer } = setUp();
    for (let attempt = 0; attempt < 8; attempt++) {
      await dialer.dial(refuse(new SmbConnectionError("no"))).catch(() => undefined);
      if (attempt < 7) await clock.advance(dialer.pause);
    }
    expect(dialer.pause).toBe(60_000);
    expect(dialer.hurry()).toBe(true);
    expect(dialer.pause).toBe(1_000);
    await clock.advance(600);
    expect(dialer.hurry()).toBe(true);
    expect(dialer.pause).toBe(400);
    await clock.advance(5_000);
    await dialer.dial(refuse(new SmbConnectionError("still not"))).catch(() => undefined);
    expect(dialer.pause).toBe(60_000);
    await clock.advance(10_000);
    dialer.hurry();
    expect(dialer.pause).toBe(0);
    // A share that was removed has refused nobody.
    await dialer
      .dial(refuse(new SmbStatusError("TREE_CONNECT", NtStatus.BAD_NETWORK_NAME)))
      .catch(() => undefined);
    dialer.hurry();
    expect(dialer.pause).toBe(1_000);
  });

  it.each([
    new SmbStatusError("SESSION_SETUP", NtStatus.ACCOUNT_LOCKED_OUT),
    new SmbStatusError("SESSION_SETUP", NtStatus.NO_LOGON_SERVERS),
    new SmbStatusError("NEGOTIATE", NtStatus.DOWNGRADE_DETECTED),
    new AuthError("AUTH_ACCOUNT_CLOSED", "revoked"),
    new SmbCredentialsError("no", NtStatus.LOGON_FAILURE),
  ])("lets nobody cut the pause short after %s", async (error) => {
    const { clock, dialer } = setUp();
    await dialer.dial(refuse(error)).catch(() => undefined);
    const { pause } = dialer;
    await clock.advance(10_000);
    expect(dialer.hurry()).toBe(false);
    expect(dialer.pause).toBe(Math.max(0, pause - 10_000));
    // A connection lost meanwhile is no reason either.
    dialer.lost(100, new SmbConnectionError("gone"));
    if (pause > 0) expect(dialer.hurry()).toBe(false);
    dialer.forgive();
    expect(dialer.hurry()).toBe(true);
  });

  it("is slow where only a person can help", async () => {
    const { dialer } = setUp();
    const missing = new SmbStatusError("TREE_CONNECT", NtStatus.BAD_NETWORK_NAME);
    await dialer.dial(refuse(missing)).catch(() => undefined);
    expect(dialer.pause).toBe(60_000);
  });
});
