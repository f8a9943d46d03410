import type { RacesReport } from "./races.ts";
import type { TortureReport } from "./run.ts";
import type { SessionCounts } from "./tickets.ts";

/** A run for people. */
export function describeReport(report: TortureReport): string {
  const { changes, delivered, lost, sessions, slowest } = report;
  const kinds = Object.values(report.faults);
  const faults = kinds.reduce((sum, count) => sum + count, 0);
  const perHour = report.seconds > 0 ? Math.round((faults / report.seconds) * 3_600) : 0;
  const lines = [
    `seed                ${report.seed}`,
    `mode                ${report.mode}${report.recursive ? ", recursive" : ""}${report.encrypted ? ", encrypted" : ""}${sessions === undefined ? "" : ", by Kerberos"}${report.openAudience ? ", consumers join at any time" : ""}`,
    `consumers           ${report.consumers.join("  ")}`,
    `options             ${counts(report.options)}`,
    `ran                 ${report.seconds.toFixed(0)} s, ${report.rounds} rounds`,
    `changes made        ${changes.smb + changes.local} (${changes.smb} by SMB, ${changes.local} on the server)`,
    `delivered           ${counts(delivered)}`,
    `resyncs             ${counts(report.resyncs) || "none"}`,
    `snapshots           ${counts(report.snapshots) || "none"} by consumers that never list`,
    `covered by resync   ${report.coveredByResync} names`,
    `faults              ${faults} (${perHour} an hour): ${counts(report.faults) || "none"}`,
    ...(sessions === undefined ? [] : [describeSessions(sessions)]),
    `slowest to converge ${slowest.calm.toFixed(2)} s after a round without, ${slowest.faulty.toFixed(2)} s with a fault`,
    `lost                ${lost.length}`,
  ];
  if (report.mode === "tree") {
    lines.push(
      "note                Samba does not tell what is done locally below the top of a recursive watch: rescans found it",
    );
  }
  for (const { consumer, what, history } of lost.slice(0, 20)) {
    lines.push("", `LOST ${consumer}: ${what}`, ...history.map((line) => `  ${line}`));
  }
  return lines.join("\n");
}

function describeSessions({ ticketSeconds, renewed, expired, revived, failed }: SessionCounts): string {
  return `sessions            tickets of ${ticketSeconds} s: ${renewed} renewed in time, ${expired} ended by the server (${revived} of them went on by a new ticket), ${failed} renewals put off`;
}

export function describeRaces(report: RacesReport): string {
  return [
    `seed                ${report.seed}`,
    `rounds              ${report.rounds}, ${report.changes} changes around \`live\``,
    `delivered           ${counts(report.delivered)}`,
    `right within 1 s    ${report.prompt}; later ${report.late}, the slowest after ${(report.slowestMs / 1_000).toFixed(2)} s`,
    `lost                ${report.lost.length === 0 ? 0 : report.lost.join("\n")}`,
  ].join("\n");
}

function counts(of: object): string {
  return Object.entries(of)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(", ");
}
