import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { hasImpacket } from "../../../scripts/lab/impacket.ts";
import type { Samba } from "../../../scripts/lab/samba.ts";
import type { Step } from "./operations.ts";

/** A client that no one here wrote. */
export interface OtherClient {
  readonly name: string;
  /** Why it cannot be had here. */
  readonly absent?: string;
  /** Does all rounds in one session, each until something is refused. Returns what was. */
  run(samba: Samba, rounds: readonly (readonly Step[])[]): Promise<readonly string[]>;
}

/** What smbclient says of an operation that was refused. */
const REFUSED = /NT_STATUS_\w+[^\n]*|[^\n]*\b(?:ERROR\w*|failed)\b[^\n]*/gi;
/** Of a round, and of the whole besides: a hung client must not hang the tests. */
const LONGEST_MS = 10_000;

const smbclient: OtherClient = {
  name: "smbclient",
  run: async (samba, rounds) => {
    const commands = rounds.flat().map((step) => step.join(" ").replaceAll("/", "\\"));
    return (await samba.smbclient(commands.join("; "))).match(REFUSED) ?? [];
  },
};

const script = (name: string): string => join(import.meta.dirname, name);

async function answer(
  file: string,
  args: readonly string[],
  samba: Samba,
  rounds: readonly (readonly Step[])[],
): Promise<readonly string[]> {
  const child = spawn(file, args, {
    stdio: ["pipe", "pipe", "pipe"],
    timeout: LONGEST_MS * (rounds.length + 3),
  });
  let output = "";
  let problems = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    problems += chunk.toString();
  });
  const { port, domain, user: username, password } = samba;
  child.stdin.end(JSON.stringify({ port, domain, username, password, share: "share", rounds }));
  await new Promise((resolve) => child.once("close", resolve));
  const line = output.trim().split("\n").at(-1);
  if (line === undefined || line === "")
    throw new Error(`${args[0]} said nothing: ${problems.slice(-2_000)}`);
  return (JSON.parse(line) as { refused: string[] }).refused;
}

/** Its `readdir` keeps the directory open until the connection ends: it is told what to remove. */
function spelledOut(root: string, [name, path, to]: Step): readonly Step[] {
  if (name !== "deltree") return [[name, path, to] as Step];
  const below = readdirSync(join(root, path), { withFileTypes: true }).flatMap((entry) => {
    const inner = `${path}/${entry.name}`;
    return entry.isDirectory() ? spelledOut(root, ["deltree", inner]) : [["rm", inner] as const];
  });
  return [...below, ["rmdir", path]];
}

const marsaud: OtherClient = {
  name: "@marsaud/smb2",
  run: (samba, rounds) => {
    const steps = rounds.map((round) => round.flatMap((step) => spelledOut(samba.path(), step)));
    return answer(process.execPath, ["--openssl-legacy-provider", script("marsaud.mjs")], samba, steps);
  },
};

const impacket: OtherClient = {
  name: "Impacket",
  ...(hasImpacket() ? {} : { absent: "python3-impacket is not installed" }),
  run: (samba, rounds) => answer("/usr/bin/python3", [script("others.py"), "impacket"], samba, rounds),
};

/** Debian 12 has no package of it: a Python that has it is named by `SMBPROTOCOL_PYTHON`. */
const python = process.env["SMBPROTOCOL_PYTHON"] ?? "/usr/bin/python3";
const hasSmbprotocol =
  existsSync(python) && spawnSync(python, ["-c", "import smbprotocol, smbclient"]).status === 0;

const smbprotocol: OtherClient = {
  name: "smbprotocol",
  ...(hasSmbprotocol ? {} : { absent: "no Python with smbprotocol, see SMBPROTOCOL_PYTHON" }),
  run: (samba, rounds) => answer(python, [script("others.py"), "smbprotocol"], samba, rounds),
};

export const clients: readonly OtherClient[] = [smbclient, marsaud, impacket, smbprotocol];
