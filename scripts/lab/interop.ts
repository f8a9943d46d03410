import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createNtlmProvider } from "../../src/auth/ntlm.ts";
import { waitFor } from "../../src/base/async.ts";
import type { CipherId } from "../../src/crypto/sealing.ts";
import type { SigningAlgorithm } from "../../src/crypto/signing.ts";
import type { NotifyRecord } from "../../src/smb/files/notify.ts";
import { DIALECTS, type Dialect, dialectName } from "../../src/smb/options.ts";
import { SmbPool } from "../../src/smb/pool/pool.ts";
import type { Samba } from "./samba.ts";
import { startTcpProxy, type TcpProxy } from "./tcp-proxy.ts";

export interface Combination {
  readonly dialect: Dialect;
  readonly signing: SigningAlgorithm;
  /** Absent: signed, not encrypted. */
  readonly cipher: CipherId | undefined;
}

export const CIPHERS: readonly CipherId[] = ["aes-128-ccm", "aes-128-gcm", "aes-256-ccm", "aes-256-gcm"];
const ALGORITHMS: readonly SigningAlgorithm[] = ["hmac-sha256", "aes-cmac", "aes-gmac"];

/** Every dialect with every signing algorithm and cipher it has. */
export function combinations(): Combination[] {
  return DIALECTS.flatMap((dialect): Combination[] => {
    if (dialect < 0x0300) return [{ dialect, signing: "hmac-sha256", cipher: undefined }];
    if (dialect < 0x0311) {
      return [undefined, "aes-128-ccm" as const].map((cipher) => ({ dialect, signing: "aes-cmac", cipher }));
    }
    return ALGORITHMS.flatMap((signing) =>
      [undefined, ...CIPHERS].map((cipher) => ({ dialect, signing, cipher })),
    );
  });
}

export function combinationName({ dialect, signing, cipher }: Combination): string {
  return `SMB ${dialectName(dialect)}, ${signing}, ${cipher ?? "plain"}`;
}

/** What a step did; the order is the order of the table's columns. */
export const STEPS = ["login", "list", "notify", "cancel", "close", "wire"] as const;
export type Step = (typeof STEPS)[number];
export type InteropResult = Record<Step, string>;

const WATCHED = "watched-directory";
const MADE = "made-by-another-client";
const SOON = { deadlineMs: 10_000 };

/**
 * One combination from login to goodbye against a real server, through a relay that keeps every byte.
 * @throws Error naming what was not as it must be
 */
export async function runCombination(
  samba: Samba,
  { dialect, signing, cipher }: Combination,
): Promise<InteropResult> {
  const top = `matrix-${dialect}-${signing}-${cipher}`;
  const dir = join(samba.path(), top);
  mkdirSync(join(dir, WATCHED), { recursive: true });
  const proxy = await startTcpProxy({ port: samba.port, record: true });
  const pool = new SmbPool({
    host: samba.host,
    port: proxy.port,
    share: "share",
    root: `/${top}`,
    auth: createNtlmProvider({ username: samba.user, password: samba.password }),
    dialects: [dialect],
    signingAlgorithms: [signing],
    ciphers: cipher === undefined ? CIPHERS : [cipher],
    encryption: cipher === undefined ? "off" : "required",
  });
  try {
    const handle = await pool.openDirectory(`/${WATCHED}`);
    const { server } = pool.info();
    insist(server?.dialect === dialect, `speaks dialect ${server?.dialect}`);
    insist(server.signing.active && server.signing.algorithm === signing, "signs as asked");
    insist(server.encryption.active === (cipher !== undefined), "encrypts as asked");
    insist(!server.encryption.active || server.encryption.cipher === cipher, "uses the cipher asked for");

    const options = { recursive: true, filter: 0x1f };
    const [first, second] = [handle.arm(options), handle.arm(options)];
    insist(await waitFor(first.accepted, SOON), "accepts a notify");
    insist(await waitFor(second.accepted, SOON), "accepts a second one behind it");
    second.cancel();
    const cancelled = await waitFor(second.outcome, SOON);
    insist(cancelled.type === "cancelled", `cancels (${cancelled.type})`);

    await samba.smbclient(`mkdir ${top}/${WATCHED}/${MADE}`);
    // Samba 4.22 and later tell it under a temporary name first, and then as added (4.25) or as renamed (4.22).
    const told: NotifyRecord[] = [];
    for (let next = first; !told.some(({ temporary }) => temporary !== true); next = handle.arm(options)) {
      const outcome = await waitFor(next.outcome, SOON);
      insist(outcome.type === "records" && !outcome.doubtful, `notifies (${outcome.type})`);
      told.push(...outcome.records);
    }
    const made = told.find(({ temporary }) => temporary !== true);
    insist(made?.name === MADE && (made.action === 1 || made.action === 5), "tells what was made");

    const names: string[] = [];
    for await (const page of pool.list(`/${WATCHED}`)) names.push(...page.map((entry) => entry.name));
    insist(names.join() === MADE, `lists what is there (${names.join()})`);
    const info = await pool.stat(`/${WATCHED}`);
    insist(info.fileId !== undefined && info.fileId === handle.info.fileId, "knows the directory again");
    await handle.close();
    insist(pool.info().watches === 0, "closes");
  } finally {
    await pool.close();
    await proxy.close();
    rmSync(dir, { recursive: true });
  }
  return {
    login: "yes",
    list: "yes",
    notify: "yes",
    cancel: "yes",
    close: "yes",
    wire: cipher === undefined ? provenSigned(proxy) : provenSealed(proxy),
  };
}

/** What one Samba did, by `combinationName`; what failed is missing. */
export interface InteropColumn {
  /** `4.22.11` */
  readonly version: string;
  readonly results: ReadonlyMap<string, InteropResult>;
}

/** The rendered table, the part of docs/interop.md that the runs decide: a column for each release. */
export function interopTable(columns: readonly InteropColumn[]): string {
  const head = [
    "dialect",
    "signing",
    "encryption",
    "wire",
    ...columns.map(({ version }) => release(version)),
  ];
  const lines = combinations().map((combination) => {
    const { dialect, signing, cipher } = combination;
    const cells = columns.map((column) => interopCell(combination, column));
    return [dialectName(dialect), signing, cipher ?? "none", wireOf(combination), ...cells].join(" | ");
  });
  return [head.join(" | "), head.map(() => "---").join(" | "), ...lines]
    .map((line) => `| ${line} |`)
    .join("\n");
}

/** What a table says of one release, top to bottom; `undefined` where it has no such column. */
export function readColumn(table: string, version: string): string[] | undefined {
  const rows = table.split("\n").filter((line) => line.startsWith("| "));
  const [head = [], , ...lines] = rows.map((line) => line.slice(2, -2).split(" | "));
  const at = head.indexOf(release(version));
  return at < 0 ? undefined : lines.map((cells) => cells[at] ?? "");
}

/** `all`: every step as it must be, and the wire as the row says. */
export function interopCell(combination: Combination, { results }: InteropColumn): string {
  const result = results.get(combinationName(combination));
  if (result === undefined) return "NO";
  const wrong = STEPS.filter((step) => result[step] !== (step === "wire" ? wireOf(combination) : "yes"));
  return wrong.length === 0 ? "all" : `NO ${wrong.join(", ")}`;
}

/** Those that come as patches make no difference here. */
function release(version: string): string {
  return `Samba ${version.split(".").slice(0, 2).join(".")}`;
}

function wireOf({ cipher }: Combination): string {
  return cipher === undefined ? "signed" : "encrypted";
}

/** Every request after the login carries a signature; and the search for names finds what is in the clear. */
function provenSigned(proxy: TcpProxy): string {
  for (const { direction, message } of frames(proxy)) {
    insist(message.readUInt32BE(0) === 0xfe534d42, "sends nothing but SMB2 in the clear");
    if (direction === "in" || isLogin(message)) continue;
    insist((message.readUInt32LE(16) & 8) !== 0, "signs every request after the login");
  }
  insist(readable(proxy, WATCHED) && readable(proxy, MADE), "shows names where nothing is encrypted");
  return "signed";
}

/** After the login nothing but transform headers (FD 'S' 'M' 'B') in both directions, and no name to be read. */
function provenSealed(proxy: TcpProxy): string {
  let sealed = 0;
  for (const { message } of frames(proxy)) {
    if (message.readUInt32BE(0) === 0xfd534d42) sealed++;
    else insist(isLogin(message), "encrypts everything after the login");
  }
  // At the very least: tree, open, two notifies, their answers, a listing, close, and the same of the other side.
  insist(sealed >= 16, `sends encrypted frames (${sealed})`);
  for (const name of [WATCHED, MADE]) insist(!readable(proxy, name), `hides the name ${name}`);
  return "encrypted";
}

/** NEGOTIATE and SESSION_SETUP come before there are keys. */
function isLogin(message: Buffer): boolean {
  return message.readUInt32BE(0) === 0xfe534d42 && message.readUInt16LE(12) <= 1;
}

function readable(proxy: TcpProxy, name: string): boolean {
  const wanted = Buffer.from(name, "utf16le");
  return streams(proxy).some(({ bytes }) => bytes.includes(wanted));
}

/** Read by hand, so that a mistake of our own codec cannot hide itself. */
function frames(proxy: TcpProxy): { readonly direction: "in" | "out"; readonly message: Buffer }[] {
  return streams(proxy).flatMap(({ direction, bytes }) => {
    const messages = [];
    for (let at = 0; at + 4 <= bytes.length; ) {
      const length = bytes.readUIntBE(at + 1, 3);
      messages.push({ direction, message: bytes.subarray(at + 4, at + 4 + length) });
      at += 4 + length;
    }
    return messages;
  });
}

function streams(proxy: TcpProxy): { readonly direction: "in" | "out"; readonly bytes: Buffer }[] {
  const parts = new Map<string, { direction: "in" | "out"; chunks: Buffer[] }>();
  for (const { connection, direction, data } of proxy.captured) {
    const key = `${connection} ${direction}`;
    const stream = parts.get(key) ?? { direction, chunks: [] };
    parts.set(key, stream);
    stream.chunks.push(data);
  }
  return [...parts.values()].map(({ direction, chunks }) => ({ direction, bytes: Buffer.concat(chunks) }));
}

function insist(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`the server or the client does not do as it should: ${what}`);
}
