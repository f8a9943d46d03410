import { sleep } from "../../base/async.ts";
import { systemClock } from "../../base/clock.ts";
import { printable } from "../../base/printable.ts";
import type { BrokerLink } from "../../broker/port.ts";
import { requestActivity, type WatchActivity } from "../../fleet/activity.ts";
import { watchKey } from "../../fleet/identity.ts";
import { collectStatus, type FleetStatus, type HolderStatus, type WatchStatus } from "../../fleet/status.ts";
import { syncedWithin } from "../../fleet/synced.ts";
import { FleetView } from "../../fleet/view.ts";
import type { Context, Invocation } from "../command.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Output } from "../output.ts";
import { openExistingBroker } from "./broker.ts";
import { formatSpan } from "./format.ts";
import { interruptible } from "./interruptible.ts";
import { natsOptions } from "./nats-options.ts";

const AGAIN_MS = 2_000;
/** A worker that is there answers at once; one that may not be asked never does. */
const ACTIVITY_MS = 2_000;

/** A watch, and what its owner told of late, where it said so. */
type ShownWatch = WatchStatus & Partial<Pick<WatchActivity, "lastChange" | "resyncs" | "found">>;
type ShownStatus = Omit<FleetStatus, "watches"> & { readonly watches: readonly ShownWatch[] };

/** `smb2nats status` */
export async function runStatus(invocation: Invocation, context: Context): Promise<ExitCode> {
  const { config, timeoutMs } = natsOptions(invocation, context);
  const { out } = context;
  return interruptible(context, async ({ scope, signal }) => {
    const broker = scope.use(await openExistingBroker(config.nats, "smb2nats status", signal, timeoutMs));
    const mirror = scope.use(broker.mirror());
    const view = new FleetView(mirror, {
      caseSensitive: (name) => config.connections[name]?.caseSensitive,
    });
    await syncedWithin(mirror, { signal, deadlineMs: timeoutMs, what: "the bucket of watches" });
    for (let again = false; ; again = true) {
      const wait = { signal, timeoutMs: Math.min(ACTIVITY_MS, timeoutMs) };
      const status = await withActivity(collectStatus(view), broker.link, view.caseSensitive, wait);
      if (invocation.flag("json")) out.json(status);
      else {
        if (out.interactive && invocation.flag("watch")) context.stdout.write(HOME);
        else if (again) out.data();
        print(out, status);
        if (!view.current) out.say("NATS is away: this is how it was.");
      }
      if (!invocation.flag("watch")) return EXIT.ok;
      await sleep(AGAIN_MS, { signal });
    }
  });
}

/** Cursor home, and nothing left of what stood there. */
const HOME = "\u001b[H\u001b[2J";

/** Each owner is asked; one that does not answer (older, hung, or not to be asked by us) leaves its watches as they are. */
async function withActivity(
  status: FleetStatus,
  link: BrokerLink,
  caseSensitive: (connection: string) => boolean,
  wait: { readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<ShownStatus> {
  const answers = new Map<string, ReadonlyMap<string, WatchActivity>>();
  await Promise.all(
    status.holders.map(async ({ kind, lease }) => {
      if (kind !== "worker") return;
      const watches = await requestActivity(link, lease, wait).catch(() => undefined);
      if (watches === undefined) return;
      answers.set(lease, new Map(watches.map((watch) => [watchKey(watch, caseSensitive), watch])));
    }),
  );
  const watches = status.watches.map((watch): ShownWatch => {
    const answer = watch.owner === undefined ? undefined : answers.get(watch.owner);
    if (answer === undefined) return watch;
    const { lastChange, resyncs = {}, found = 0 } = answer.get(watchKey(watch, caseSensitive)) ?? {};
    return { ...watch, ...(lastChange === undefined ? {} : { lastChange }), resyncs, found };
  });
  return { ...status, watches };
}

function print(out: Output, { holders, watches, void: gone }: ShownStatus): void {
  out.table([
    ["KIND", "HOST", "LEASE", "VERSION", "REFS", "CLAIMS", "CAPACITY", "LAG", "CONNECTIONS"].map((head) =>
      out.style("bold", head),
    ),
    ...holders.map((holder) => [
      `${holder.kind}${holder.draining === true ? " (draining)" : ""}`,
      printable(holder.host),
      holder.lease,
      printable(holder.version ?? ""),
      String(holder.refs),
      String(holder.claims),
      holder.capacity === undefined ? "" : String(holder.capacity),
      describeLag(holder),
      (holder.connections ?? [])
        .map((name) => printable(holder.deny?.includes(name) ? `${name} (out of reach)` : name))
        .join(","),
    ]),
  ]);
  out.data();
  out.table([
    ["CONNECTION", "PATH", "STATE", "MODE", "CHANGED", "RESYNCS/H", "FOUND/H", "REFS", "OWNER"].map((head) =>
      out.style("bold", head),
    ),
    ...watches.map((watch) => [
      printable(watch.connection),
      printable(watch.recursive ? `${watch.path === "/" ? "" : watch.path}/**` : watch.path),
      `${watch.state}${watch.error === undefined ? "" : ` (${printable(watch.error)})`}`,
      watch.late === undefined
        ? watch.mode
        : `${watch.mode} (up to ${formatSpan(watch.late.names * 1_000)} late)`,
      watch.lastChange === undefined
        ? "-"
        : `${formatSpan(systemClock.now() - Date.parse(watch.lastChange))} ago`,
      describeResyncs(watch),
      watch.found === undefined ? "?" : String(watch.found),
      `${watch.refs}${watch.unwanted === true ? " (ending)" : ""}`,
      watch.owner === undefined ? "" : `${printable(watch.host ?? "")} ${watch.owner}`,
    ]),
  ]);
  if (gone.refs + gone.claims > 0) {
    out.say(`Left by processes that are gone, about to be swept: ${gone.refs} refs, ${gone.claims} claims.`);
  }
}

function describeResyncs({ resyncs }: ShownWatch): string {
  if (resyncs === undefined) return "?";
  const each = Object.entries(resyncs).map(([reason, count]) => `${count} ${printable(reason)}`);
  return each.length === 0 ? "0" : each.join(", ");
}

function describeLag({ lag }: HolderStatus): string {
  if (lag === undefined) return "";
  return lag.messages === 0 ? "none" : `${lag.messages} waiting, ${(lag.ms / 1_000).toFixed(1)} s`;
}
