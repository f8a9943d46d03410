import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { type LoadedConfig, loadConfig } from "../../../../src/ops/config/config.ts";
import { ConfigWatch, type ConfigWatchOptions } from "../../../../src/ops/config/watch.ts";

let folder: string;
let watcher: ConfigWatch | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "smb2nats-watch-"));
});
afterEach(async () => {
  await watcher?.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Told {
  readonly changes: {
    readonly loaded: LoadedConfig;
    readonly changed: readonly string[];
    readonly asked: boolean;
  }[];
  readonly errors: unknown[];
}

async function start(file: string, options: Partial<ConfigWatchOptions> = {}): Promise<Told> {
  const told: Told = { changes: [], errors: [] };
  const load = { file, env: {} };
  watcher = new ConfigWatch({
    load,
    initial: loadConfig(load),
    onChange: (loaded, changed, asked) => told.changes.push({ loaded, changed, asked }),
    onError: (error) => told.errors.push(error),
    debounceMs: 10,
    ...options,
  });
  await watcher.start();
  return told;
}

const soon = { timeout: 10_000, interval: 10 };

describe("ConfigWatch", () => {
  it("tells a new configuration", async () => {
    const file = join(folder, "c.yaml");
    writeFileSync(file, "http: { port: 1 }");
    const { changes } = await start(file);
    writeFileSync(file, "http: { port: 2 }");
    await vi.waitFor(() => expect(changes.at(-1)?.loaded.config.http.port).toBe(2), soon);
    expect(changes.at(-1)?.changed).toEqual([file]);
  });

  it("follows files replaced by rename, again and again", async () => {
    const file = join(folder, "c.yaml");
    writeFileSync(file, "http: { port: 1 }");
    const { changes } = await start(file);
    for (const port of [2, 3]) {
      writeFileSync(`${file}.new`, `http: { port: ${port} }`);
      renameSync(`${file}.new`, file);
      await vi.waitFor(() => expect(changes.at(-1)?.loaded.config.http.port).toBe(port), soon);
    }
  });

  it("follows the link that Kubernetes swaps", async () => {
    for (const [version, port] of [
      ["..1", 1],
      ["..2", 2],
    ] as const) {
      mkdirSync(join(folder, version));
      writeFileSync(join(folder, version, "c.yaml"), `http: { port: ${port} }`);
    }
    symlinkSync("..1", join(folder, "..data"));
    symlinkSync("..data/c.yaml", join(folder, "c.yaml"));
    const { changes } = await start(join(folder, "c.yaml"));
    symlinkSync("..2", join(folder, "..data_tmp"));
    renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
    await vi.waitFor(() => expect(changes.at(-1)?.loaded.config.http.port).toBe(2), soon);
  });

  it("tells that a secret was written anew, or touched, with what stood in it before", async () => {
    const file = join(folder, "c.yaml");
    const secret = join(folder, "secret");
    writeFileSync(secret, "one");
    writeFileSync(file, `connections: { a: { server: s, share: x, username: u, passwordFile: ${secret} } }`);
    const { changes } = await start(file, { pollMs: 50 });
    utimesSync(secret, 1_000, 1_000);
    await vi.waitFor(() => expect(changes.map(({ changed }) => changed)).toEqual([[secret]]), soon);
    writeFileSync(`${secret}.new`, "one");
    renameSync(`${secret}.new`, secret);
    await vi.waitFor(() => expect(changes.map(({ changed }) => changed)).toEqual([[secret], [secret]]), soon);
    // Of a configuration only the content counts.
    utimesSync(file, 1_000, 1_000);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(changes.length).toBe(2);
  });

  it("tells what is there when asked to, changed or not", async () => {
    const file = join(folder, "c.yaml");
    writeFileSync(file, "http: { port: 1 }");
    const { changes } = await start(file);
    await watcher?.reload();
    expect(changes).toMatchObject([{ changed: [], asked: true }]);
    writeFileSync(file, "http: { port: 2 }");
    await vi.waitFor(() => expect(changes.at(-1)).toMatchObject({ changed: [file], asked: false }), soon);
  });

  it("tells that a secret changed, also of a connection that came later", async () => {
    const file = join(folder, "c.yaml");
    const secret = join(folder, "secret");
    mkdirSync(join(folder, "elsewhere"));
    const later = join(folder, "elsewhere", "later");
    const entry = (name: string, path: string): string =>
      `${name}: { server: s, share: x, username: u, passwordFile: ${path} }`;
    writeFileSync(secret, "one");
    writeFileSync(later, "one");
    writeFileSync(file, `connections: { ${entry("a", secret)} }`);
    const { changes } = await start(file);
    writeFileSync(secret, "two");
    await vi.waitFor(() => expect(changes.at(-1)?.changed).toEqual([secret]), soon);
    writeFileSync(file, `connections: { ${entry("a", secret)}, ${entry("b", later)} }`);
    await vi.waitFor(() => expect(changes.at(-1)?.changed).toEqual([file]), soon);
    writeFileSync(later, "two");
    await vi.waitFor(() => expect(changes.at(-1)?.changed).toEqual([later]), soon);
  });

  it("keeps the old one while the new one is broken, says so once, and takes the repaired one", async () => {
    const file = join(folder, "c.yaml");
    const clock = new ManualClock();
    writeFileSync(file, "http: { port: 1 }");
    const { changes, errors } = await start(file, { clock, pollMs: 1_000 });
    writeFileSync(file, "http: { prt: 1 }");
    const looked = async (): Promise<void> => {
      await clock.advance(1_000);
      // Reading is done in real time.
      await new Promise((resolve) => setTimeout(resolve, 50));
    };
    await vi.waitFor(async () => {
      await looked();
      expect(errors).toMatchObject([{ code: "CONFIG" }]);
    }, soon);
    await looked();
    expect(errors.length).toBe(1);
    // Who asks hears it again; a look that has begun before is none for whoever asks now.
    await vi.waitFor(async () => {
      await watcher?.reload();
      expect(errors.length).toBe(2);
    }, soon);
    expect(changes).toEqual([]);
    writeFileSync(file, "http: { port: 3 }");
    await watcher?.reload();
    expect(changes[0]?.loaded.config.http.port).toBe(3);
  });

  it("polls, should the file system tell nothing", async () => {
    const file = join(folder, "c.yaml");
    const clock = new ManualClock();
    writeFileSync(file, "http: { port: 1 }");
    const { changes } = await start(file, { clock, pollMs: 30_000, debounceMs: 10_000_000 });
    writeFileSync(file, "http: { port: 2 }");
    await vi.waitFor(async () => {
      await clock.advance(30_000);
      expect(changes.at(-1)?.loaded.config.http.port).toBe(2);
    }, soon);
  });

  it("does nothing when nothing changed, and nothing after close", async () => {
    const file = join(folder, "c.yaml");
    const clock = new ManualClock();
    writeFileSync(file, "http: { port: 1 }");
    const { changes, errors } = await start(file, { clock });
    await clock.advance(30_000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await watcher?.close();
    writeFileSync(file, "http: { port: 2 }");
    await watcher?.reload();
    expect([changes, errors]).toEqual([[], []]);
    expect(clock.pending).toBe(0);
  });
});
