import { printable } from "../../base/printable.ts";
import { inspectStorage, type StorageReport, type StreamReport } from "../../broker/streams/index.ts";
import type { Context, Invocation } from "../command.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Output } from "../output.ts";
import { brokerOptions } from "./broker.ts";
import { formatBytes, formatSpan } from "./format.ts";
import { interruptible } from "./interruptible.ts";
import { natsOptions } from "./nats-options.ts";

/** A full bucket refuses renewals; a full stream forgets its oldest events, as it should. */
const NEARLY_FULL = 0.8;

/** `smb2nats streams` */
export async function runStreams(invocation: Invocation, context: Context): Promise<ExitCode> {
  const { config, timeoutMs } = natsOptions(invocation, context);
  const { out } = context;
  return interruptible(context, async ({ signal }) => {
    const options = brokerOptions({
      nats: config.nats,
      name: "smb2nats streams",
      signal,
      firstConnectMs: timeoutMs,
      worker: { checkpoints: config.worker.checkpointSeconds > 0 },
    });
    const report = await inspectStorage({ ...options, deadlineMs: timeoutMs });
    if (invocation.flag("json")) out.json({ ok: report.streams.every(isUsable), ...report });
    else print(out, report);
    return report.streams.every(isUsable) ? EXIT.ok : EXIT.failure;
  });
}

function isUsable({ found, differences }: StreamReport): boolean {
  return found !== undefined && differences.every(({ fatal }) => !fatal);
}

function print(out: Output, { streams, account, server }: StorageReport): void {
  out.table([
    ["STREAM", "FOR", "USED", "RESERVED", "MESSAGES", "KEPT", "REPLICAS", "CONSUMERS"].map((head) =>
      out.style("bold", head),
    ),
    ...streams.map(({ stream, purpose, found }) =>
      found === undefined
        ? [printable(stream), purpose, "is not there"]
        : [
            printable(stream),
            purpose,
            `${formatBytes(found.usedBytes)}${share(found.usedBytes, found.reservedBytes)}`,
            found.reservedBytes === undefined ? "no limit" : formatBytes(found.reservedBytes),
            String(found.messages),
            found.maxAgeMs === undefined ? "for ever" : formatSpan(found.maxAgeMs),
            String(found.replicas),
            String(found.consumers),
          ],
    ),
  ]);
  out.data();
  if (account === undefined) out.data(`${serverText(server)}; the account's limits may not be asked for`);
  else {
    const { usedBytes, reservedBytes, limitBytes, streams: count, limitStreams } = account;
    const reserved = reservedBytes === undefined ? "" : `, ${formatBytes(reservedBytes)} reserved`;
    const limit = limitBytes === undefined ? "no limit of its own" : `of ${formatBytes(limitBytes)}`;
    const most = limitStreams === undefined ? "" : ` of ${limitStreams}`;
    out.data(
      `${serverText(server)}; account: ${formatBytes(usedBytes)} used${reserved}, ${limit}; ${count}${most} streams`,
    );
  }
  for (const line of advice(streams)) out.data(line);
}

function advice(streams: readonly StreamReport[]): string[] {
  return streams.flatMap(({ stream, purpose, found, differences }) => {
    const name = printable(stream);
    if (found === undefined) return [`${name} is not there: the first worker that may create it does`];
    const lines = differences.map(({ field, found: is, expected, fatal }) => {
      const weight = fatal ? ", and no role starts like that" : "";
      return `${name}: ${field} is ${printable(is)}, the configuration says ${printable(expected)}${weight}`;
    });
    const { reservedBytes = Number.POSITIVE_INFINITY, usedBytes } = found;
    if (purpose !== "events" && usedBytes > NEARLY_FULL * reservedBytes) {
      lines.push(`${name} is nearly full: give it more (nats stream edit)`);
    }
    return lines;
  });
}

function share(used: number, reserved: number | undefined): string {
  return reserved === undefined ? "" : ` (${Math.round((100 * used) / reserved)} %)`;
}

function serverText({ name, version }: StorageReport["server"]): string {
  return `nats-server ${printable(version)} ${printable(name)}`;
}
