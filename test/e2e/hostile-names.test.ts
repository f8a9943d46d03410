import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Stack, startStack } from "../../scripts/lab/stack.ts";
import { Scope } from "../../src/base/scope.ts";
import { MAIN } from "../support/processes/program.ts";
import {
  actsUpon,
  missingScript,
  type OnTerminal,
  onTerminal,
} from "../support/processes/pseudo-terminal.ts";
import { until } from "../support/until.ts";

/**
 * Whoever may make a file chooses what the people who watch the share read. Each command and each log format gets such
 * names, through directories and through files, on a real pseudo-terminal.
 */

/** ESC, CSI as one character, DEL, a line break that forges a line, bidi override and isolate, line separator, a mark. */
const FILE = "a\u001b[2J\u009b31m\u007f\nforged: ok\u202etxt.exe\u2066\u2028\u200b.end";
/** What may stand in a watched path: controls beyond C0. */
const FOLDER = "d\u009b2J\u202eexe\u2028\u200b.dir";

const scope = new Scope();
let stack: Stack;

beforeAll(async () => {
  const reason = missingScript();
  if (reason !== undefined) throw new Error(reason);
  // By default Samba makes up short names for these. Where it does not, what a client may call a file is up to the client.
  stack = await startStack({
    workers: 0,
    gateways: 0,
    samba: { shares: { share: { "mangled names": "no" } } },
  });
  scope.defer(() => stack.close());
  mkdirSync(join(stack.samba.path(), FOLDER));
});
afterAll(() => scope.close());

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): OnTerminal {
  const program = onTerminal([process.execPath, MAIN, ...args], {
    SMB2NATS_CONFIG: stack.configFile,
    SMB2NATS_USERNAME: stack.samba.user,
    SMB2NATS_DOMAIN: stack.samba.domain,
    SMB2NATS_PASSWORD_FILE: stack.samba.passwordFile,
    SMB2NATS_HTTP_PORT: "0",
    SMB2NATS_GATEWAY_PORT: "0",
    ...env,
  });
  return scope.use(program);
}

function expectHarmless(what: string, { shown }: OnTerminal): void {
  expect(actsUpon(shown), `${what}: ${JSON.stringify(shown)}`).toEqual([]);
  expect(shown, what).not.toMatch(/^forged/m);
}

let made = 0;
/** A change with a hostile name in a directory with one. */
function makeFile(): void {
  writeFileSync(join(stack.samba.path(), FOLDER, `${FILE}${made++}`), "x");
}

describe("names that would drive a terminal", () => {
  it("reach neither logs nor commands that follow changes", async () => {
    const pretty = run(["worker"], {
      SMB2NATS_LOG_FORMAT: "pretty",
      SMB2NATS_LOG_LEVEL: "debug",
    });
    const json = run(["worker"], {
      SMB2NATS_LOG_FORMAT: "json",
      SMB2NATS_LOG_LEVEL: "debug",
    });
    await Promise.all([pretty.until("service.ready"), json.until("service.ready")]);
    const share = `//127.0.0.1:${stack.samba.port}/share/${FOLDER}`;
    const followers = {
      tail: run(["tail", share]),
      "tail --json": run(["tail", share, "--json"]),
      watch: run(["watch", "lab", `/${FOLDER}`]),
      "watch --json": run(["watch", "lab", `/${FOLDER}`, "--json"]),
    };
    const all = Object.values(followers);
    await Promise.all(
      Object.entries(followers).map(([name, one]) =>
        one.until(name.endsWith("json") ? '"live"' : "watching "),
      ),
    );
    // More than one: a first one may fall between two of the looks that a new watch takes.
    const heard = (): boolean => {
      makeFile();
      return all.every(({ shown }) => shown.includes(".end"));
    };
    await until("everybody to hear of such a file", heard, { timeoutMs: 20_000, everyMs: 500 }).catch(
      (cause: unknown) => {
        const deaf = Object.entries(followers).filter(([, { shown }]) => !shown.includes(".end"));
        throw new Error(JSON.stringify(deaf.map(([name, { shown }]) => [name, shown.slice(-2_000)])), {
          cause,
        });
      },
    );
    const status = [run(["status"]), run(["status", "--json"])];
    for (const one of status) expect(await one.ended).toBe(0);
    expect(status[0]?.shown).toContain("\\u{9b}2J\\u{202e}exe");
    // The watch goes over to the other worker: each log has named it then.
    const owner = pretty.shown.includes(".dir") ? pretty : json;
    owner.interrupt();
    expect(await owner.ended).toBe(0);
    await (owner === pretty ? json : pretty).until(".dir");
    for (const one of [...all, pretty, json]) one.interrupt();
    for (const one of [...all, pretty, json]) expect(await one.ended).toBe(0);

    for (const [name, one] of Object.entries(followers)) expectHarmless(name, one);
    for (const one of status) expectHarmless("status", one);
    // Where a log names no path there is nothing to prove.
    expect(pretty.shown).toContain(".dir");
    expect(json.shown).toContain(".dir");
    expectHarmless("pretty log", pretty);
    expectHarmless("JSON log", json);
    // JSON says the same as ever.
    const told = followers["tail --json"].shown.split("\r\n").filter((line) => line.includes(".end"));
    const changes = JSON.stringify(told.map((line) => (JSON.parse(line) as { changes?: unknown }).changes));
    expect(changes).toContain(JSON.stringify(FILE).slice(1, -1));
  });

  it("... nor what commands refuse, print or fail with", async () => {
    const hostile = "x\u009b2J\u202e\u2028\u001b]0;owned\u0007";
    const file = join(stack.dir, "hostile.yaml");
    writeFileSync(
      file,
      `{"k\u009b2J\u202e": 1, "log": {"level": "a\u202eb"}, "account": {"username": "u\u009b2J"}}`,
    );
    const runs: readonly (readonly string[])[] = [
      [hostile],
      ["tail", hostile],
      ["tail", "//127.0.0.1:1/s", `--${hostile}`],
      ["tail", `//127.0.0.1:${stack.samba.port}/share/${hostile}`],
      ["tail", `//127.0.0.1:${stack.samba.port}/no${FOLDER}`],
      ["check", hostile],
      ["check", `//127.0.0.1:${stack.samba.port}/share/${FOLDER}`],
      ["check", `//127.0.0.1:${stack.samba.port}/share/${FOLDER}`, "--json"],
      ["check", `//127.0.0.1:${stack.samba.port}/share/none${FOLDER}`],
      ["watch", "lab", hostile],
      ["watch", "lab", `/none/${FOLDER}`],
      ["subject", "lab", `/${FOLDER}`],
      ["subject", "lab", `/${FOLDER}`, "--json"],
      ["subject", "lab", hostile],
      ["subject", "--reverse", `smb.lab.d=C2=9B2J=E2=80=AE`],
      ["subject", "--reverse", hostile],
      ["config", "check", "--config", file],
      ["config", "check", "--config", file, "--json"],
      ["config", "print", "--config", `${file}${hostile}`],
      ["config", hostile],
      ["health", hostile],
      ["up", hostile],
    ];
    for (const args of runs) {
      const one = run(args);
      if (args[0] === "watch") setTimeout(() => one.interrupt(), 3_000);
      await one.ended;
      expect(one.shown, args.join(" ")).not.toBe("");
      expectHarmless(args.join(" "), one);
    }
  });
});
