import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type KerberosLab, startKerberosLab } from "../../../scripts/lab/kerberos.ts";
import type { KerberosOptions } from "../../../src/auth/kerberos.ts";
import { createNegotiateProvider } from "../../../src/auth/negotiate.ts";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { SmbClient } from "../../../src/share/smb-client.ts";
import { kerberosClient, kerberosSuite, useRealm, WITHOUT_KDC } from "../../support/servers/kerberos.ts";

const signal = (): AbortSignal => AbortSignal.timeout(20_000);

describe.skipIf(WITHOUT_KDC !== undefined)(kerberosSuite("login by Kerberos, NTLM disabled"), () => {
  let lab: KerberosLab;
  const ways: Record<string, KerberosOptions> = {};

  beforeAll(async () => {
    lab = await startKerberosLab();
    useRealm(lab.kdc);
    const { user, password, kdc } = lab;
    ways["keytab"] = { principal: user, keytab: await kdc.keytab(user) };
    ways["keytab, whoever is in it"] = { keytab: await kdc.keytab(user) };
    ways["password"] = { principal: user, realm: kdc.realm, password };
    ways["cache"] = { ccache: await kdc.ccache(user) };
  });
  afterAll(() => lab?.stop());

  it.each(["keytab", "keytab, whoever is in it", "password", "cache"])(
    "by %s: signed 3.1.1, and a change is told",
    async (way) => {
      await using client = await SmbClient.connect(kerberosClient(lab, ways[way] as KerberosOptions), {
        signal: signal(),
      });
      expect(client.server).toMatchObject({
        dialect: 0x0311,
        mechanism: "kerberos",
        kind: "samba",
        signing: { active: true, algorithm: "aes-gmac" },
        encryption: { active: false },
      });
      const name = `${way.replaceAll(/\W/g, "")}.txt`;
      await using stream = client.watch("/", { signal: signal() });
      await stream.next();
      writeFileSync(join(lab.samba.path(), name), "x");
      const { value } = await stream.next();
      expect(value).toMatchObject({ type: "changes", via: "notify", changes: [{ name }] });
    },
  );

  it.each(["aes-256-gcm", "aes-256-ccm", "aes-128-gcm", "aes-128-ccm"] as const)(
    "encrypted by %s with the keys of the ticket",
    async (cipher) => {
      const options = kerberosClient(lab, ways["keytab"] as KerberosOptions, {
        ciphers: [cipher],
        encryption: "required",
      });
      await using client = await SmbClient.connect(options, { signal: signal() });
      expect(client.server?.encryption).toEqual({ active: true, cipher });
      await using stream = client.watch("/", { signal: signal() });
      await stream.next();
      writeFileSync(join(lab.samba.path(), `${cipher}.txt`), "x");
      expect((await stream.next()).value).toMatchObject({ changes: [{ name: `${cipher}.txt` }] });
    },
  );

  it.each([0x0202, 0x0210, 0x0300, 0x0302] as const)("signed on dialect 0x%s too", async (dialect) => {
    const options = kerberosClient(lab, ways["keytab"] as KerberosOptions, { dialects: [dialect] });
    await using client = await SmbClient.connect(options, { signal: signal() });
    expect(client.server).toMatchObject({ dialect, signing: { active: true } });
    expect((await client.stat("/")).type).toBe("directory");
  });

  it("lets nobody in by NTLM", async () => {
    const { samba, user, password } = lab;
    const auth = createNtlmProvider({ username: user, password });
    await expect(
      SmbClient.connect({ ...kerberosClient(lab, {}), auth }, { signal: signal() }),
    ).rejects.toMatchObject({
      failure: "policy",
      message: expect.stringContaining("the server takes no NTLM: log in by Kerberos"),
    });
    // As Samba itself has it: whoever got in, got in by Kerberos.
    const lettingIn = samba.log().match(/Successful AuthZ: \[SMB2?,\w+\]/g) ?? [];
    expect(new Set(lettingIn)).toEqual(new Set(["Successful AuthZ: [SMB2,krb5]"]));
  });

  it("negotiate takes Kerberos here", async () => {
    const { user, password } = lab;
    const options = kerberosClient(lab, ways["keytab"] as KerberosOptions);
    const { auth: kerberos } = options;
    if (kerberos === undefined) throw new Error("no provider");
    const ntlm = createNtlmProvider({ username: user, password });
    const auth = createNegotiateProvider({ connection: "lab", kerberos, ntlm });
    await using client = await SmbClient.connect({ ...options, auth }, { signal: signal() });
    expect(client.server?.mechanism).toBe("kerberos");
  });
});
