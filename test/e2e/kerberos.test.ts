import { type ExecFileException, execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { stringify } from "yaml";
import { dfsTarget, startDfs } from "../../scripts/lab/dfs.ts";
import { type KerberosLab, startKerberosLab } from "../../scripts/lab/kerberos.ts";
import { type Role, type Stack, startStack } from "../../scripts/lab/stack.ts";
import { kerberosSuite, WITHOUT_KDC } from "../support/servers/kerberos.ts";

const run = promisify(execFile);
const MAIN = join(import.meta.dirname, "../../dist/cli/main.js");
const soon = { timeout: 30_000, interval: 100 };

/** States in which a worker has watches of a connection. */
async function watches(role: Role, connection: string): Promise<string[]> {
  const text = await (await fetch(`${role.ops}/metrics`)).text();
  const lines = text.matchAll(/^smb2nats_watches\{connection="(\w+)",state="(\w+)",mode="\w+"\} [1-9]/gm);
  return [...lines].filter((line) => line[1] === connection).map((line) => line[2] as string);
}

describe.skipIf(WITHOUT_KDC !== undefined)(kerberosSuite("Kerberos from the configuration"), () => {
  let lab: KerberosLab;
  let stack: Stack;
  let keytab: string;
  let passwordFile: string;
  const before = { ...process.env };

  beforeAll(async () => {
    lab = await startKerberosLab();
    stack = await startStack({ workers: 0, gateways: 0 });
    keytab = await lab.kdc.keytab(lab.user);
    passwordFile = join(stack.dir, "kerberos-password");
    writeFileSync(passwordFile, `${lab.password}\n`, { mode: 0o600 });
  });
  afterEach(() => {
    for (const name of ["KRB5_CONFIG", "NODE_OPTIONS"]) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  });
  afterAll(async () => {
    await stack?.close();
    await lab?.stop();
  });

  /** Both connections: `lab` by NTLM to a server of its own, `corp` by Kerberos. */
  function configure(corp: Readonly<Record<string, unknown>>): void {
    const { samba } = stack;
    stack.writeConfig({
      log: { level: "trace", format: "json" },
      connections: {
        lab: {
          server: "127.0.0.1",
          port: samba.port,
          share: "share",
          username: samba.user,
          domain: samba.domain,
          passwordFile: samba.passwordFile,
        },
        corp: {
          server: "127.0.0.1",
          port: lab.samba.port,
          share: "share",
          auth: "kerberos",
          username: lab.user,
          domain: lab.kdc.realm,
          spnHost: lab.spnHost,
          ...corp,
        },
      },
      watches: [
        { connection: "lab", path: "/" },
        { connection: "corp", path: "/" },
      ],
    });
  }

  async function check(
    env: Readonly<Record<string, string>>,
  ): Promise<{ code: number; reports: unknown[]; err: string }> {
    const args = [MAIN, "check", "--json", "--config", stack.configFile];
    const { code, stdout, stderr } = await run(process.execPath, args, {
      env: { ...process.env, ...env },
      timeout: 60_000,
    }).then(
      (done) => ({ code: 0, ...done }),
      (error: ExecFileException) => ({
        code: Number(error.code),
        stdout: error.stdout ?? "",
        stderr: error.stderr ?? "",
      }),
    );
    const reports = stdout
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as unknown);
    return { code, reports, err: stderr };
  }

  it("check tells by what each connection logs in", async () => {
    configure({ keytabFile: keytab, encryption: "required" });
    expect(await check(lab.kdc.env)).toMatchObject({
      code: 0,
      reports: [
        { connection: "lab", ok: true, auth: "ntlm", notify: true },
        { connection: "corp", ok: true, auth: "kerberos", notify: true, dialect: "3.1.1", mode: "notify" },
      ],
    });
  });

  it("negotiate falls to NTLM only where allowed, and the log says so", async () => {
    configure({ auth: "negotiate", keytabFile: keytab });
    expect(await check(lab.kdc.env)).toMatchObject({
      code: 0,
      reports: [{}, { ok: true, auth: "kerberos" }],
    });
    const { samba } = stack;
    // No KDC knows this one's service; it takes NTLM.
    const other = {
      port: samba.port,
      auth: "negotiate",
      spnHost: "unknown.lab.test",
      username: samba.user,
      domain: samba.domain,
      ccache: await lab.kdc.ccache(lab.user),
    };
    configure(other);
    const refused = await check(lab.kdc.env);
    expect(refused).toMatchObject({ code: 77, reports: [{ ok: true }, { ok: false }] });
    expect(JSON.stringify(refused.reports)).toContain("the configuration does not allow NTLM instead");
    configure({ ...other, ntlmFallback: true, passwordFile: samba.passwordFile });
    expect(await check(lab.kdc.env)).toMatchObject({ code: 0, reports: [{}, { ok: true, auth: "ntlm" }] });
    process.env["KRB5_CONFIG"] = lab.kdc.env["KRB5_CONFIG"];
    const worker = await stack.startRole("worker");
    try {
      await vi.waitFor(
        () => expect(worker.process.log()).toMatch(/"auth\.fallback".*"corp"|"corp".*"auth\.fallback"/),
        soon,
      );
    } finally {
      await worker.stop();
    }
  });

  it("a worker without koffi serves the others, and says what to install", async () => {
    const hook = join(stack.dir, "no-koffi.mjs");
    writeFileSync(
      hook,
      `import { register } from "node:module";
       register("data:text/javascript," + encodeURIComponent(\`export async function resolve(name, context, next) {
         if (name === "koffi") throw Object.assign(new Error("Cannot find package 'koffi'"), { code: "ERR_MODULE_NOT_FOUND" });
         return next(name, context);
       }\`));`,
    );
    configure({ keytabFile: keytab });
    process.env["KRB5_CONFIG"] = lab.kdc.env["KRB5_CONFIG"];
    process.env["NODE_OPTIONS"] = `--import=file://${hook}`;
    const worker = await stack.startRole("worker");
    try {
      await vi.waitFor(() => expect(worker.process.log()).toContain("npm install koffi"), soon);
      await vi.waitFor(async () => expect(await watches(worker, "lab")).toEqual(["live"]), soon);
      await vi.waitFor(async () => expect(await watches(worker, "corp")).toEqual(["denied"]), soon);
    } finally {
      await worker.stop();
    }
  });

  it("no secret, ticket or key is in a log at level trace, in a crash, or in a report", async () => {
    const reports = join(stack.dir, "reports");
    mkdirSync(reports);
    const hook = join(stack.dir, "crash.mjs");
    writeFileSync(
      hook,
      `process.on("SIGWINCH", () => setImmediate(() => { throw new Error("a crash on purpose"); }));`,
    );
    const keys = await lab.kdc.keys(keytab);
    expect(keys.length).toBeGreaterThan(0);
    for (const corp of [{ passwordFile }, { keytabFile: keytab }]) {
      configure(corp);
      process.env["KRB5_CONFIG"] = lab.kdc.env["KRB5_CONFIG"];
      process.env["NODE_OPTIONS"] =
        `--import=file://${hook} --report-on-signal --report-uncaught-exception --report-directory=${reports}`;
      const worker = await stack.startRole("worker");
      await vi.waitFor(async () => expect(await watches(worker, "corp")).toEqual(["live"]), soon);
      worker.process.signal("SIGUSR2");
      await vi.waitFor(() => expect(readdirSync(reports).length).toBeGreaterThan(0), soon);
      worker.process.signal("SIGWINCH");
      await vi.waitFor(() => expect(worker.process.log()).toContain("a crash on purpose"), soon);
      await vi.waitFor(() => expect(worker.process.running).toBe(false), soon);
      await worker.stop();
      const texts = [
        worker.process.log(),
        ...readdirSync(reports).map((file) => readFileSync(join(reports, file), "utf8")),
      ];
      for (const text of texts) {
        expect(text).not.toContain(lab.password);
        for (const key of keys) {
          expect(text.toLowerCase()).not.toContain(key);
          expect(text).not.toContain(Buffer.from(key, "hex").toString("base64"));
          expect(text).not.toContain([...Buffer.from(key, "hex")].join(","));
        }
      }
      // Tokens would be long.
      expect(worker.process.log()).not.toMatch(/[0-9a-f]{100}|[A-Za-z0-9+/]{200}/);
    }
  });
});

describe("DFS from the configuration", () => {
  it("check prints the way to a directory behind a link", async () => {
    const [ns, stack] = await Promise.all([startDfs(), startStack({ workers: 0, gateways: 0 })]);
    try {
      ns.link("media", dfsTarget(stack.samba));
      const { samba } = ns;
      const config = join(stack.dir, "dfs.yaml");
      const connection = {
        server: "127.0.0.1",
        port: samba.port,
        share: "dfs",
        root: "/media",
        username: samba.user,
        domain: samba.domain,
        passwordFile: samba.passwordFile,
      };
      writeFileSync(config, stringify({ connections: { corp: connection } }));
      const { stdout } = await run(process.execPath, [MAIN, "check", "--config", config], {
        timeout: 60_000,
      });
      expect(stdout).toContain(
        `//127.0.0.1:${samba.port}/dfs/media -> //127.0.0.1:${stack.samba.port}/share`,
      );
    } finally {
      await stack.close();
      await ns.samba.stop();
    }
  });
});
