import { systemClock } from "../../base/clock.ts";
import { type CanonicalPath, joinPath } from "../../base/path.ts";
import { printable } from "../../base/printable.ts";
import type { Change, ChangesEvent, Late, ResyncEvent, WatchMode } from "../../watch/events.ts";
import type { Output } from "../output.ts";
import { formatSpan } from "./format.ts";
import type { MirrorEvent } from "./mirror-events.ts";

/** What `tail` and `watch` have in common. */
export type PrintableEvent =
  | { readonly type: "live"; readonly path: CanonicalPath; readonly late?: Late }
  | Extract<MirrorEvent, { readonly type: "snapshot" }>
  | ChangesEvent
  | ResyncEvent
  | {
      readonly type: "state";
      readonly path: CanonicalPath;
      readonly state: string;
      readonly mode: WatchMode;
      readonly error?: string;
      readonly late?: Late;
    };

const MARKS = { added: "+", removed: "-", modified: "~", renamed: ">", ready: "*" } as const;
const STYLES = {
  added: "green",
  removed: "red",
  modified: "yellow",
  renamed: "cyan",
  ready: "green",
} as const;

/** One event for people: changes to stdout, that it is live to stderr. With `talk`, states to stderr as well. */
export function printEvent(
  out: Output,
  event: PrintableEvent,
  { talk = false }: { readonly talk?: boolean } = {},
): void {
  const time = out.style("dim", new Date(systemClock.now()).toTimeString().slice(0, 8));
  switch (event.type) {
    case "live":
      out.say(`watching ${printable(event.path)}; Ctrl-C ends`);
      if (event.late !== undefined) out.say(`not told at once: ${describeLate(event.late)}`);
      return;
    case "snapshot":
      for (const entry of event.entries) {
        const name = printable(joinPath(event.directory, entry.name));
        out.data(`${time} ${out.style("dim", "·")} ${name}${out.style("dim", statText(entry))}`);
      }
      return;
    case "changes":
      for (const change of event.changes) {
        const mark = out.style(STYLES[change.action], MARKS[change.action]);
        const via = event.via === "notify" ? "" : out.style("dim", ` (${event.via})`);
        const facts = out.style("dim", change.action === "ready" ? readyText(change) : statText(change));
        out.data(`${time} ${mark} ${changeText(event.path, change)}${facts}${via}`);
      }
      return;
    case "resync":
      out.data(
        `${time} ${out.style("yellow", "!")} resync of ${scopeText(event.scope)} ${printable(event.path)} (${event.reason}): list it again`,
      );
      return;
    case "state": {
      const why = event.error === undefined ? "" : `: ${printable(event.error)}`;
      const late = event.late === undefined ? "" : `; late: ${describeLate(event.late)}`;
      const line = `${printable(event.path)} is ${event.state}, by ${event.mode}${why}${late}`;
      if (talk) out.say(line);
      else out.data(`${time} ${out.style("dim", "=")} ${line}`);
    }
  }
}

/** What comes late, in one clause. */
export function describeLate({ names, contents }: Late): string {
  const most = (seconds: number): string => formatSpan(seconds * 1_000);
  if (names === contents) return `all changes, up to ${most(names)}`;
  const writes = contents === undefined ? "never" : `up to ${most(contents)}`;
  return `names that come and go on the server itself, up to ${most(names)}; writes to files that are there, ${writes}`;
}

function changeText(directory: CanonicalPath, change: Change): string {
  const folder = directory === "/" ? "/" : `${directory}/`;
  const name = printable(`${folder}${change.name}`);
  if (change.action === "renamed" && change.oldName !== undefined) {
    return `${printable(`${folder}${change.oldName}`)} -> ${name}`;
  }
  if (change.movedTo !== undefined) return `${name}, moved to ${printable(change.movedTo)}`;
  if (change.movedFrom !== undefined) return `${name}, moved from ${printable(change.movedFrom)}`;
  return change.stream === true ? `${name} (a stream of it)` : name;
}

function readyText({ size, closed }: Change): string {
  return `  ready, ${size} bytes, ${closed === true ? "closed" : "perhaps still open"}`;
}

/** What `stat` told of the entry; empty where nothing is known. */
function statText({ type, size, modified }: Pick<Change, "type" | "size" | "modified">): string {
  if (type === undefined) return "";
  if (type === "directory") return "  directory";
  const when = modified === undefined ? "" : `, written ${modified}`;
  return `  ${size === undefined ? "file" : `${size} bytes`}${when}`;
}

function scopeText(scope: "self" | "subtree"): string {
  return scope === "self" ? "the directory" : "the tree";
}
