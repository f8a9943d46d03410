import { systemClock } from "../../base/clock.ts";
import type { CanonicalPath } from "../../base/path.ts";
import { printable } from "../../base/printable.ts";
import { type StreamEvent, WatchStream } from "../../share/watch-stream.ts";
import { SourceError } from "../../watch/source.ts";
import type { Context, Invocation } from "../command.ts";
import { EXIT, type ExitCode, RefusedError } from "../exit-codes.ts";
import type { Output } from "../output.ts";
import { firstContact } from "./first-contact.ts";
import { interruptible } from "./interruptible.ts";
import { nameShare, openNamedShare } from "./open-share.ts";
import { printEvent } from "./print-event.ts";

/** `smb2nats tail` */
export async function runTail(invocation: Invocation, context: Context): Promise<ExitCode> {
  const named = await nameShare(invocation.operands[0] ?? "", invocation, context);
  const { name, share, settings, where } = openNamedShare(named, context);
  const { path } = named.argument;
  const { out } = context;
  const print = invocation.flag("json") ? printJson : printEvent;
  return interruptible(context, async ({ scope, signal }) => {
    scope.use(share);
    await firstContact(share, { connection: name, where, username: settings.username, signal });
    const stream = new WatchStream(share.watches, path, {
      recursive: invocation.flag("recursive"),
      stat: invocation.flag("stat"),
      signal,
    });
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
