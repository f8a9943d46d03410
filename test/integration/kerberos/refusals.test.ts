import { existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { inspect } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type KerberosLab, startKerberosLab } from "../../../scripts/lab/kerberos.ts";
import { freePort } from "../../../scripts/lab/workspace.ts";
import { createKerberosProvider, type KerberosOptions } from "../../../src/auth/kerberos.ts";
import { firstContact } from "../../../src/cli/compose/first-contact.ts";
import { Share } from "../../../src/share/share.ts";
import { type PoolFact, poolFacts } from "../../../src/smb/facts.ts";
import { kerberosSuite, useRealm, WITHOUT_KDC } from "../../support/servers/kerberos.ts";

const FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
const WRONG = "Wrong-Horse-8";

interface Refusal {
  /** What `check` and `tail` print. */
  readonly text: string;
  readonly name: string;
  /** Logins tried within a second. */
  readonly tries: number;
  /** Everything an error handler could print. */
  readonly all: string;
}

async function refusal(lab: KerberosLab, how: KerberosOptions): Promise<Refusal> {
  const facts: PoolFact[] = [];
  const stop = poolFacts.subscribe((fact) => facts.push(fact));
  const share = new Share({
    smb: {
      label: "lab",
      host: lab.samba.host,
      port: lab.samba.port,
      share: "share",
      auth: createKerberosProvider({ spnHost: lab.spnHost, ...how }),
    },
  });
  try {
    const contact = firstContact(share, {
      connection: "lab",
      where: "//files/share",
      username: how.principal,
      signal: AbortSignal.timeout(30_000),
    });
    const error = await contact.then(
      () => new Error("it was let in"),
      (reason: Error) => reason,
    );
    await delay(1_000);
    const all = inspect([error, facts], { depth: 10, showHidden: true });
    return { text: error.message, name: error.name, tries: facts.length, all };
  } finally {
    stop();
    await share.close();
  }
}

describe.skipIf(WITHOUT_KDC !== undefined)(kerberosSuite("a refused login says what to do"), () => {
  let lab: KerberosLab;
  let keytab: string;

  beforeAll(async () => {
    lab = await startKerberosLab();
    keytab = await lab.kdc.keytab(lab.user);
    await lab.kdc.addPrincipal("late", { password: WRONG, attributes: ["-pwexpire", "2020-01-01"] });
    await lab.kdc.addPrincipal("closed", { password: WRONG, attributes: ["-allow_tix"] });
  });
  beforeEach(() => useRealm(lab.kdc));
  afterAll(() => lab?.stop());

  const cases: [string, () => KerberosOptions | Promise<KerberosOptions>, RegExp, "stops" | "goes on"][] = [
    [
      "a wrong password",
      () => ({ principal: "daemon", password: WRONG }),
      /refused the login of daemon \(.*password of daemon is wrong/,
      "stops",
    ],
    [
      "an unknown principal",
      () => ({ principal: "stranger", password: WRONG }),
      /the KDC does not know stranger: check username and domain/,
      "stops",
    ],
    [
      "an expired password",
      () => ({ principal: "late", password: WRONG }),
      /the password of late has expired: set a new one/,
      "stops",
    ],
    [
      "a closed account",
      () => ({ principal: "closed", password: WRONG }),
      /expired, disabled or locked/,
      "goes on",
    ],
    [
      "a missing service principal",
      () => ({ principal: "daemon", keytab, spnHost: "other.lab.test" }),
      /does not know the service cifs\/other\.lab\.test: register it .*setspn.*addprinc.*spnHost/,
      "goes on",
    ],
    [
      "a wrong realm of the account",
      () => ({ principal: "daemon", realm: "OTHER.TEST", password: WRONG }),
      /no KDC is known for that realm: check the spelling of domain/,
      "goes on",
    ],
    [
      "a keytab without the account's key",
      () => ({ principal: "late", keytab }),
      /holds no key of late: see klist -kt/,
      "goes on",
    ],
    [
      "no keytab",
      () => ({ principal: "daemon", keytab: "/none" }),
      /keytab \/none: .*cannot be read/,
      "goes on",
    ],
    [
      "an empty cache",
      () => ({ ccache: "FILE:/none" }),
      /holds no valid ticket: run kinit, or set keytabFile/,
      "goes on",
    ],
    [
      "an absent KDC",
      async () => {
        process.env["KRB5_CONFIG"] = lab.kdc.writeConfig("dead.conf", { port: await freePort() });
        return { principal: "daemon", keytab };
      },
      /cannot be reached: .*no KDC answered: check .*krb5\.conf, and that port 88 is open/,
      "goes on",
    ],
    [
      "koffi that is not installed",
      async () => {
        const { loadGssapi } = await import("../../../src/auth/gssapi.ts");
        const absent = (): Promise<never> => Promise.reject(new Error("Cannot find package 'koffi'"));
        return { principal: "daemon", keytab, gssapi: () => loadGssapi(absent) };
      },
      /Kerberos needs the npm package koffi: npm install koffi/,
      "goes on",
    ],
    [
      "an old keytab",
      async () => {
        const old = await lab.kdc.keytab(lab.user);
        await lab.kdc.admin(`cpw -randkey ${lab.user}`);
        return { principal: "daemon", keytab: old };
      },
      /not the current one of daemon: export the keytab again/,
      "stops",
    ],
  ];

  it.each(cases)("%s", async (_, how, text, afterwards) => {
    const { text: told, tries, all } = await refusal(lab, await how());
    expect(told).toMatch(text);
    expect(all).not.toContain(WRONG);
    // What has been judged is never tried again by itself: accounts get locked.
    if (afterwards === "stops") {
      expect(tries).toBe(1);
      expect(told).toContain("not tried again");
    } else expect(told).not.toContain("not tried again");
  });
});

describe.skipIf(WITHOUT_KDC !== undefined || !existsSync(FAKETIME))(
  kerberosSuite(
    `a server whose clock is wrong${existsSync(FAKETIME) ? "" : " (skipped: faketime is not installed)"}`,
  ),
  () => {
    it("is told apart", async () => {
      const lab = await startKerberosLab({
        samba: { env: { LD_PRELOAD: FAKETIME, FAKETIME: "+1h", FAKETIME_DONT_FAKE_MONOTONIC: "1" } },
      });
      try {
        useRealm(lab.kdc);
        const { text } = await refusal(lab, { principal: lab.user, password: lab.password });
        expect(text).toMatch(/clocks of this machine, the KDC and the server are too far apart: set them/);
      } finally {
        await lab.stop();
      }
    });
  },
);
