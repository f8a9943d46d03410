import { systemClock } from "../../base/clock.ts";
import type { CanonicalPath } from "../../base/path.ts";
import { type StreamEvent, WatchStream } from "../../share/watch-stream.ts";
import type { Change } from "../../watch/events.ts";
import { SourceError } from "../../watch/source.ts";
import type { Context, Invocation } from "../command.ts";
import { EXIT, type ExitCode, RefusedError } from "../exit-codes.ts";
import { type Output, printable } from "../output.ts";
import { firstContact } from "./first-contact.ts";
import { interruptible } from "./interruptible.ts";
import { nameShare, openNamedShare } from "./open-share.ts";

/** `smb2nats tail` */
export async function runTail(invocation: Invocation, context: Context): Promise<ExitCode> {
  const named = await nameShare(invocation.operands[0] ?? "", invocation, context);
  const { name, share, settings, where } = openNamedShare(named, context);
  const { path } = named.argument;
  const { out } = context;
  const print = invocation.flag("json") ? printJson : printText;
  return interruptible(context, async ({ scope, signal }) => {
    scope.use(share);
    await firstContact(share, { connection: name, where, username: settings.username, signal });
    const stream = new WatchStream(share.watches, path, { recursive: invocation.flag("recursive"), signal });
    try {
      for await (const event of stream) print(out, event);
    } catch (error) {
      throw error instanceof SourceError ? explain(error, where, path) : error;
    }
    return EXIT.ok;
  });
}

function explain(error: SourceError, where: string, path: CanonicalPath): Error {
  const directory = printable(path === "/" ? where : `${where}${path}`);
  if (error.failure === "denied")
    return new RefusedError(`${directory}: this account may not read it`, error);
  if (error.failure === "gone") return new SourceError("gone", `${directory} does not exist`);
  if (error.failure === "not-a-directory")
    return new SourceError("not-a-directory", `${directory} is not a directory`);
  return error;
}

/** Field order is the order people read in. */
function printJson(out: Output, event: StreamEvent): void {
  const time = new Date(systemClock.now()).toISOString();
  switch (event.type) {
    case "live":
      out.json({ type: "live", path: event.path, time });
      return;
    case "changes":
      out.json({ type: "changes", path: event.path, changes: event.changes, via: event.via, time });
      return;
    case "resync":
      out.json({ type: "resync", path: event.path, scope: event.scope, reason: event.reason, time });
      return;
    case "state": {
      const { path, state, mode, error } = event;
      out.json({ type: "state", path, state, mode, ...(error === undefined ? {} : { error }), time });
    }
  }
}

const MARKS = { added: "+", removed: "-", modified: "~", renamed: ">" } as const;
const STYLES = { added: "green", removed: "red", modified: "yellow", renamed: "cyan" } as const;

function printText(out: Output, event: StreamEvent): void {
  const time = out.style("dim", new Date(systemClock.now()).toTimeString().slice(0, 8));
  switch (event.type) {
    case "live":
      out.say(`watching ${printable(event.path)}; Ctrl-C ends`);
      return;
    case "changes":
      for (const change of event.changes) {
        const mark = out.style(STYLES[change.action], MARKS[change.action]);
        const via = event.via === "notify" ? "" : out.style("dim", ` (${event.via})`);
        out.data(`${time} ${mark} ${changeText(event.path, change)}${via}`);
      }
      return;
    case "resync":
      out.data(
        `${time} ${out.style("yellow", "!")} resync of ${scopeText(event.scope)} ${printable(event.path)} (${event.reason}): list it again`,
      );
      return;
    case "state": {
      const why = event.error === undefined ? "" : `: ${printable(event.error)}`;
      out.data(
        `${time} ${out.style("dim", "=")} ${printable(event.path)} is ${event.state}, by ${event.mode}${why}`,
      );
    }
  }
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

function scopeText(scope: "self" | "subtree"): string {
  return scope === "self" ? "the directory" : "the tree";
}
