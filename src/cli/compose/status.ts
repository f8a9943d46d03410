import { printable } from "../../base/printable.ts";
import { collectStatus, type FleetStatus, type HolderStatus } from "../../fleet/status.ts";
import { syncedWithin } from "../../fleet/synced.ts";
import { FleetView } from "../../fleet/view.ts";
import type { Context, Invocation } from "../command.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { loadFor } from "../load-config.ts";
import type { Output } from "../output.ts";
import { openExistingBroker } from "./broker.ts";
import { interruptible } from "./interruptible.ts";

const SYNC_MS = 10_000;

/** `smb2nats status` */
export async function runStatus(invocation: Invocation, context: Context): Promise<ExitCode> {
  const { config } = loadFor(invocation, context);
  return interruptible(context, async ({ scope, signal }) => {
    const broker = scope.use(await openExistingBroker(config.nats, "smb2nats status", signal));
    const mirror = scope.use(broker.mirror());
    const view = new FleetView(mirror, {
      caseSensitive: (name) => config.connections[name]?.caseSensitive,
    });
    await syncedWithin(mirror, { signal, deadlineMs: SYNC_MS, what: "the bucket of watches" });
    const status = collectStatus(view);
    if (invocation.flag("json")) context.out.json(status);
    else print(context.out, status);
    return EXIT.ok;
  });
}

function print(out: Output, { holders, watches, void: gone }: FleetStatus): void {
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
    ["CONNECTION", "PATH", "STATE", "MODE", "REFS", "OWNER"].map((head) => out.style("bold", head)),
    ...watches.map((watch) => [
      printable(watch.connection),
      printable(watch.recursive ? `${watch.path === "/" ? "" : watch.path}/**` : watch.path),
      `${watch.state}${watch.error === undefined ? "" : ` (${printable(watch.error)})`}`,
      watch.mode,
      `${watch.refs}${watch.unwanted === true ? " (ending)" : ""}`,
      watch.owner === undefined ? "" : `${printable(watch.host ?? "")} ${watch.owner}`,
    ]),
  ]);
  if (gone.refs + gone.claims > 0) {
    out.say(`Left by processes that are gone, about to be swept: ${gone.refs} refs, ${gone.claims} claims.`);
  }
}

function describeLag({ lag }: HolderStatus): string {
  if (lag === undefined) return "";
  return lag.messages === 0 ? "none" : `${lag.messages} waiting, ${(lag.ms / 1_000).toFixed(1)} s`;
}
