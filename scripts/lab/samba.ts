import { execFile, spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type SambaPrograms, type SambaRelease, sambaPrograms } from "./samba-release.ts";
import { ServerProcess, startOnFreePort } from "./server-process.ts";
import { createWorkspace, freePort, makeDir, type Workspace } from "./workspace.ts";

const run = promisify(execFile);

export interface SambaOptions {
  /** Default: what `SMB2NATS_LAB_SAMBA` says, else the installed one. smbclient is always the installed one. */
  readonly release?: SambaRelease;
  /** smb.conf `[global]` additions or overrides, e.g. `{"server signing": "mandatory"}`. */
  readonly global?: Readonly<Record<string, string>>;
  /** Share name -> smb.conf options. `path` defaults to a fresh folder. Default: one share `share`. */
  readonly shares?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Keep everything on tmpfs. Default true: tests should not wait for a disk. */
  readonly memory?: boolean;
  /** Fixed port, e.g. to come back on the same one. Default: any free one. */
  readonly port?: number;
  /** For smbd's environment, e.g. `KRB5_CONFIG`. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A real smbd of our own on loopback. */
export interface Samba {
  readonly host: "127.0.0.1";
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly domain: string;
  /** `4.22.11` */
  readonly version: string;
  /** File that holds the password, mode 0600, for `passwordFile`. */
  readonly passwordFile: string;
  readonly dir: string;
  /** Local folder behind a share; files made here are changes made "on the server itself". */
  path(share?: string): string;
  /** Runs smbclient commands (`;`-separated) as an independent SMB client. */
  smbclient(commands: string, share?: string): Promise<string>;
  /** `smbstatus` sections as text. */
  status(): Promise<string>;
  pid(): number | undefined;
  stop(): Promise<void>;
  /** SIGKILL to the whole group: clients see their sockets close. */
  kill(): Promise<void>;
  /** Starts again on the same port with the same data. */
  start(): Promise<void>;
  /** SIGSTOP / SIGCONT to the whole group: the server falls silent on live sockets. */
  pause(): void;
  resume(): void;
  /** Runs smbcontrol, e.g. `control("smbd", "close-share", "share")`. */
  control(...args: readonly string[]): Promise<void>;
  /** Replaces share definitions and makes the running smbd read them. */
  reconfigure(options: Pick<SambaOptions, "global" | "shares">): Promise<void>;
  /** What smbd printed and logged so far. */
  log(): string;
}

const USER = "watcher";
const PASSWORD = "Correct-Horse-7";
/** @throws Error when that smbd is absent or does not start; the message holds its output. */
export async function startSamba(options: SambaOptions = {}): Promise<Samba> {
  const programs = sambaPrograms(options.release);
  const workspace = createWorkspace({ memory: options.memory ?? true });
  try {
    return await startOnFreePort(options.port === undefined ? 3 : 1, async () =>
      startIn(workspace, programs, options, options.port ?? (await freePort())),
    );
  } catch (error) {
    workspace.remove();
    throw error;
  }
}

async function startIn(
  workspace: Workspace,
  programs: SambaPrograms,
  options: SambaOptions,
  port: number,
): Promise<Samba> {
  const { dir } = workspace;
  const root = userInfo().uid === 0;
  // No account is created: an existing one plays the user, under another name, with its own password store.
  const account = root ? "daemon" : userInfo().username;
  const paths = new Map<string, string>();
  for (const sub of ["private", "lock", "state", "cache", "pid", "ncalrpc"]) makeDir(join(dir, sub));
  const conf = join(dir, "smb.conf");
  const usermap = join(dir, "usermap");
  const authFile = join(dir, "auth");
  const passwordFile = join(dir, "password");
  writeFileSync(usermap, `${account} = ${USER}\n`);
  writeFileSync(authFile, `username = ${USER}\npassword = ${PASSWORD}\ndomain = LAB\n`, { mode: 0o600 });
  writeFileSync(passwordFile, `${PASSWORD}\n`, { mode: 0o600 });

  const writeConf = ({ global = {}, shares = { share: {} } }: SambaOptions): void => {
    const settings: Record<string, string> = {
      workgroup: "LAB",
      "netbios name": "LAB",
      "server role": "standalone server",
      security: "user",
      "map to guest": "never",
      interfaces: "127.0.0.1",
      "bind interfaces only": "yes",
      "smb ports": String(port),
      "disable netbios": "yes",
      "load printers": "no",
      printing: "bsd",
      "printcap name": "/dev/null",
      "private dir": join(dir, "private"),
      "lock directory": join(dir, "lock"),
      "state directory": join(dir, "state"),
      "cache directory": join(dir, "cache"),
      "pid directory": join(dir, "pid"),
      "ncalrpc dir": join(dir, "ncalrpc"),
      "passdb backend": `tdbsam:${join(dir, "private", "passdb.tdb")}`,
      "username map": usermap,
      "log file": join(dir, "smbd.log"),
      "log level": "1",
      "max log size": "10000",
      ...global,
    };
    const lines = ["[global]", ...Object.entries(settings).map(([key, value]) => `  ${key} = ${value}`)];
    for (const [name, share] of Object.entries(shares)) {
      const path = share["path"] ?? join(dir, "shares", name);
      if (!existsSync(path)) makeDir(path);
      paths.set(name, path);
      const all = { path, "read only": "no", "force user": userInfo().username, ...share };
      lines.push(`[${name}]`, ...Object.entries(all).map(([key, value]) => `  ${key} = ${value}`));
    }
    writeFileSync(conf, `${lines.join("\n")}\n`);
  };
  writeConf(options);

  // The account database lives in the workspace: nothing outside it is touched.
  const smbpasswd = programs.command("smbpasswd", ["-c", conf, "-a", "-s", account]);
  await runWithInput(...smbpasswd, `${PASSWORD}\n${PASSWORD}\n`);

  const smbd = programs.command("smbd", ["-F", "-s", conf, "--no-process-group"]);
  const server = new ServerProcess(workspace, ...smbd, {
    name: "smbd",
    ...(options.env === undefined ? {} : { env: options.env }),
  });
  await server.start(port);

  const samba: Samba = {
    host: "127.0.0.1",
    port,
    user: USER,
    password: PASSWORD,
    domain: "LAB",
    version: programs.version,
    passwordFile,
    dir,
    path(share = paths.keys().next().value ?? "share") {
      const path = paths.get(share);
      if (path === undefined) throw new Error(`no share ${share}`);
      return path;
    },
    async smbclient(commands, share = paths.keys().next().value ?? "share") {
      const args = [`//127.0.0.1/${share}`, "-p", String(port), "-s", conf, "-A", authFile, "-c", commands];
      const { stdout } = await run("smbclient", args, { maxBuffer: 64 << 20, timeout: 120_000 });
      return stdout;
    },
    async status() {
      const smbstatus = programs.command("smbstatus", ["-s", conf]);
      const { stdout } = await run(...smbstatus, { maxBuffer: 64 << 20, timeout: 60_000 });
      return stdout;
    },
    pid: () => server.pid,
    async stop() {
      server.signal("SIGCONT");
      await server.stop();
      workspace.remove();
    },
    kill: () => server.stop("SIGKILL"),
    start: () => server.start(port),
    pause: () => server.signal("SIGSTOP"),
    resume: () => server.signal("SIGCONT"),
    async control(...args) {
      await run(...programs.command("smbcontrol", ["-s", conf, ...args]), { timeout: 20_000 });
    },
    async reconfigure(changed) {
      writeConf({ ...options, ...changed });
      await samba.control("all", "reload-config");
    },
    log: () =>
      `${server.log()}${existsSync(join(dir, "smbd.log")) ? readFileSync(join(dir, "smbd.log"), "utf8") : ""}`,
  };
  return samba;
}

async function runWithInput(command: string, args: readonly string[], input: string): Promise<void> {
  const child = spawn(command, args, { stdio: ["pipe", "ignore", "pipe"], timeout: 30_000 });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) throw new Error(`${command} failed (${code}): ${errors.trim()}`);
}
