import { sleep, waitFor } from "../../base/async.ts";
import { describeError } from "../../base/errors.ts";
import type { CanonicalPath } from "../../base/path.ts";
import { printable } from "../../base/printable.ts";
import type { ConnectionConfig } from "../../ops/config/index.ts";
import { nearest } from "../../ops/nearest.ts";
import { dialectName } from "../../smb/options.ts";
import { effectiveCover, lateByLooking, lateByPolling } from "../../watch/cover/index.ts";
import type { Late } from "../../watch/events.ts";
import { resolveOptions } from "../../watch/options.ts";
import type { DirectoryEntry } from "../../watch/source.ts";
import type { Context, Invocation } from "../command.ts";
import { EXIT, type ExitCode, exitCodeOf, UsageError } from "../exit-codes.ts";
import { loadFor } from "../load-config.ts";
import type { Output } from "../output.ts";
import { isShareArgument } from "../share-argument.ts";
import { type Finding, Lookout } from "./check-findings.ts";
import { helpText, MEANINGS } from "./check-meanings.ts";
import { firstContact } from "./first-contact.ts";
import { interruptible } from "./interruptible.ts";
import { nameShare, type OpenedShare, openConfigured, openNamedShare } from "./open-share.ts";
import { describeLate } from "./print-event.ts";
import { shareSettings } from "./share-settings.ts";

/** What `check --json` prints for a connection that answers. */
export interface CheckReport {
  readonly connection: string;
  readonly share: string;
  readonly ok: true;
  readonly dialect: string;
  readonly signing: string;
  readonly encryption: string;
  readonly server: string;
  /** Of Windows: `major.minor.build`. No other server tells its own. */
  readonly version?: string;
  /** Whether a CHANGE_NOTIFY was accepted, on one directory and on a tree. */
  readonly notify: boolean;
  readonly recursion: "full" | "partial" | "none";
  /** Watches on one socket, as far as known. */
  readonly slots?: number;
  readonly cover: "directory" | "tree";
  /** No handle is held that others could find in their way. */
  readonly harmless: boolean;
  readonly mode: "notify" | "poll";
  /** What a watch will not tell at once, below the top of the share, and within how many seconds it will. */
  readonly late?: Late;
  /** Through DFS: the share as named, and where it led. */
  readonly route?: readonly string[];
  /** How we logged in. */
  readonly auth?: "ntlm" | "kerberos";
  readonly loginMs: number;
  readonly listing: { readonly entries: number; readonly ms: number; readonly complete: boolean };
  /** What a watch will not hear of, or not at once, as far as that could be seen. */
  readonly findings: readonly Finding[];
}

interface CheckFailure {
  readonly connection: string;
  readonly share: string;
  readonly ok: false;
  readonly error: string;
}

/** Longest look at one directory. */
const LISTING_MS = 10_000;
const NOTIFY_MS = 10_000;
/** FUSE-T's go-smb2 accepts each request, and refuses it 5 s later: of a server that is not known, a request is held that long. */
const HOLDS_MS = 6_000;
const LOGIN_MS = 30_000;

/** `smb2nats check` */
export async function runCheck(invocation: Invocation, context: Context): Promise<ExitCode> {
  const { out } = context;
  const json = invocation.flag("json");
  return interruptible(context, async ({ scope, signal }) => {
    let worst: ExitCode = EXIT.ok;
    for (const open of await targets(invocation, context)) {
      const opened = await open();
      scope.use(opened.share);
      const report = await examine(opened, signal).catch((error: unknown) => {
        if (signal.aborted) throw error;
        if (worst === EXIT.ok) worst = exitCodeOf(error);
        const { name, where } = opened;
        return {
          connection: name,
          share: where,
          ok: false,
          error: describeError(error),
        } satisfies CheckFailure;
      });
      if (json) out.json(report);
      else print(out, report);
      await opened.share.close();
    }
    return worst;
  });
}

async function targets(
  invocation: Invocation,
  context: Context,
): Promise<readonly (() => Promise<OpenedShare & { readonly path: CanonicalPath }>)[]> {
  const { operands } = invocation;
  const [first] = operands;
  if (first !== undefined && isShareArgument(first)) {
    if (operands.length > 1) throw new UsageError("check takes one share, or any number of connections");
    const named = await nameShare(first, invocation, context);
    return [async () => ({ ...openNamedShare(named, context), path: named.argument.path })];
  }
  const { config } = loadFor(invocation, context);
  const settings = shareSettings(invocation);
  const known = Object.keys(config.connections);
  const names = operands.length > 0 ? operands : known;
  if (names.length === 0)
    throw new UsageError("nothing to check: name a share (//server/share), or --config FILE");
  for (const name of names) {
    if (known.includes(name)) continue;
    const meant = nearest(name, known);
    throw new UsageError(
      `there is no connection ${JSON.stringify(name)}${meant === undefined ? "" : `; did you mean ${meant}?`}`,
    );
  }
  return names.map((name) => async () => ({ ...(await openConfigured(name, config, settings)), path: "/" }));
}

async function examine(
  { name, share, settings, where, path }: OpenedShare & { readonly path: CanonicalPath },
  signal: AbortSignal,
): Promise<CheckReport> {
  const started = performance.now();
  const contact = firstContact(share, { connection: name, where, username: settings.username, signal });
  await waitFor(contact, { signal, deadlineMs: LOGIN_MS, what: where });
  const loginMs = Math.round(performance.now() - started);
  const lookout = new Lookout(share.source, path);
  let listing: CheckReport["listing"];
  let findings: readonly Finding[];
  let single: boolean;
  try {
    await lookout.begin(signal);
    listing = await list({ share, path }, (page) => lookout.see(page), signal);
    findings = await lookout.finish(signal);
    single = await accepts({ share, path }, false, signal);
    const known = (share.info().server?.kind ?? "unknown") !== "unknown";
    if (single && !known) single = !(await lookout.refusedWithin(HOLDS_MS, signal));
  } finally {
    await lookout.close();
  }
  const tree = single && (await accepts({ share, path }, true, signal));
  const { server, watchesPerConnection } = share.info();
  const full = tree && share.source.traits.fullRecursion;
  const { recursionStops = false } = share.source.traits;
  const cover = effectiveCover(settings.cover, recursionStops);
  const route = share.route(path);
  const late = lateOf(settings, single ? cover : "poll", full);
  return {
    connection: name,
    share: where,
    ok: true,
    dialect: server === undefined ? "unknown" : dialectName(server.dialect),
    signing: server?.signing.active === true ? server.signing.algorithm : "off",
    encryption: server?.encryption.active === true ? String(server.encryption.cipher ?? "on") : "off",
    server: server?.kind ?? "unknown",
    // Others than Windows have nothing of their own to say there: Samba has said 6.1.0 for twenty years.
    ...(server?.kind !== "windows" || server.version === undefined ? {} : { version: server.version }),
    notify: single,
    recursion: full ? "full" : tree ? "partial" : "none",
    ...(watchesPerConnection === undefined ? {} : { slots: watchesPerConnection }),
    cover,
    harmless: cover === "tree" || !single,
    mode: single ? "notify" : "poll",
    ...(late === undefined ? {} : { late }),
    ...(route.length > 1 ? { route } : {}),
    ...(server?.mechanism === undefined ? {} : { auth: server.mechanism }),
    loginMs,
    listing,
    findings,
  };
}

/** As a watch of a few directories would say it. */
function lateOf(
  { pollSeconds, rescanMinutes }: Pick<ConnectionConfig, "pollSeconds" | "rescanMinutes">,
  cover: CheckReport["cover"] | "poll",
  full: boolean,
): Late | undefined {
  const options = resolveOptions({ pollSeconds, rescanMinutes });
  if (cover === "poll") return lateByPolling(options);
  if (cover === "directory" || full) return undefined;
  const { healthSeconds, fallbackRescanMinutes } = options;
  return lateByLooking(0, { healthSeconds, rescanMinutes: rescanMinutes || fallbackRescanMinutes });
}

type Place = Pick<OpenedShare, "share"> & { readonly path: CanonicalPath };

async function list(
  { share, path }: Place,
  see: (page: readonly DirectoryEntry[]) => void,
  signal: AbortSignal,
): Promise<CheckReport["listing"]> {
  const started = performance.now();
  let entries = 0;
  let complete = true;
  for await (const page of share.list(path, { signal })) {
    entries += page.length;
    see(page);
    if (performance.now() - started > LISTING_MS) {
      complete = false;
      break;
    }
  }
  return { entries, ms: Math.round(performance.now() - started), complete };
}

/** Arms one notify and takes it back. */
async function accepts({ share, path }: Place, recursive: boolean, signal: AbortSignal): Promise<boolean> {
  const directory = await share.source.open(path, { signal });
  try {
    const armed = directory.arm({ recursive, filter: 0x1f });
    // A server that cannot notify may answer no, or nothing at all.
    return await Promise.race([armed.accepted, sleep(NOTIFY_MS, { signal }).then(() => false)]);
  } finally {
    await directory.close();
  }
}

function print(out: Output, report: CheckReport | CheckFailure): void {
  out.data(`${out.style("bold", report.connection)}  ${printable(report.share)}`);
  if (!report.ok) {
    out.data(`  ${out.style("red", "failed")}  ${printable(report.error)}`);
    return;
  }
  const { listing } = report;
  const rows: [string, string][] = [
    [
      "server",
      `${serverText(report)}, SMB ${report.dialect}, ${report.auth === undefined ? "" : `${report.auth} `}login in ${report.loginMs} ms`,
    ],
    ...(report.route === undefined ? [] : ([["route", report.route.join(" -> ")]] as [string, string][])),
    ["signing", report.signing],
    ["encryption", report.encryption],
    [
      "notify",
      report.notify ? `yes; of trees ${RECURSION[report.recursion]}` : "no: the server will be polled",
    ],
    ...(report.slots === undefined
      ? []
      : ([["slots", `${report.slots} watches on one socket`]] as [string, string][])),
    ["cover", `${report.cover}, by ${report.mode}${consequences(report)}`],
    [
      "listing",
      `${listing.entries} entries in ${listing.ms} ms${listing.complete ? "" : ", and not at the end"}`,
    ],
    ...report.findings.map(({ kind, count, example, help }): [string, string] => {
      const others = count > 1 ? ` and ${count - 1} more` : "";
      const { text } = MEANINGS[kind];
      const option = help === undefined ? "" : ` (${helpText(help)})`;
      return [kind, `${printable(example)}${others}: ${text}${option}`];
    }),
  ];
  out.table(rows.map(([key, value]) => [`  ${out.style("dim", key)}`, printable(value)]));
}

function serverText({ server, version }: CheckReport): string {
  if (server === "unknown") return "of an unknown kind";
  return version === undefined ? server : `${server} ${version}`;
}

/** What the cover does to others, and what it hears late. */
function consequences({ harmless, mode, late }: CheckReport): string {
  if (mode === "notify" && !harmless) return "; others cannot reliably remove or rename what is watched";
  return late === undefined ? "" : `; late: ${describeLate(late)}`;
}

const RECURSION: Readonly<Record<CheckReport["recursion"], string>> = {
  full: "completely",
  partial: "partly",
  none: "not at all",
};
